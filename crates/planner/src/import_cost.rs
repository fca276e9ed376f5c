//! Which way takes fewer Marketo calls for very many people who aren't linked yet: calls that write 300 at a time, or files of an import.
//!
//! What both need alike, the look-up by external id and the one read on the way back, isn't counted.

use crate::pack::{EMAILS_MAX, RECORDS_MAX};

/// Calls that one file takes: it is given, asked about while it is worked through, and its two reports are read.
const CALLS_PER_FILE: u64 = 12;

/// Files wait for their turn at Marketo, and hold what is in them meanwhile: they are worth it where they save one call in so many.
const SAVING: u64 = 10;

/// What became of the first people, each of whom was looked up by external id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// Found by external id.
    pub found: u64,
    /// Created by the call that creates only if nobody has their e-mail.
    pub created: u64,
    /// Not created by it, because somebody has it.
    pub exists: u64,
    /// They have no e-mail: created by external id, or to be. Those whose e-mail is another's are among the ones that exist.
    pub without_email: u64,
    /// Of the found and those whose e-mail exists: they differ from what Dynamics says.
    pub changed: u64,
}

/// Calls for the rest of the people, if they are as those of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// With calls that write.
    pub by_calls: u64,
    /// With files. Who may be created must be looked up by e-mail before, because an import can't be told to create only.
    pub by_files: u64,
}

impl Cost {
    /// Whether files save enough calls.
    #[must_use]
    pub fn is_for_files(self) -> bool {
        self.by_files < self.by_calls && self.by_files <= self.by_calls - self.by_calls / SAVING
    }
}

impl Sample {
    /// How many people it has.
    #[must_use]
    pub fn people(&self) -> u64 {
        self.found + self.tried() + self.without_email
    }

    /// The calls for `people` more, with files of at most `rows_per_file`.
    #[must_use]
    pub fn cost(&self, people: u64, rows_per_file: u64) -> Cost {
        let of = |part: u64| scaled(part, people, self.people());
        let batches = |people: u64| people.div_ceil(RECORDS_MAX as u64);
        let look_ups = |people: u64| people.div_ceil(EMAILS_MAX as u64);
        let (tried, exists, without, changed) = (of(self.tried()), of(self.exists), of(self.without_email), of(self.changed));
        let files = [of(self.created), without, changed].iter().map(|rows| rows.div_ceil(rows_per_file.max(1))).sum::<u64>();
        Cost {
            by_calls: batches(tried) + look_ups(exists) + batches(without) + batches(changed),
            by_files: look_ups(tried) + files * CALLS_PER_FILE,
        }
    }

    fn tried(&self) -> u64 {
        self.created + self.exists
    }
}

fn scaled(part: u64, people: u64, of: u64) -> u64 {
    let whole = u128::from(part) * u128::from(people) / u128::from(of.max(1));
    u64::try_from(whole).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_for_people_whom_marketo_has() {
        let sample = |found, created, exists, without_email, changed| Sample { found, created, exists, without_email, changed };
        let cases = [
            // Nobody is there: the call that creates is the look-up by e-mail, too.
            (sample(0, 3_000, 0, 0, 0), 1_000_000, (3_334, 4_240), false),
            // Everybody came by a form before.
            (sample(0, 0, 3_000, 0, 3_000), 1_000_000, (10_668, 4_240), true),
            // Everybody has a key, from another tool, and other values.
            (sample(3_000, 0, 0, 0, 3_000), 1_000_000, (3_334, 240), true),
            // The same with the values of Dynamics: nothing is sent at all.
            (sample(3_000, 0, 0, 0, 0), 1_000_000, (0, 0), false),
            (sample(0, 0, 0, 3_000, 0), 1_000_000, (3_334, 240), true),
            (sample(0, 2_000, 1_000, 0, 1_000), 1_000_000, (5_780, 4_252), true),
            // Less than a tenth.
            (sample(0, 2_500, 500, 0, 500), 1_000_000, (4_557, 4_252), false),
            (sample(0, 2_900, 60, 40, 60), 1_000_000, (3_481, 4_211), false),
            // Few people aren't worth their files.
            (sample(0, 0, 3_000, 0, 3_000), 600, (7, 15), false),
            (Sample::default(), 1_000, (0, 0), false),
        ];
        for (sample, people, (by_calls, by_files), is_for_files) in cases {
            let cost = sample.cost(people, 50_000);
            assert_eq!(cost, Cost { by_calls, by_files }, "{sample:?}");
            assert_eq!(cost.is_for_files(), is_for_files, "{sample:?}");
        }
    }
}
