//! Compact values: there are as many of them as there are people, so that every byte is a megabyte.
//!
//! A value begins with the version of its format. Where earlier releases wrote JSON, its brace tells.

use base::Guid;

/// What JSON objects begin with.
const BRACE: u8 = b'{';

/// Whether a value is JSON, as the first release wrote it.
pub(super) fn is_json(value: &[u8]) -> bool {
    value.first() == Some(&BRACE)
}

/// Writes a number as LEB128: seven bits a byte, the lowest first.
pub(super) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what was written, piece by piece; none once there is nothing more.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// As [`write_number`] wrote it.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Bytes with their length before them.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn guid(&mut self) -> Option<Guid> {
        let (bytes, rest) = self.0.split_at_checked(16)?;
        self.0 = rest;
        Guid::from_slice(bytes).ok()
    }
}
