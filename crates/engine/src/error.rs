//! Why a cycle stopped, in words for people, with a stable code each.

use std::fmt;

use base::Timestamp;
use serde::{Deserialize, Serialize};
use store::StoreError;
use wire::{CallError, Class};

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Microsoft Dynamics 365, through the Dataverse Web API.
    Dynamics,
    /// Adobe Marketo Engage.
    Marketo,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dynamics => "Dynamics",
            Self::Marketo => "Marketo",
        })
    }
}

/// Something that a person has to put right before anything can be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable code, with a page in `docs/errors`.
    pub code: &'static str,
    /// Where: a key of the configuration, or a table and field.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Why a cycle stopped. Whatever was confirmed before is saved; nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The configuration doesn't fit the two sides.
    #[error("{}", list(.0))]
    Configuration(Vec<Problem>),
    /// A quota or cap on calls is used up.
    #[error("{message}")]
    Quota {
        /// What is used up, and what to do.
        message: String,
        /// When calls may be made again, where that is known.
        until: Option<Timestamp>,
    },
    /// A side can't be reached, or refuses.
    #[error("{side} {}: {error}{}", doing(error), remedy(*side, error))]
    Side {
        /// Which.
        side: Side,
        /// What it said.
        error: Box<CallError>,
    },
    /// The state can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Dynamics' metadata are others than those that the pass began with. It begins anew by itself.
    #[error("the tables or columns of Dynamics have just changed; the next run goes by what they are now")]
    Stale,
    /// It was asked to stop.
    #[error("stopped as asked; what was confirmed is saved, the rest goes on at the next run")]
    Stopped,
}

impl SyncError {
    /// The error of a call to `side`.
    #[must_use]
    pub fn of_call(side: Side, error: CallError) -> Self {
        match (&error, error.class()) {
            (CallError::Stopped, _) => Self::Stopped,
            (CallError::OverCap { why, until }, _) => {
                Self::Quota { message: format!("{why}; what is left goes on {}", after(*until)), until: Some(*until) }
            }
            (CallError::Closed { until }, _) => Self::Quota {
                message: format!(
                    "{side} has said that the day's quota of calls is used up; it is reset at midnight US Central, and {side} is asked again {}",
                    after(*until)
                ),
                until: Some(*until),
            },
            (_, Some(Class::Quota)) => Self::Quota {
                message: format!(
                    "{side} says that the day's quota of calls is used up ({error}); it is reset at midnight US Central, and what is left \
                     goes on with the next run after that"
                ),
                until: None,
            },
            (_, _) => Self::Side { side, error: Box::new(error) },
        }
    }

    /// Whether a side answered that it won't do what it was asked, rather than being out of reach.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Side { error, .. } => matches!(error.class(), Some(Class::Config | Class::Record | Class::Bug | Class::Missing)),
            Self::Configuration(_) | Self::Quota { .. } | Self::Store(_) | Self::Stale | Self::Stopped => false,
        }
    }

    /// The side's own id of the request that it refused, where it gave one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Side { error, .. } => error.refusal()?.request_id.as_deref(),
            Self::Configuration(_) | Self::Quota { .. } | Self::Store(_) | Self::Stale | Self::Stopped => None,
        }
    }

    /// A stable code, with a page in `docs/errors`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Configuration(problems) => problems.first().map_or("configuration", |problem| problem.code),
            Self::Quota { .. } => "quota",
            Self::Side { side: Side::Dynamics, error } => side_code(error, ["dynamics-login", "dynamics-refused", "dynamics-unreachable"]),
            Self::Side { side: Side::Marketo, error } if error.code() == "1018" => "marketo-native-sync",
            Self::Side { side: Side::Marketo, error } => side_code(error, ["marketo-login", "marketo-refused", "marketo-unreachable"]),
            Self::Store(StoreError::Busy { .. }) => "busy",
            Self::Store(_) => "state",
            Self::Stale => "dynamics-changed",
            Self::Stopped => "stopped",
        }
    }
}

