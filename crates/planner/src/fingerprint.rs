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

/// Fingerprints of one record's fields, by the field's slot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprints(BTreeMap<u8, u64>);

impl Fingerprints {
    /// Reads saved fingerprints; bytes that make no whole entry are ignored.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let entries = bytes.as_chunks::<9>().0.iter().map(|entry| {
            let [slot, print @ ..] = *entry;
            (slot, u64::from_le_bytes(print))
        });
        Self(entries.collect())
    }

    /// Nine bytes for each field that holds something.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(slot, print)| std::iter::once(*slot).chain(print.to_le_bytes())).collect()
    }

    /// The fingerprint in a slot.
    #[must_use]
    pub fn get(&self, slot: u8) -> Option<u64> {
        self.0.get(&slot).copied()
    }

    /// With those of `first` in front: what is there wins.
    #[must_use]
    pub fn or(mut self, first: &Self) -> Self {
        self.0.extend(first.0.iter().map(|(slot, print)| (*slot, *print)));
        self
    }

    /// Puts a fingerprint into a slot, or takes it away.
    pub fn set(&mut self, slot: u8, print: Option<u64>) {
        match print {
            Some(print) => self.0.insert(slot, print),
            None => self.0.remove(&slot),
        };
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
        assert_eq!(Fingerprints::read(&[1, 2]), Fingerprints::default());
        let mut slots = Slots::default();
        assert_eq!((slots.slot("email"), slots.slot("title"), slots.slot("Email")), (Ok(0), Ok(1), Ok(0)));
    }
}
