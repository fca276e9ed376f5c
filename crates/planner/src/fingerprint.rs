//! Fingerprints: what was confirmed, field by field, without keeping the values.

use std::collections::BTreeMap;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The secret that makes fingerprints useless to who finds the state: without it, a common value could be recognised.
#[derive(Clone, Copy)]
pub struct FingerprintKey(pub u64);

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey(***)")
    }
}

impl FingerprintKey {
    /// The fingerprint of a value; none of null, because a field that holds nothing is not listed.
    #[must_use]
    pub fn of(self, value: &Value) -> Option<u64> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(self.hash(b's', text.as_bytes())),
            Value::Bool(yes) => Some(self.hash(b'b', &[u8::from(*yes)])),
            Value::Number(number) => Some(match number.as_i64().or_else(|| whole(number.as_f64()?)) {
                Some(whole) => self.hash(b'i', &whole.to_le_bytes()),
                None => self.hash(b'f', &number.as_f64().unwrap_or_default().to_bits().to_le_bytes()),
            }),
            Value::Array(_) | Value::Object(_) => Some(self.hash(b'j', value.to_string().as_bytes())),
        }
    }

    fn hash(self, kind: u8, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.0 ^ u64::from(kind))
    }
}

/// A number without fraction as a whole one, so that 3 and 3.0 are the same value.
fn whole(number: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // checked by the comparison
    let whole = number as i64;
    #[allow(clippy::cast_precision_loss, clippy::float_cmp)]
    (whole as f64 == number).then_some(whole)
}

/// Fingerprints of one record's fields, by the field's slot, in the order of slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprints(Vec<(u8, u64)>);

/// The slot that no field has ([`Slots`]): what begins with it has the slots as bits.
const PACKED: u8 = u8::MAX;

impl Fingerprints {
    /// Reads saved fingerprints; bytes that make no whole entry are ignored.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((&PACKED, rest)) => Self::unpack(rest).unwrap_or_default(),
            // As the first release wrote them: each slot before its fingerprint.
            Some(_) | None => Self(bytes.as_chunks::<9>().0.iter().map(|[slot, print @ ..]| (*slot, u64::from_le_bytes(*print))).collect()),
        }
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first()?;
        let (bits, prints) = rest.split_at_checked(usize::from(*len))?;
        let slots = (0..u8::MAX).filter(|slot| bits.get(usize::from(slot / 8)).is_some_and(|bits| bits & 1 << (slot % 8) != 0));
        Some(Self(slots.zip(prints.as_chunks::<8>().0.iter().map(|print| u64::from_le_bytes(*print))).collect()))
    }

    /// Eight bytes for each field that holds something, behind a bit for each slot up to the last; nothing for nothing.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Some((last, _)) = self.0.last() else { return Vec::new() };
        let len = last / 8 + 1;
        let head = 2 + usize::from(len);
        let mut out = Vec::with_capacity(head + 8 * self.0.len());
        out.resize(head, 0);
        out[0] = PACKED;
        out[1] = len;
        for (slot, print) in &self.0 {
            out[2 + usize::from(slot / 8)] |= 1 << (slot % 8);
            out.extend_from_slice(&print.to_le_bytes());
        }
        out
    }

    /// The fingerprint in a slot.
    #[must_use]
    pub fn get(&self, slot: u8) -> Option<u64> {
        self.at(slot).ok().and_then(|at| self.0.get(at)).map(|(_, print)| *print)
    }

    fn at(&self, slot: u8) -> Result<usize, usize> {
        self.0.binary_search_by_key(&slot, |(slot, _)| *slot)
    }

    /// With those of `first` in front: what is there wins.
    #[must_use]
    pub fn or(mut self, first: &Self) -> Self {
        first.0.iter().for_each(|(slot, print)| self.set(*slot, Some(*print)));
        self
    }

    /// As if each field had been confirmed with a value that no field has: all are sent again, and those that are null now are blanked.
    ///
    /// What is in the slot `but` stays as it was.
    #[must_use]
    pub fn doubted(mut self, but: Option<u8>) -> Self {
        self.0.iter_mut().filter(|(slot, _)| Some(*slot) != but).for_each(|(_, print)| *print = u64::MAX);
        self
    }

    /// Puts a fingerprint into a slot, or takes it away.
    pub fn set(&mut self, slot: u8, print: Option<u64>) {
        match (self.at(slot), print) {
            (Ok(at), Some(print)) => self.0[at] = (slot, print),
            (Ok(at), None) => drop(self.0.remove(at)),
            (Err(at), Some(print)) => self.0.insert(at, (slot, print)),
            (Err(_), None) => {}
        }
    }
}

/// Which slot each field of an object has, for ever: a field keeps its slot when the map is edited.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Slots(BTreeMap<String, u8>);

/// An object has more mapped fields than slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than 255 different fields have been mapped on one object")]
pub struct NoSlotLeft;

impl Slots {
    /// The slot of a field, where it has one.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<u8> {
        self.0.get(&field.to_lowercase()).copied()
    }

    /// The slot of a field, a new one if it has none.
    ///
    /// # Errors
    /// When all are taken.
    pub fn slot(&mut self, field: &str) -> Result<u8, NoSlotLeft> {
        let field = field.to_lowercase();
        if let Some(slot) = self.0.get(&field) {
            return Ok(*slot);
        }
        let slot = u8::try_from(self.0.len()).ok().filter(|slot| *slot < u8::MAX).ok_or(NoSlotLeft)?;
        self.0.insert(field, slot);
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_have_equal_prints_and_others_differ() {
        let key = FingerprintKey(7);
        assert_eq!(key.of(&json!(3)), key.of(&json!(3.0)));
        assert_ne!(key.of(&json!(3)), key.of(&json!("3")));
        assert_ne!(key.of(&json!(0.5)), key.of(&json!(0.25)));
        assert_ne!(key.of(&json!(true)), key.of(&json!(1)));
        assert_ne!(key.of(&json!("a")), FingerprintKey(8).of(&json!("a")));
        assert_eq!(key.of(&json!(null)), None);
    }

    #[test]
    fn they_come_back_and_slots_stay() {
        let mut prints = Fingerprints::default();
        prints.set(3, Some(9));
        prints.set(200, Some(u64::MAX));
        prints.set(3, None);
        assert_eq!(Fingerprints::read(&prints.write()), prints);
        let mut few = Fingerprints::default();
        [0, 7, 8, 254].into_iter().for_each(|slot| few.set(slot, Some(u64::from(slot) + 1)));
        assert_eq!((Fingerprints::read(&few.write()), few.write().len()), (few, 2 + 32 + 4 * 8));
        assert_eq!(Fingerprints::default().write(), [0u8; 0]);
        // As the first release wrote them.
        let mut old = Fingerprints::default();
        [3, 12].into_iter().for_each(|slot| old.set(slot, Some(9)));
        assert_eq!(Fingerprints::read(&[3, 9, 0, 0, 0, 0, 0, 0, 0, 12, 9, 0, 0, 0, 0, 0, 0, 0]), old);
        assert_eq!(Fingerprints::read(&[1, 2]), Fingerprints::default());
        let mut slots = Slots::default();
        assert_eq!((slots.slot("email"), slots.slot("title"), slots.slot("Email")), (Ok(0), Ok(1), Ok(0)));
    }
}
