//! A mistake in the file, shown at its line, and never a secret with it.

use std::path::Path;

use miette::{LabeledSpan, NamedSource, miette};

/// The parser's message under the line that it is about.
pub(super) fn at_its_line(path: &Path, text: &str, error: &toml::de::Error) -> miette::Report {
    let labels = error.span().map(|span| LabeledSpan::new(Some("here".into()), span.start, span.len().max(1)));
    // The message can quote the line's value; only the line itself is shown, and secrets are never in the file.
    miette!(labels = labels.into_iter().collect::<Vec<_>>(), code = "configuration", "{}", error.message().trim())
        .with_source_code(NamedSource::new(path.display().to_string(), without_secrets(text)).with_language("toml"))
}

/// The text with what stands behind the key of a secret made unreadable, byte for byte, so that places in it stay where they are: somebody
/// may have written the secret itself there, and the line is shown.
fn without_secrets(text: &str) -> String {
    let is_secret = |key: &str| ["secret", "password"].iter().any(|word| key.to_lowercase().contains(word));
    let hide = |value: &str| -> String {
        value.chars().map(|c| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) }).collect()
    };
    text.split_inclusive('\n')
        .map(|line| match line.split_once('=') {
            Some((key, value)) if is_secret(key) => format!("{key}={}", hide(value)),
            Some(_) | None => line.to_owned(),
        })
        .collect()
}
