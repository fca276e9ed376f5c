//! GUIDs as one value, whatever their spelling (rule R2 of the design).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A Dynamics row id: 128 bits, compared as a number, written in lower case with hyphens.
///
/// ```
/// # use base::Guid;
/// let a: Guid = "{0F21B6D2-0C41-4F7E-B1AA-6E2D8C3F9415}".parse().unwrap();
/// let b: Guid = "0f21b6d20c414f7eb1aa6e2d8c3f9415".parse().unwrap();
/// assert_eq!(a, b);
/// assert_eq!(a.to_string(), "0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(u128);

/// The text is not a GUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID")]
pub struct NotAGuid;

impl Guid {
    /// The GUID of these 128 bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// Its 128 bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Its bytes, most significant first: the order in which the text is written.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The GUID of these bytes, most significant first.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The GUID of a byte slice of length 16.
    ///
    /// # Errors
    /// When the slice has another length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, NotAGuid> {
        bytes.try_into().map(Self::from_bytes).map_err(|_| NotAGuid)
    }

    /// Every spelling in which another tool is likely to have stored it, the canonical one first.
    #[must_use]
    pub fn spellings(self) -> [String; 6] {
        let lower = self.to_string();
        let upper = lower.to_uppercase();
        let bare = format!("{:032x}", self.0);
        [lower.clone(), upper.clone(), format!("{{{lower}}}"), format!("{{{upper}}}"), bare.clone(), bare.to_uppercase()]
    }
}

impl FromStr for Guid {
    type Err = NotAGuid;

    /// Reads any case, with or without braces or parentheses, with hyphens in their places or without any; blanks around are ignored.
    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        let text = text.trim();
        let text = match text.as_bytes() {
            [b'{', .., b'}'] | [b'(', .., b')'] => &text[1..text.len() - 1],
            _ => text,
        };
        let hyphens = [8, 13, 18, 23];
        let bytes = text.as_bytes();
        let hyphenated = match bytes.len() {
            36 => true,
            32 => false,
            _ => return Err(NotAGuid),
        };
        let mut bits = 0u128;
        for (at, byte) in bytes.iter().enumerate() {
            if hyphenated && hyphens.contains(&at) {
                if *byte != b'-' {
                    return Err(NotAGuid);
                }
                continue;
            }
            let digit = char::from(*byte).to_digit(16).ok_or(NotAGuid)?;
            bits = bits << 4 | u128::from(digit);
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            b >> 96,
            b >> 80 & 0xffff,
            b >> 64 & 0xffff,
            b >> 48 & 0xffff,
            b & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Guid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_value() {
        let guid = Guid::from_u128(0x0f21_b6d2_0c41_4f7e_b1aa_6e2d_8c3f_9415);
        for spelling in guid.spellings() {
            assert_eq!(spelling.parse(), Ok(guid), "{spelling}");
        }
        assert_eq!(" (0F21B6D2-0C41-4F7E-B1AA-6E2D8C3F9415) ".parse(), Ok(guid));
    }

    #[test]
    fn what_is_no_guid_is_refused() {
        for text in [
            "",
            "c-1",
            "0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f941",
            "0f21b6d20-c41-4f7e-b1aa-6e2d8c3f9415",
            "{0f21b6d20c414f7eb1aa6e2d8c3f9415",
            "é".repeat(16).as_str(),
            "gf21b6d20c414f7eb1aa6e2d8c3f9415",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(NotAGuid), "{text}");
        }
    }
}
