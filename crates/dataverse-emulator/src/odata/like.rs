//! Text patterns as SQL has them: `%`, `_`, `[a-c]`, `[^a]`, without regard to case.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Many,
    One,
    Char(char),
    Set { ranges: Vec<(char, char)>, inverted: bool },
}

/// Where the text of `contains`, `startswith` or `endswith` may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    Start,
    End,
    /// The pattern is all of it.
    Whole,
}

impl Pattern {
    pub(crate) fn new(text: &str, place: Place) -> Self {
        let mut pieces = Vec::new();
        if matches!(place, Place::Anywhere | Place::End) {
            pieces.push(Piece::Many);
        }
        let folded: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let mut rest = folded.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                '%' => pieces.push(Piece::Many),
                '_' => pieces.push(Piece::One),
                '[' => match set(after) {
                    Some((piece, after)) => {
                        pieces.push(piece);
                        rest = after;
                    }
                    None => pieces.push(Piece::Char('[')),
                },
                other => pieces.push(Piece::Char(*other)),
            }
        }
        if matches!(place, Place::Anywhere | Place::Start) {
            pieces.push(Piece::Many);
        }
        Self(pieces)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut at, mut piece) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match self.0.get(piece) {
                Some(Piece::Many) => {
                    retry = Some((at, piece));
                    piece += 1;
                    continue;
                }
                Some(single) if text.get(at).is_some_and(|char| single.takes(*char)) => {
                    (at, piece) = (at + 1, piece + 1);
                    continue;
                }
                None if at == text.len() => return true,
                Some(_) | None => {}
            }
            // A mismatch: the last `%` takes one character more.
            match retry {
                Some((start, many)) if start < text.len() => {
                    retry = Some((start + 1, many));
                    (at, piece) = (start + 1, many + 1);
                }
                Some(_) | None => return false,
            }
        }
    }
}

impl Piece {
    fn takes(&self, char: char) -> bool {
        match self {
            Self::Many => false,
            Self::One => true,
            Self::Char(own) => *own == char,
            Self::Set { ranges, inverted } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&char)) != *inverted,
        }
    }
}

fn set(text: &[char]) -> Option<(Piece, &[char])> {
    let close = text.iter().position(|char| *char == ']')?;
    let (inner, after) = (text.get(..close)?, text.get(close + 1..)?);
    let (inverted, mut inner) =
        inner.split_first().map_or((false, inner), |(first, rest)| if *first == '^' { (true, rest) } else { (false, inner) });
    let mut ranges = Vec::new();
    while let Some((from, rest)) = inner.split_first() {
        match rest {
            ['-', to, after @ ..] => {
                ranges.push((*from, *to));
                inner = after;
            }
            _ => {
                ranges.push((*from, *from));
                inner = rest;
            }
        }
    }
    Some((Piece::Set { ranges, inverted }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_work_inside_the_text_functions() {
        for (pattern, place, text, hit) in [
            ("LENA", Place::Start, "Lena Ortiz", true),
            ("lena", Place::End, "Lena Ortiz", false),
            ("tiz", Place::End, "Lena Ortiz", true),
            ("n_ o", Place::Anywhere, "Lena Ortiz", true),
            ("l%z", Place::Start, "Lena Ortiz", true),
            ("[k-m]en", Place::Start, "Lena", true),
            ("[^l]en", Place::Start, "Lena", false),
            ("a%b%c", Place::Anywhere, "xxaabbxbc", true),
            ("É", Place::Anywhere, "café", true),
            ("[", Place::Anywhere, "a[b", true),
            ("", Place::Anywhere, "", true),
            ("lena", Place::Whole, "Lena Ortiz", false),
            ("lena%", Place::Whole, "Lena Ortiz", true),
        ] {
            assert_eq!(Pattern::new(pattern, place).matches(text), hit, "{pattern} in {text}");
        }
    }
}
