//! Requests to Marketo and their answers, as far as rules are about them.

use bytes::Bytes;
use http::Request;
use marketo_emulator::Object as Theirs;
use sandbox::control::Side;
use serde_json::{Map, Value};

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) side: Side,
    pub(super) ms: u64,
    pub(super) method: String,
    /// Path and query.
    pub(super) address: String,
    pub(super) bytes: usize,
    /// What it writes to Marketo.
    pub(super) write: Option<Write>,
}

/// What a request writes.
#[derive(Debug, Clone)]
pub(super) enum Write {
    /// Records are created or changed.
    Upsert { object: Theirs, action: String, lookup: String, records: Vec<Map<String, Value>> },
    /// Records are deleted.
    Delete { object: Theirs, records: Vec<Map<String, Value>> },
    /// Persons are merged.
    Merge { winner: i64, losers: Vec<i64> },
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Nobody knows what was done.
    Unknown,
    /// The whole was refused with this code.
    Refused(String),
    /// One outcome for each record; none where the answer has no records.
    Done(Vec<Outcome>),
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: String,
    pub(super) id: Option<i64>,
    pub(super) code: String,
}

impl Outcome {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.status.as_str(), "created" | "updated" | "deleted")
    }
}

/// A number, also where it is written as text.
pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn object_of(path: &str) -> Option<(Theirs, bool)> {
    let path = path.strip_prefix("/rest/v1/")?.strip_suffix(".json")?;
    let (path, deletes) = path.strip_suffix("/delete").map_or((path, false), |path| (path, true));
    let object = match path {
        "leads" => Theirs::Leads,
        "companies" => Theirs::Companies,
        "salespersons" => Theirs::SalesPersons,
        "opportunities" => Theirs::Opportunities,
        "opportunities/roles" => Theirs::Roles,
        _ => return None,
    };
    Some((object, deletes))
}

impl Asked {
    pub(super) fn read(side: Side, ms: u64, request: &Request<Bytes>) -> Self {
        let address = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        let write = if side == Side::Marketo { Write::read(request) } else { None };
        Self { side, ms, method: request.method().to_string(), address, bytes: request.body().len(), write }
    }

    /// Whether it counts against Marketo's limits: requests for tokens don't.
    pub(super) fn counts(&self) -> bool {
        self.side == Side::Marketo && !self.address.starts_with("/identity")
    }

    pub(super) fn line(&self) -> String {
        let write = match &self.write {
            Some(Write::Upsert { action, lookup, records, .. }) => {
                format!(" {action} by {lookup} {}", Value::from(records.iter().cloned().map(Value::Object).collect::<Vec<_>>()))
            }
            Some(Write::Delete { records, .. }) => Value::from(records.iter().cloned().map(Value::Object).collect::<Vec<_>>()).to_string(),
            Some(Write::Merge { .. }) | None => String::new(),
        };
        format!("{:?} {} {}{write}", self.side, self.method, self.address.chars().take(160).collect::<String>())
    }
}

impl Write {
    fn read(request: &Request<Bytes>) -> Option<Self> {
        let path = request.uri().path();
        if request.method() != http::Method::POST || request.uri().query().unwrap_or_default().contains("_method=GET") {
            return None;
        }
        if let Some(winner) = path.strip_prefix("/rest/v1/leads/").and_then(|rest| rest.strip_suffix("/merge.json")) {
            let query = request.uri().query().unwrap_or_default().replace("%2C", ",");
            let losers = query.split('&').filter_map(|part| part.strip_prefix("leadIds=")).flat_map(|ids| ids.split(','));
            return Some(Self::Merge { winner: winner.parse().ok()?, losers: losers.filter_map(|id| id.parse().ok()).collect() });
        }
        let (object, deletes) = object_of(path)?;
        let body: Value = serde_json::from_slice(request.body()).ok()?;
        let records: Vec<Map<String, Value>> =
            body.get("input")?.as_array()?.iter().filter_map(|record| record.as_object().cloned()).collect();
        if deletes {
            return Some(Self::Delete { object, records });
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self::Upsert { object, action: text("action"), lookup: text("lookupField"), records })
    }
}

impl Verdict {
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let Ok(envelope) = serde_json::from_slice::<Value>(body) else {
            return if status == 429 { Self::Refused("606".into()) } else { Self::Unknown };
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match envelope.get("success").and_then(Value::as_bool) {
            Some(true) => {
                let results = envelope.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
                Self::Done(
                    results
                        .iter()
                        .map(|result| Outcome {
                            status: result.get("status").map(text).unwrap_or_default(),
                            id: result.get("id").and_then(number),
                            code: result.pointer("/reasons/0/code").map(text).unwrap_or_default(),
                        })
                        .collect(),
                )
            }
            Some(false) => Self::Refused(envelope.pointer("/errors/0/code").map(text).unwrap_or_default()),
            None => Self::Unknown,
        }
    }

    pub(super) fn line(&self, status: u16, asked: &Asked) -> String {
        match self {
            Self::Done(outcomes) if asked.write.is_some() => {
                let outcomes: Vec<String> = outcomes
                    .iter()
                    .map(|outcome| format!("{}{}{}", outcome.status, outcome.id.map_or(String::new(), |id| format!(" {id}")), outcome.code))
                    .collect();
                format!("{status} {}", outcomes.join(", "))
            }
            Self::Done(outcomes) => format!("{status}, {} rows", outcomes.len()),
            Self::Refused(code) => format!("{status} refused {code}"),
            Self::Unknown => format!("{status}"),
        }
    }
}
