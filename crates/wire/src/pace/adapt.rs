//! A limit that gives way to refusals: others use the same service, and nobody says how much.
//!
//! The first refusal halves it, because an equal share for two is the best guess. From there it grows by a tenth of the full limit a
//! step. Where it is refused again on the way up it has met the others: it stays one step below that, and asks for more only after a
//! while, each time that it is refused after twice as long, so that neither side sees many refusals. A step beyond that goes well says
//! that the others have left.

use std::time::Duration;

use tokio::time::Instant;

/// How long it stays below what was refused before it asks for more; twice as long after each time that is refused again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest such rest: full pace is back within minutes after the others have left.
const PATIENCE_MAX: Duration = Duration::from_secs(240);

/// What is allowed now, of what is allowed at most.
#[derive(Debug)]
pub(super) struct Adaptive {
    most: usize,
    now: usize,
    /// What was refused.
    ceiling: Option<usize>,
    patience: Duration,
    /// How long a step is tried before the next.
    step_time: Duration,
    /// Since when it is what it is.
    changed: Option<Instant>,
    /// When it was last refused.
    refused: Option<Instant>,
}

impl Adaptive {
    /// All is allowed, of `most`, at least 1; steps are at least `step_time` apart.
    pub(super) fn new(most: usize, step_time: Duration) -> Self {
        let most = most.max(1);
        Self { most, now: most, ceiling: None, patience: PATIENCE, step_time, changed: None, refused: None }
    }

    /// What is allowed at most.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Another limit. It is reached in steps; a lower one holds at once.
    pub(super) fn set_most(&mut self, most: usize, now: Instant) {
        if self.now >= self.most {
            self.changed = Some(now);
        }
        self.most = most.max(1);
        self.now = self.now.min(self.most);
    }

    fn step(&self) -> usize {
        (self.most / 10).max(1)
    }

    /// What is allowed at `now`.
    pub(super) fn allowed(&mut self, now: Instant) -> usize {
        while self.now < self.most {
            let Some(grown) = self.grows_at().filter(|grown| now >= *grown) else { break };
            // It has stayed where it was refused, and wasn't.
            if self.ceiling.is_some_and(|ceiling| self.now >= ceiling) {
                self.ceiling = None;
                self.patience = PATIENCE;
            }
            self.now = (self.now + self.step()).min(self.most);
            self.changed = Some(grown);
        }
        self.now
    }

    /// When more is allowed; none when all is.
    pub(super) fn grows_at(&self) -> Option<Instant> {
        let meets = self.ceiling.is_some_and(|ceiling| (self.now + self.step()).min(self.most) >= ceiling);
        let rest = if meets { self.patience } else { self.step_time };
        self.changed.filter(|_| self.now < self.most).map(|changed| changed + rest)
    }

    /// A call that began at `begun` was refused; the next ones start at `resumed`. Those that were on their way at the last refusal say
    /// nothing new.
    pub(super) fn refused(&mut self, begun: Instant, now: Instant, resumed: Instant) {
        if self.refused.is_some_and(|refused| begun <= refused) {
            return;
        }
        self.refused = Some(now);
        // All was allowed for a while: whoever was met then has left.
        if self.now >= self.most && self.changed.is_some_and(|changed| now >= changed + self.patience) {
            self.ceiling = None;
        }
        let at = self.now;
        let met_again = self.ceiling.is_some_and(|ceiling| at >= ceiling);
        self.patience = if met_again { (self.patience * 2).min(PATIENCE_MAX) } else { PATIENCE };
        self.now = if met_again { at.saturating_sub(self.step()) } else { at / 2 }.max(1);
        self.ceiling = Some(at);
        self.changed = Some(resumed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(20);

    fn after(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    #[test]
    fn it_halves_once_for_all_calls_on_their_way_and_grows_back_in_steps() {
        let (begin, mut limit) = (Instant::now(), Adaptive::new(100, STEP));
        for _ in 0..10 {
            limit.refused(begin, after(begin, 1), after(begin, 1));
        }
        assert_eq!(limit.allowed(after(begin, 20)), 50);
        assert_eq!(limit.allowed(after(begin, 21)), 60);
        assert_eq!(limit.allowed(after(begin, 81)), 90);
        assert_eq!(limit.allowed(after(begin, 82)), 90, "what was refused is asked for after a while");
        assert_eq!(limit.allowed(after(begin, 141)), 100);
    }

    #[test]
    fn it_stays_below_what_was_refused_twice_and_asks_less_and_less_often() {
        let (begin, mut limit) = (Instant::now(), Adaptive::new(100, STEP));
        limit.refused(begin, begin, begin);
        assert_eq!(limit.allowed(after(begin, 20)), 60);
        limit.refused(after(begin, 25), after(begin, 26), after(begin, 26));
        assert_eq!(limit.allowed(after(begin, 27)), 30);
        assert_eq!(limit.allowed(after(begin, 66)), 50);
        assert_eq!(limit.allowed(after(begin, 125)), 50);
        assert_eq!(limit.allowed(after(begin, 126)), 60);
        limit.refused(after(begin, 130), after(begin, 131), after(begin, 131));
        assert_eq!(limit.allowed(after(begin, 132)), 50);
        assert_eq!(limit.allowed(after(begin, 250)), 50);
        assert_eq!(limit.allowed(after(begin, 251)), 60, "after twice as long");
        assert_eq!(limit.allowed(after(begin, 251 + 120)), 70, "nobody minded: the others have left");
        assert_eq!(limit.allowed(after(begin, 251 + 120 + 60)), 100);
    }

    #[test]
    fn it_never_falls_below_one() {
        let (mut now, mut limit) = (Instant::now(), Adaptive::new(3, STEP));
        for _ in 0..9 {
            now += Duration::from_secs(1);
            limit.refused(now, now, now);
            assert!(limit.allowed(now) >= 1);
        }
    }
}
