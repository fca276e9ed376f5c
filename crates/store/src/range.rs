//! Which keys a listing covers, told the same way to every backend.

use std::ops::Bound;

/// The keys that start with a prefix and come after another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    /// Where it begins.
    pub(crate) start: Bound<Vec<u8>>,
    /// The first key after it; none when it goes to the end.
    pub(crate) end: Option<Vec<u8>>,
}

impl KeyRange {
    /// The keys with `prefix` that are greater than `after`.
    pub(crate) fn new(prefix: &[u8], after: Option<&[u8]>) -> Self {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
            Some(_) | None => Bound::Included(prefix.to_vec()),
        };
        Self { start, end: successor(prefix) }
    }
}

/// The smallest key that is greater than every key with `prefix`; none when there is no such key.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut key = prefix.get(..=last)?.to_vec();
    if let Some(byte) = key.last_mut() {
        *byte += 1;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_in_the_range_exactly_if_it_has_the_prefix(
            prefix in prop::collection::vec(prop::sample::select(vec![0u8, 1, 254, 255]), 0..4),
            key in prop::collection::vec(prop::sample::select(vec![0u8, 1, 254, 255]), 0..6),
        ) {
            let range = KeyRange::new(&prefix, None);
            let inside = key >= prefix && range.end.is_none_or(|end| key < end);
            prop_assert_eq!(inside, key.starts_with(&prefix));
        }
    }

    #[test]
    fn a_start_before_the_prefix_does_not_widen_it() {
        assert_eq!(KeyRange::new(b"b", Some(b"a")).start, Bound::Included(b"b".to_vec()));
        assert_eq!(KeyRange::new(b"b", Some(b"b")).start, Bound::Excluded(b"b".to_vec()));
    }
}