/// When it goes on, as people read it.
fn after(until: Timestamp) -> String {
    format!("after {} UTC", until.strftime("%Y-%m-%d %H:%M"))
}

fn side_code(error: &CallError, [login, refused, unreachable]: [&'static str; 3]) -> &'static str {
    match error.refusal() {
        Some(refusal) if is_login(&refusal.code) => login,
        Some(refusal) if refusal.status < 500 => refused,
        Some(_) | None => unreachable,
    }
}

fn is_login(code: &str) -> bool {
    code.starts_with("AADSTS") || code == "invalid_client" || code == "unauthorized"
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect();
    lines.join("\n")
}

fn doing(error: &CallError) -> &'static str {
    match error {
        CallError::Unsent(_) | CallError::Unanswered(_) => "can't be reached",
        CallError::Refused(refusal) if refusal.status >= 500 => "is not working",
        CallError::Refused(_) => "refused",
        CallError::Garbled(_) => "answered with something that is not its API",
        CallError::Unwritable(_) | CallError::OverCap { .. } | CallError::Closed { .. } | CallError::Stopped => "was not called",
    }
}

/// What to do where there was no answer, or none of the side's own.
fn out_of_reach(side: Side, error: &CallError) -> Option<String> {
    let key = match side {
        Side::Dynamics => "dynamics.url and dynamics.authority",
        Side::Marketo => "marketo.base_url",
    };
    match error {
        CallError::Unsent(_) | CallError::Unanswered(_) => {
            Some(format!("see that this machine reaches {key} (name, firewall, proxy), and run it again; nothing is lost"))
        }
        CallError::Garbled(_) => Some(format!("correct {key}, or see what stands in between: something else answers there")),
        CallError::Refused(refusal) if refusal.status >= 500 => Some("run it again later; nothing is lost".to_owned()),
        CallError::Refused(_) | CallError::Unwritable(_) | CallError::OverCap { .. } | CallError::Closed { .. } | CallError::Stopped => {
            None
        }
    }
}

/// What to do about it, for the refusals that have one known remedy, and where there was no answer.
fn remedy(side: Side, error: &CallError) -> String {
    if let Some(text) = out_of_reach(side, error) {
        return format!("\n  what to do: {text}");
    }
    let code = error.code();
    let text = match side {
        Side::Dynamics if code.starts_with("AADSTS") => match code {
            "AADSTS7000215" => "give dynamics.client_secret the secret's value, not its id",
            "AADSTS7000222" => "the secret has expired; make a new one for the app registration",
            "AADSTS90002" => "correct dynamics.tenant_id",
            "AADSTS700016" => "correct dynamics.client_id, or register the app in this tenant",
            "AADSTS500011" | "AADSTS50001" => "correct dynamics.url; it must be the environment's own address",
            _ => "see the app registration in the Entra admin centre",
        },
        Side::Dynamics => match error.refusal().map(|refusal| (refusal.status, code.to_lowercase())) {
            Some((403, code)) if code == "0x80072560" => {
                "create an application user for the app in the Power Platform admin centre, with a security role"
            }
            Some((403, _)) => "give the application user's security role the privilege that is named, at organization level",
            Some((401, _)) => "the token is not accepted; check that dynamics.url and dynamics.tenant_id belong together",
            Some(_) | None => "",
        },
        Side::Marketo => match code {
            "invalid_client" | "unauthorized" => {
                "correct marketo.client_id and marketo.client_secret (Marketo: Admin, LaunchPoint, View Details)"
            }
            "603" => "give the API user's role the permission for this object, and check Marketo's IP allow-list",
            "1018" => {
                "this subscription has a native CRM sync, which excludes this one; use a subscription without it, or have Marketo remove it"
            }
            "616" | "703" => "ask Marketo support to enable the feature for this subscription",
            _ => "",
        },
    };
    if text.is_empty() { String::new() } else { format!("\n  what to do: {text}") }
}
