//! The values of a row by column: a plain list, because rows come by the thousand, have two dozen columns each, and are read once.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// Columns with their values, in the order in which they came. Of a column that comes twice the last value counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(Vec<(Arc<str>, Value)>);

impl Values {
    /// A column's value; `None` when the column did not come.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(name, _)| **name == *column).map(|(_, value)| value)
    }

    /// Takes a column out.
    pub fn remove(&mut self, column: &str) -> Option<Value> {
        let at = self.0.iter().rposition(|(name, _)| **name == *column)?;
        Some(self.0.remove(at).1)
    }

    /// Keeps only the columns that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// The columns' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        Object(&mut Names::default()).deserialize(reader)
    }
}

impl From<Map<String, Value>> for Values {
    fn from(values: Map<String, Value>) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

/// Names of columns that were met: the rows of a page have the same ones, so that each is kept once.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<Arc<str>>);

impl Names {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// When it is none, or can't be read.
    pub fn read(&mut self, text: &[u8]) -> Result<Values, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let values = Object(self).deserialize(&mut reader)?;
        reader.end()?;
        Ok(values)
    }

    /// The shared name; most rows have their columns in the same order, where it stands at `at`.
    fn shared(&mut self, name: &str, at: usize) -> Arc<str> {
        let known = self.0.get(at).filter(|known| ***known == *name).or_else(|| self.0.iter().find(|known| ***known == *name));
        match known {
            Some(known) => known.clone(),
            None => {
                let name: Arc<str> = name.into();
                self.0.push(name.clone());
                name
            }
        }
    }
}

struct Object<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Values;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Values, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Values, A::Error> {
        let mut values = Vec::with_capacity(self.0.0.len());
        while let Some(name) = object.next_key::<Name<'de>>()? {
            values.push((self.0.shared(&name.0, values.len()), object.next_value()?));
        }
        Ok(Values(values))
    }
}

/// A name that borrows from the text where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_share_their_names_and_read_as_they_came() {
        let mut names = Names::default();
        let first = names.read(br#"{"a":1,"b\u0041":null,"c":[2]}"#).unwrap();
        let second = names.read(br#" {"c":"x","a":2,"a":3} "#).unwrap();
        assert_eq!(
            (first.get("a"), first.get("bA"), first.get("c"), first.get("d")),
            (Some(&json!(1)), Some(&Value::Null), Some(&json!([2])), None)
        );
        assert_eq!((second.get("a"), second.get("c")), (Some(&json!(3)), Some(&json!("x"))));
        assert!(Arc::ptr_eq(&first.0[2].0, &second.0[0].0) && names.0.len() == 3);
        for bad in [&b"7"[..], b"[]", b"{", b"{} {}", b"{\"a\":1e999}"] {
            assert!(names.read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
