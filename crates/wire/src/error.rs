//! What can become of a call, and what to do then.

use std::{fmt, sync::Arc, time::Duration};

use base::Timestamp;

use crate::{call::Replay, transport::TransportError};

/// Why a call gave no reply. A variant says what we know about the world.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// It never left: nothing happened there.
    #[error("could not be sent: {0}")]
    Unsent(TransportError),
    /// It left and no answer came: the server may have acted.
    #[error("no answer: {0}")]
    Unanswered(TransportError),
    /// The server refused, and said why.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// An answer came and isn't what the vendor documents: the server may have acted.
    #[error("an answer that could not be understood: {0}")]
    Garbled(String),
    /// The request could not be written; nothing was sent.
    #[error("a request that could not be written: {0}")]
    Unwritable(String),
    /// What may be called today is used up; nothing was sent.
    #[error("{why}")]
    OverCap {
        /// What is used up, for people.
        why: Arc<str>,
        /// When calls may start again.
        until: Timestamp,
    },
    /// The service said earlier that the day's quota is used up; nothing was sent.
    #[error("the service's quota of calls is used up until {until}")]
    Closed {
        /// When it is asked again.
        until: Timestamp,
    },
    /// We are shutting down; nothing was sent.
    #[error("stopped before it was sent")]
    Stopped,
}

/// A refusal in the vendor's own words.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The vendor's code: `606`, `0x80040217`, `AADSTS7000215`; empty when there was none.
    pub code: String,
    /// The vendor's message.
    pub message: String,
    /// What kind of refusal it is.
    pub class: Class,
    /// How long the vendor asks us to wait.
    pub wait: Option<Duration>,
    /// The vendor's id of the request, for its support.
    pub request_id: Option<String>,
}

/// Kinds of refusal, told apart by what to do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The token is not accepted; nothing was done. Renew it and repeat once.
    Auth,
    /// Nothing was done and it may work soon.
    Transient,
    /// Something failed there, and nobody says whether it was done.
    Doubtful,
    /// We are too fast; nothing was done. Everybody waits.
    Throttled,
    /// Too many calls are under way; nothing was done. It may work when some have ended.
    Crowded,
    /// The day's quota is used up; nothing was done. Stop until it is reset.
    Quota,
    /// Too much at once: ask for less.
    Split,
    /// What was asked for isn't there.
    Missing,
    /// The data are at fault: repeating won't help until they change.
    Record,
    /// The configuration or the permissions are at fault: an operator must act.
    Config,
    /// The request is wrong: a defect of ours, or of the service.
    Bug,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.is_empty(), self.message.is_empty()) {
            (true, true) => write!(f, "HTTP {}", self.status),
            (true, false) => write!(f, "HTTP {}: {}", self.status, self.message),
            (false, true) => write!(f, "{}", self.code),
            (false, false) => write!(f, "{}: {}", self.code, self.message),
        }
    }
}

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Send it again, after a while.
    Retry {
        /// How long the vendor asks to wait, if it does.
        wait: Option<Duration>,
    },
    /// Everybody slows down, then it is sent again.
    SlowDown {
        /// How long the vendor asks to wait, if it does.
        wait: Option<Duration>,
    },
    /// Get a new token, then send it again, once.
    RenewToken,
    /// Find out what happened before doing anything else.
    ReadBack,
    /// Send it in smaller pieces.
    Split,
    /// Stop all calls until the quota is reset.
    StopForQuota,
    /// Give up: the caller decides what that means for what it wanted to do.
    GiveUp,
}

impl CallError {
    /// What to do about it.
    ///
    /// | error | replay safe | replay unsafe |
    /// |---|---|---|
    /// | unsent, transient refusal | retry | retry |
    /// | unanswered, garbled, doubtful refusal | retry | read back |
    /// | throttled, crowded | slow down | slow down |
    #[must_use]
    pub fn advice(&self, replay: Replay) -> Advice {
        let unknown = |wait| match replay {
            Replay::Safe => Advice::Retry { wait },
            Replay::Unsafe => Advice::ReadBack,
        };
        match self {
            Self::Unsent(_) => Advice::Retry { wait: None },
            Self::Unanswered(_) | Self::Garbled(_) => unknown(None),
            Self::Refused(refusal) => match refusal.class {
                Class::Auth => Advice::RenewToken,
                Class::Transient => Advice::Retry { wait: refusal.wait },
                Class::Doubtful => unknown(refusal.wait),
                Class::Throttled | Class::Crowded => Advice::SlowDown { wait: refusal.wait },
                Class::Quota => Advice::StopForQuota,
                Class::Split => Advice::Split,
                Class::Missing | Class::Record | Class::Config | Class::Bug => Advice::GiveUp,
            },
            Self::Unwritable(_) | Self::Stopped => Advice::GiveUp,
            Self::OverCap { .. } | Self::Closed { .. } => Advice::StopForQuota,
        }
    }

    /// Whether the service may have done what was asked, although there is no reply that says so.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::Unanswered(_) | Self::Garbled(_) => true,
            Self::Refused(refusal) => refusal.class == Class::Doubtful,
            Self::Unsent(_) | Self::Unwritable(_) | Self::OverCap { .. } | Self::Closed { .. } | Self::Stopped => false,
        }
    }

    /// Whether the service answered, in its own form, that it failed, and nobody knows how far it got.
    #[must_use]
    pub fn is_answered_in_doubt(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.class == Class::Doubtful && refusal.status < 400)
    }

    /// The refusal, when it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unsent(_)
            | Self::Unanswered(_)
            | Self::Garbled(_)
            | Self::Unwritable(_)
            | Self::OverCap { .. }
            | Self::Closed { .. }
            | Self::Stopped => None,
        }
    }

    /// The refusal's class, when it is a refusal.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.refusal().map(|refusal| refusal.class)
    }

    /// The vendor's code, when it is a refusal; else empty.
    #[must_use]
    pub fn code(&self) -> &str {
        self.refusal().map_or("", |refusal| &refusal.code)
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
