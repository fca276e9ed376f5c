//! Makes a failing history smaller as long as it goes on breaking the same rule.

use std::time::{Duration, Instant};

use super::{
    history::{History, Move},
    run::{Failure, run},
};
use crate::step::Step;

/// A smaller history that breaks the same rule, and how.
#[must_use]
pub fn shrink(history: &History, failure: Box<Failure>, within: Duration) -> (History, Box<Failure>) {
    let mut shrinking = Shrinking { history: history.clone(), rule: failure.rule(), failure, until: Instant::now() + within };
    loop {
        let before = shrinking.history.clone();
        shrinking.drop_parts(|history| &mut history.moves);
        shrinking.drop_parts(|history| &mut history.given);
        shrinking.drop_parts(|history| &mut history.settings);
        shrinking.simplify_cycles();
        shrinking.simplify_settings();
        if shrinking.history == before || shrinking.is_over() {
            return (shrinking.history, shrinking.failure);
        }
    }
}

struct Shrinking {
    history: History,
    failure: Box<Failure>,
    rule: &'static str,
    until: Instant,
}

impl Shrinking {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Takes a smaller history over if it breaks the same rule.
    fn take(&mut self, smaller: History) -> bool {
        match run(&smaller, false) {
            Err(failure) if failure.rule() == self.rule => {
                (self.history, self.failure) = (smaller, failure);
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Leaves out parts of a list: halves, quarters, and so on to single ones.
    fn drop_parts<T: Clone>(&mut self, list: impl Fn(&mut History) -> &mut Vec<T>) {
        let mut size = list(&mut self.history).len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < list(&mut self.history).len() && !self.is_over() {
                let mut smaller = self.history.clone();
                let items = list(&mut smaller);
                items.drain(at..(at + size).min(items.len()));
                if !self.take(smaller) {
                    at += size;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Cycles without death, and without what happens meanwhile.
    fn simplify_cycles(&mut self) {
        for at in 0..self.history.moves.len() {
            let Move::Cycle { meanwhile, kill } = &self.history.moves[at] else { continue };
            let (events, kill) = (meanwhile.len(), *kill);
            if kill.is_some() && !self.is_over() {
                let mut smaller = self.history.clone();
                if let Move::Cycle { kill, .. } = &mut smaller.moves[at] {
                    *kill = None;
                }
                self.take(smaller);
            }
            for event in (0..events).rev() {
                let mut smaller = self.history.clone();
                if let Move::Cycle { meanwhile, .. } = &mut smaller.moves[at] {
                    meanwhile.remove(event);
                }
                if self.is_over() || !self.take(smaller) {
                    continue;
                }
            }
        }
    }

    /// One setting of the emulators after the other back to its default.
    fn simplify_settings(&mut self) {
        for at in 0..self.history.settings.len() {
            let Step::Emulators(settings) = self.history.settings[at].clone() else { continue };
            for name in settings.marketo.keys() {
                self.without(at, |step| {
                    if let Step::Emulators(settings) = step {
                        settings.marketo.remove(name);
                    }
                });
            }
            for name in settings.dataverse.keys() {
                self.without(at, |step| {
                    if let Step::Emulators(settings) = step {
                        settings.dataverse.remove(name);
                    }
                });
            }
        }
    }

    fn without(&mut self, at: usize, remove: impl Fn(&mut Step)) {
        if !self.is_over() {
            let mut smaller = self.history.clone();
            remove(&mut smaller.settings[at]);
            self.take(smaller);
        }
    }
}
