//! SQL in pieces: words, numbers, texts, signs.

use crate::error::{Outcome, Refusal};

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword, as written; in brackets or quotes it is never a keyword.
    Word(String),
    Quoted(String),
    Number(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 14] = ["<>", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", "*", "-", ";"];

/// Takes a statement apart.
pub(super) fn tokens(text: &str) -> Outcome<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => quoted(rest, '\'').map(|(text, after)| (Token::Text(text), after)),
            'N' | 'n' if rest.get(1..).is_some_and(|rest| rest.starts_with('\'')) => {
                rest.get(1..).and_then(|rest| quoted(rest, '\'')).map(|(text, after)| (Token::Text(text), after))
            }
            '"' => quoted(rest, '"').map(|(text, after)| (Token::Quoted(text), after)),
            '[' => rest.get(1..).and_then(|rest| rest.split_once(']')).map(|(name, after)| (Token::Quoted(name.to_owned()), after)),
            _ if first.is_ascii_digit() => {
                Some(split(rest, |char| char.is_ascii_digit() || char == '.')).map(|(n, after)| (Token::Number(n), after))
            }
            _ if first.is_alphabetic() || first == '_' => {
                Some(split(rest, |char| char.is_alphanumeric() || char == '_')).map(|(word, after)| (Token::Word(word), after))
            }
            _ => SIGNS.iter().find_map(|sign| Some((Token::Sign(sign), rest.strip_prefix(sign)?))),
        }
        .ok_or_else(|| Refusal::query(format!("The SQL can't be read at '{}'.", rest.chars().take(20).collect::<String>())))?;
        out.push(token);
        rest = after.trim_start();
    }
    Ok(out)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (String, &str) {
    let end = text.find(|char| !belongs(char)).unwrap_or(text.len());
    let (taken, rest) = text.split_at(end);
    (taken.to_owned(), rest)
}

fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text.strip_prefix(quote)?;
    loop {
        let (before, after) = rest.split_once(quote)?;
        out.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                out.push(quote);
                rest = more;
            }
            None => return Some((out, after)),
        }
    }
}
