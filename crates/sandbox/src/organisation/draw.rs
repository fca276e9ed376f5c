//! Everything a record is follows from the seed, its kind and its number, so that nothing has to be remembered while others are made.

use base::{Dice, Guid, Timestamp, time};
use std::time::Duration;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User = 1,
    Team,
    Role,
    Account,
    Contact,
    Lead,
    Opportunity,
    Connection,
    Stranger,
    Elsewhere,
}

/// The source of all chance of one organisation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    pub(crate) seed: u64,
    pub(crate) now: Timestamp,
}

/// Three years, the age of the oldest rows, and one hour, the age of the youngest change.
const OLDEST_S: u64 = 3 * 365 * 86_400;
const YOUNGEST_S: u64 = 3_600;

/// Spreads neighbouring seeds over all 64 bits (the finaliser of splitmix64).
fn mixed(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

impl Draw {
    fn bits(self, kind: Kind, number: u64, purpose: u64) -> u64 {
        mixed(mixed(mixed(self.seed) ^ (kind as u64) << 56 ^ purpose << 48) ^ number)
    }

    /// The row's id.
    pub(crate) fn id(self, kind: Kind, number: u64) -> Guid {
        Dice::new(self.bits(kind, number, 1)).guid()
    }

    /// The row's own dice.
    pub(crate) fn dice(self, kind: Kind, number: u64) -> Dice {
        Dice::new(self.bits(kind, number, 2))
    }

    /// Further dice of the same row, for what must be known without making the row.
    pub(crate) fn other_dice(self, kind: Kind, number: u64) -> Dice {
        Dice::new(self.bits(kind, number, 3))
    }

    /// A place in 0..1000: of a thousand neighbours each has its own, so that shares are exact and even a small organisation has every case.
    pub(crate) fn slot(self, kind: Kind, number: u64) -> u64 {
        (number.wrapping_mul(617).wrapping_add(self.bits(kind, 0, 4) % 1000)) % 1000
    }

    /// When a row was made and last changed, as the API writes it.
    pub(crate) fn times(self, dice: &mut Dice) -> (Timestamp, Timestamp) {
        let age = YOUNGEST_S + 60 + dice.below(OLDEST_S - YOUNGEST_S);
        let quiet = YOUNGEST_S + dice.below(age - YOUNGEST_S);
        let at = |span_s| time::earlier(self.now, Duration::from_secs(span_s));
        (at(age), at(quiet))
    }
}
