//! Microsoft Entra ID's refusals as errors that say what to do.
//!
//! Facts are from the "Microsoft Entra authentication and authorization error codes" page and, for machines, the "How to use managed
//! identities to acquire an access token" page. The AADSTS number is for the operator; the class comes from it and from `error`.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use wire::{CallError, Class, Refusal};

/// Numbers that the page marks as passing: throttled, or a failure on their side. 500133 is a clock that was off for a moment.
const PASSING: [u64; 6] = [90055, 90006, 90012, 90024, 90033, 500_133];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Option<String>,
    error_description: Option<String>,
    error_codes: Option<Vec<u64>>,
    trace_id: Option<String>,
}

/// Who was asked for the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// Entra ID itself.
    Authority,
    /// The metadata service of the machine.
    Machine,
}

/// The error of a token answer that is not a success. `secret` is struck out of whatever the service says.
pub(crate) fn refusal(issuer: Issuer, status: StatusCode, body: &[u8], wait: Option<Duration>, secret: Option<&str>) -> CallError {
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let description = body.error_description.unwrap_or_default();
    let number = number(&description).or_else(|| body.error_codes.as_ref().and_then(|codes| codes.first().copied()));
    let word = body.error.unwrap_or_default();
    let code = number.map_or_else(|| word.clone(), |number| format!("AADSTS{number}"));
    let passing = status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error()
        || word == "temporarily_unavailable"
        || number.is_some_and(|number| PASSING.contains(&number))
        || issuer == Issuer::Machine && matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
    let mut message = first_sentence(&description);
    if message.is_empty() {
        message = format!("the login service answered {}", status.as_u16());
    }
    if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
        message = message.replace(secret, "***");
    }
    let class = if passing { Class::Transient } else { Class::Config };
    Refusal { status: status.as_u16(), code, message, class, wait, request_id: body.trace_id }.into()
}

/// The number after `AADSTS`.
fn number(description: &str) -> Option<u64> {
    let (_, rest) = description.split_once("AADSTS")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The description up to its first full stop, without the number in front and the trace ids behind.
fn first_sentence(description: &str) -> String {
    let text = match description.strip_prefix("AADSTS") {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(':'),
        None => description,
    };
    let text = text.lines().next().unwrap_or_default();
    let text = text.split("Trace ID:").next().unwrap_or_default().trim();
    let sentence = text.find(". ").map_or(text, |end| &text[..=end]);
    sentence.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap();
        refusal(Issuer::Authority, status, body.as_bytes(), None, Some("s3cret")).refusal().unwrap().clone()
    }

    #[test]
    fn a_wrong_secret_is_for_the_operator() {
        let refusal = of(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure the secret 's3cret' is right. Trace ID: 1 Correlation ID: 2 Timestamp: 3","error_codes":[7000215],"trace_id":"t"}"#,
        );
        assert_eq!(refusal.to_string(), "AADSTS7000215: Invalid client secret provided.");
        assert_eq!((refusal.class, refusal.request_id.as_deref()), (Class::Config, Some("t")));
    }

    #[test]
    fn passing_troubles_are_tried_again() {
        for (status, body) in [
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (400, r#"{"error":"x","error_description":"AADSTS90033: A transient error has occurred."}"#),
            (400, r#"{"error":"x","error_codes":[90055]}"#),
            (503, "<html>"),
            (429, ""),
        ] {
            assert_eq!(of(status, body).class, Class::Transient, "{status} {body}");
        }
        assert_eq!(of(400, "").class, Class::Config);
        assert_eq!(of(400, r#"{"error":"unauthorized_client","error_codes":[700016]}"#).code, "AADSTS700016");
        let machine = refusal(Issuer::Machine, StatusCode::GONE, b"", None, None);
        assert_eq!(machine.class(), Some(Class::Transient), "Microsoft's page: the machine's service is being updated");
    }

    #[test]
    fn a_secret_in_the_sentence_is_struck_out() {
        let refusal = of(400, r#"{"error":"invalid_client","error_description":"AADSTS1: Value s3cret is bad."}"#);
        assert_eq!(refusal.message, "Value *** is bad.");
    }
}
