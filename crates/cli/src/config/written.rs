//! What a file says of one bridge, as it stands there.

use std::path::Path;

use toml::{Table, Value};

use super::wrong;
use crate::exit::Failure;

/// The file's text without the other bridges in it. It has been read before, and is right.
pub(crate) fn as_written(file: &Path, bridge: &str) -> Result<Table, Failure> {
    let unread = |why: String| wrong(format!("{} can't be read: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unread(error.to_string()))?;
    of(&text, bridge).map_err(|error| unread(error.message().to_owned()))
}

fn of(text: &str, bridge: &str) -> Result<Table, toml::de::Error> {
    let mut written: Table = text.parse()?;
    if let Some(Value::Array(bridges)) = written.get_mut("bridge") {
        bridges.retain(|one| one.get("name").and_then(Value::as_str) == Some(bridge));
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bridges_are_left_out() {
        let text = "serve.listen = \"x\"\n[[bridge]]\nname = \"emea\"\n[[bridge]]\nname = \"apac\"\nstate.url = \"memory:\"\n";
        let written = of(text, "apac").unwrap();
        assert_eq!(written["bridge"].as_array().map(Vec::len), Some(1));
        assert_eq!(written["bridge"][0]["state"]["url"].as_str(), Some("memory:"));
        assert!(written.contains_key("serve") && of(text, "other").unwrap()["bridge"].as_array().is_some_and(Vec::is_empty));
        assert_eq!(of("[state]\nurl = \"memory:\"", "default").unwrap().len(), 1);
    }
}
