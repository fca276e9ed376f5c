//! Error bodies, in every shape that the service and what stands before it are known to send. Reading one never fails.
//!
//! Shapes are from the "Compose HTTP requests and handle errors" page and from what official clients tolerate.

use serde::Deserialize;
use serde_json::Value;

/// The longest message that is kept, in characters.
const MESSAGE_MAX: usize = 1000;

/// What an error body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The code, as `0x` and eight lower-case digits where it is a number; else as it came; empty when there was none.
    pub(crate) code: String,
    /// The message; empty when there was none.
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct Outer {
    error: Option<Value>,
    #[serde(rename = "ErrorCode")]
    error_code: Option<Value>,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "ExceptionMessage")]
    exception: Option<String>,
}

impl Fault {
    /// Reads a body: OData's shape, the shape of failures outside OData, a web page, nothing.
    pub(crate) fn read(body: &[u8]) -> Self {
        let outer: Outer = match serde_json::from_slice(body) {
            Ok(outer) => outer,
            Err(_) => return Self { code: String::new(), message: title(&String::from_utf8_lossy(&body[..body.len().min(4096)])) },
        };
        let inner = outer.error.as_ref();
        let text = |value: &Value| value.as_str().map(str::to_owned).or_else(|| value.get("value")?.as_str().map(str::to_owned));
        let code = inner.and_then(|error| error.get("code")).or(outer.error_code.as_ref());
        let message = inner
            .and_then(|error| error.get("message").and_then(text).or_else(|| text(error)))
            .or(outer.exception)
            .or(outer.message)
            .unwrap_or_default();
        Self { code: code.map(canonical).unwrap_or_default(), message: message.chars().take(MESSAGE_MAX).collect() }
    }
}

/// One spelling for each code: the service writes them in either case, and some layers as a signed decimal.
fn canonical(code: &Value) -> String {
    match code {
        Value::String(text) => parse(text).map_or_else(|| text.clone(), |code| format!("0x{code:08x}")),
        Value::Number(number) => match number.as_i64().and_then(|number| u32::try_from(number & 0xffff_ffff).ok()) {
            Some(code) => format!("0x{code:08x}"),
            None => number.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// The number of a code.
pub(crate) fn parse(code: &str) -> Option<u32> {
    let code = code.trim();
    match code.strip_prefix("0x").or_else(|| code.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => code.parse::<i32>().ok().map(i32::cast_unsigned),
    }
}

/// A web page's title, or the start of a plain text.
fn title(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let page = lower.contains("<html") || lower.contains("<!doctype");
    let title = lower.find("<title>").map(|at| at + 7).and_then(|from| Some(&text[from..from + lower[from..].find("</title>")?]));
    match (page, title) {
        (_, Some(title)) => title.trim().chars().take(200).collect(),
        (true, None) => "a web page instead of an answer".into(),
        // A JSON text that doesn't parse was cut off on its way; its pieces say nothing.
        (false, None) if text.trim_start().starts_with(['{', '[']) => String::new(),
        (false, None) => text.trim().chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_read() {
        let cases = [
            (
                r#"{"error":{"code":"0x80040217","message":"Entity 'lead' With Id = 7 Does Not Exist"}}"#,
                "0x80040217",
                "Entity 'lead' With Id = 7 Does Not Exist",
            ),
            (r#"{"error":{"code":"0X8004F0AB","message":{"lang":"en","value":"m"}}}"#, "0x8004f0ab", "m"),
            (r#"{"error":{"code":"","message":"m"}}"#, "", "m"),
            (r#"{"error":{"code":-2147015902,"message":"m"}}"#, "0x80072322", "m"),
            (r#"{"error":{"code":"-2147015902","message":null}}"#, "0x80072322", ""),
            (r#"{"Message":"An error","ExceptionMessage":"deeper","ErrorCode":"0x80060888"}"#, "0x80060888", "deeper"),
            (r#"{"Message":"An error"}"#, "", "An error"),
            ("<html><head><TITLE> Bad Gateway </TITLE></head>", "", "Bad Gateway"),
            ("<!DOCTYPE html><p>x", "", "a web page instead of an answer"),
            (r#"{"error":{"code":"0x8004"#, "", ""),
            ("upstream connect error", "", "upstream connect error"),
            ("", "", ""),
            ("[1]", "", ""),
        ];
        for (body, code, message) in cases {
            assert_eq!(Fault::read(body.as_bytes()), Fault { code: code.into(), message: message.into() }, "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_is_too_odd(body: Vec<u8>) {
            let _ = Fault::read(&body);
        }

        #[test]
        fn no_page_is_too_odd(text in "(<html>)?(<TITLE>)?\\PC{0,20}(</title>)?") {
            let _ = Fault::read(text.as_bytes());
        }
    }
}
