//! A stored row: its values packed into one piece of memory, so that a million people fit.
//!
//! A row is a run of (column position, tag, payload), ascending by position; columns without a value take no space.
//! It knows positions only; what a column means is the schema's business.

use std::{borrow::Cow, collections::BTreeMap};

use base::Guid;

use crate::value::Value;

/// A row being read or changed: value by column position, without nulls.
pub type Record = BTreeMap<u16, Value<'static>>;

/// A stored row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its version number; the etag is made of it.
    pub version: u64,
    /// When it was last modified, in seconds since 1970: kept apart for the index.
    pub modified: i64,
    packed: Box<[u8]>,
}

const TEXT: u8 = 1;
const INT: u8 = 2;
const FLOAT: u8 = 3;
const MONEY: u8 = 4;
const NO: u8 = 5;
const YES: u8 = 6;
const GUID: u8 = 7;
const REF: u8 = 8;
const TIME: u8 = 9;
const DAY: u8 = 10;

impl Row {
    /// Packs a record.
    #[must_use]
    pub fn pack(record: &Record, version: u64, modified: i64) -> Self {
        let mut out = Vec::with_capacity(record.len() * 12);
        for (column, value) in record {
            if value.is_null() {
                continue;
            }
            out.extend_from_slice(&column.to_le_bytes());
            pack_value(value, &mut out);
        }
        Self { version, modified, packed: out.into_boxed_slice() }
    }

    /// Its values, ascending by column position.
    #[must_use]
    pub fn cells(&self) -> Cells<'_> {
        Cells { rest: &self.packed }
    }

    /// The value of one column.
    #[must_use]
    pub fn get(&self, column: u16) -> Value<'_> {
        self.cells().take_while(|(at, _)| *at <= column).find(|(at, _)| *at == column).map_or(Value::Null, |(_, value)| value)
    }

    /// All values, to change them.
    #[must_use]
    pub fn unpack(&self) -> Record {
        self.cells().map(|(column, value)| (column, value.into_owned())).collect()
    }
}

fn pack_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Text(text) => {
            out.push(TEXT);
            pack_number(text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Int(n) => tagged(INT, *n, out),
        Value::Float(n) => {
            out.push(FLOAT);
            out.extend_from_slice(&n.to_le_bytes());
        }
        Value::Money(n) => tagged(MONEY, *n, out),
        Value::Bool(b) => out.push(if *b { YES } else { NO }),
        Value::Guid(id) => {
            out.push(GUID);
            out.extend_from_slice(&id.to_bytes());
        }
        Value::Ref(table, id) => {
            out.extend_from_slice(&[REF, *table]);
            out.extend_from_slice(&id.to_bytes());
        }
        Value::Time(at) => tagged(TIME, *at, out),
        Value::Day(day) => tagged(DAY, i64::from(*day), out),
    }
}

/// Small numbers of either sign take few bytes.
fn tagged(tag: u8, number: i64, out: &mut Vec<u8>) {
    out.push(tag);
    pack_number(((number << 1) ^ (number >> 63)).cast_unsigned(), out);
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn pack_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The values of a row, in order.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Cells<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn value(&mut self) -> Option<Value<'a>> {
        Some(match self.byte()? {
            TEXT => {
                let len = usize::try_from(self.number()?).ok()?;
                Value::Text(Cow::Borrowed(std::str::from_utf8(self.take(len)?).ok()?))
            }
            INT => Value::Int(self.signed()?),
            FLOAT => Value::Float(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            MONEY => Value::Money(self.signed()?),
            NO => Value::Bool(false),
            YES => Value::Bool(true),
            GUID => Value::Guid(Guid::from_slice(self.take(16)?).ok()?),
            REF => {
                let table = self.byte()?;
                Value::Ref(table, Guid::from_slice(self.take(16)?).ok()?)
            }
            TIME => Value::Time(self.signed()?),
            DAY => Value::Day(i32::try_from(self.signed()?).ok()?),
            _ => return None,
        })
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = (u16, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let column = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        Some((column, self.value()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            any::<String>().prop_map(|text| Value::Text(text.into())),
            any::<i64>().prop_map(Value::Int),
            (-1e15..1e15f64).prop_map(Value::Float),
            any::<i64>().prop_map(Value::Money),
            any::<bool>().prop_map(Value::Bool),
            any::<u128>().prop_map(|bits| Value::Guid(Guid::from_u128(bits))),
            (any::<u8>(), any::<u128>()).prop_map(|(table, bits)| Value::Ref(table, Guid::from_u128(bits))),
            any::<i64>().prop_map(Value::Time),
            any::<i32>().prop_map(Value::Day),
        ]
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(record in proptest::collection::btree_map(any::<u16>(), any_value(), 0..40)) {
            let row = Row::pack(&record, 7, 9);
            prop_assert_eq!(row.unpack(), record.clone());
            for (column, value) in &record {
                prop_assert_eq!(&row.get(*column), value);
            }
        }
    }
}
