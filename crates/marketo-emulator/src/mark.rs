//! Paging tokens: opaque to clients, a short text with a checksum to us.
//!
//! Base32 with padding, as the vendor's look.

use std::hash::{DefaultHasher, Hash, Hasher};

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A place in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Activities from this second on, inclusive.
    Since(i64),
    /// Activities from this id on that are not older than `since`; `gap` says that the empty page before them was served.
    From { id: u64, since: i64, gap: bool },
    /// Activities from this second on, without the first `skip` ids of that second.
    Dated { at: i64, skip: u64, gap: bool },
    /// Records after this number, of the query with this fingerprint, asked at this second.
    After { query: u64, number: u64, asked: i64 },
}

/// Encodes a place.
pub(crate) fn encode(mark: Mark) -> String {
    let text = match mark {
        Mark::Since(at) => format!("S,{at}"),
        Mark::From { id, since, gap } => format!("F,{id},{since},{}", u8::from(gap)),
        Mark::Dated { at, skip, gap } => format!("D,{at},{skip},{}", u8::from(gap)),
        Mark::After { query, number, asked } => format!("A,{query},{number},{asked}"),
    };
    base32(format!("{text},{:x}", checksum(&text)).as_bytes())
}

/// Decodes a token; none when it isn't one of ours.
pub(crate) fn decode(token: &str) -> Option<Mark> {
    let bytes = from_base32(token.trim())?;
    let text = str::from_utf8(&bytes).ok()?;
    let (text, sum) = text.rsplit_once(',')?;
    if format!("{:x}", checksum(text)) != sum {
        return None;
    }
    let mut parts = text.split(',');
    let kind = parts.next()?;
    let mut part = || parts.next();
    match kind {
        "S" => Some(Mark::Since(part()?.parse().ok()?)),
        "F" => Some(Mark::From { id: part()?.parse().ok()?, since: part()?.parse().ok()?, gap: part()? == "1" }),
        "D" => Some(Mark::Dated { at: part()?.parse().ok()?, skip: part()?.parse().ok()?, gap: part()? == "1" }),
        "A" => Some(Mark::After { query: part()?.parse().ok()?, number: part()?.parse().ok()?, asked: part()?.parse().ok()? }),
        _ => None,
    }
}

/// A fingerprint of a query, so that a token of one isn't taken for another.
pub(crate) fn fingerprint(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

fn checksum(text: &str) -> u16 {
    (fingerprint(text) & 0xffff) as u16
}

fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        for (at, byte) in chunk.iter().enumerate() {
            if let Some(slot) = block.get_mut(at + 3) {
                *slot = *byte;
            }
        }
        let bits = u64::from_be_bytes(block);
        let used = (chunk.len() * 8).div_ceil(5);
        for at in 0..8 {
            let digit = (bits >> (35 - 5 * at)) as usize & 31;
            out.push(if at < used { ALPHABET.get(digit).copied().map_or('=', char::from) } else { '=' });
        }
    }
    out
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == digit)?;
        bits = bits << 5 | value as u32;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_strangers_do_not() {
        for mark in [
            Mark::Since(-5),
            Mark::From { id: 7, since: 1_772_359_200, gap: true },
            Mark::Dated { at: -3, skip: 2, gap: false },
            Mark::After { query: u64::MAX, number: 3, asked: 9 },
        ] {
            let token = encode(mark);
            assert_eq!(token.len() % 8, 0, "padded: {token}");
            assert_eq!(decode(&token), Some(mark));
        }
        for token in ["", "GIYD====", "not a token", "é", &encode(Mark::Since(5)).replacen(|_: char| true, "K", 3)] {
            assert_eq!(decode(token), None, "{token}");
        }
    }
}
