//! The clock as a value, so that nothing deep inside reads the machine's own time.

use std::{fmt, sync::Arc, time::Duration};

pub use jiff::Timestamp;

/// Where "now" comes from: the machine's clock, or a test's.
///
/// Cheap to clone; every clone shows the same time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that asks `now` each time.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// `at` + `span`, staying at the last representable instant rather than failing.
#[must_use]
pub fn later(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// `at` − `span`, staying at the first representable instant rather than failing.
#[must_use]
pub fn earlier(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// How long from `start` to `end`; zero when `end` is not after `start`.
#[must_use]
pub fn since(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or(Duration::ZERO)
}

/// Whole seconds, UTC, as both vendors write it: `2026-04-07T21:59:01Z`.
#[must_use]
pub fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_never_fail() {
        let start: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let end = later(start, Duration::from_secs(90));
        assert_eq!(since(start, end), Duration::from_secs(90));
        assert_eq!(since(end, start), Duration::ZERO);
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(whole_seconds(end), "2026-03-01T10:01:30Z");
    }
}
