//! Base64, as tokens and the Basic scheme use it: the URL alphabet without padding is written, both alphabets are read.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes with the URL alphabet, without padding.
pub(crate) fn encode_url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            out.push(ALPHABET.get(index).map_or('A', |byte| char::from(*byte)));
        }
    }
    out
}

/// Decodes either alphabet, padded or not; none when a character belongs to neither.
pub(crate) fn decode_url(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0u8);
    for byte in text.trim_end_matches('=').bytes() {
        let byte = match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => other,
        };
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xff_ffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for len in 0..20u8 {
            let bytes: Vec<u8> = (0..len).map(|n| n.wrapping_mul(37)).collect();
            assert_eq!(decode_url(&encode_url(&bytes)), Some(bytes));
        }
        assert_eq!(encode_url(b"a:b~"), "YTpifg");
        assert_eq!(decode_url("YTpifg=="), Some(b"a:b~".to_vec()));
        assert_eq!(decode_url("a b"), None);
    }
}
