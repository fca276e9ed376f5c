//! Writes packed into the vendor's limits.

/// Records in one call (Adobe, "Lead database": batch limits).
pub const RECORDS_MAX: usize = 300;

/// E-mails in one look-up. Several people may have one, and an answer holds 300: the rest would be a call of its own.
pub const EMAILS_MAX: usize = 250;

/// Bytes of one call's body. The limit is 1 MB; the rest is left for the envelope.
pub const BODY_MAX_BYTES: usize = 1_000_000 - 2_000;

/// Fills batches in order.
#[derive(Debug)]
pub struct Packer<T> {
    items: Vec<T>,
    bytes: usize,
    records_max: usize,
}

impl<T> Packer<T> {
    /// An empty one, for batches of at most `records_max` records (never more than 300, at least 1).
    #[must_use]
    pub fn new(records_max: usize) -> Self {
        Self { items: Vec::new(), bytes: 0, records_max: records_max.clamp(1, RECORDS_MAX) }
    }

    /// Adds an item of `bytes`; gives a full batch when one is full or the item doesn't fit into it any more.
    pub fn push(&mut self, item: T, bytes: usize) -> Option<Vec<T>> {
        let full = if !self.items.is_empty() && self.bytes + bytes > BODY_MAX_BYTES { self.take() } else { None };
        self.items.push(item);
        self.bytes += bytes + 1;
        if full.is_none() && self.items.len() >= self.records_max {
            return self.take();
        }
        full
    }

    /// What is left.
    pub fn take(&mut self) -> Option<Vec<T>> {
        self.bytes = 0;
        Some(std::mem::take(&mut self.items)).filter(|items| !items.is_empty())
    }

    /// How many items wait for their batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_limit_broken(sizes in prop::collection::vec(1usize..40_000, 0..900), records in 1usize..400) {
            let mut packer = Packer::new(records);
            let mut batches: Vec<Vec<(usize, usize)>> = sizes.iter().copied().enumerate().filter_map(|(n, size)| packer.push((n, size), size)).collect();
            batches.extend(packer.take());
            let order: Vec<usize> = batches.iter().flatten().map(|(n, _)| *n).collect();
            prop_assert_eq!(order, (0..sizes.len()).collect::<Vec<_>>());
            for batch in &batches {
                prop_assert!(batch.len() <= records.min(RECORDS_MAX));
                prop_assert!(batch.iter().map(|(_, size)| size + 1).sum::<usize>() <= BODY_MAX_BYTES + 1);
            }
        }
    }
}
