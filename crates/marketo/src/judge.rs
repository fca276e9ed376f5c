//! Tells a usable answer from a refusal, once for all calls.
//!
//! Three places are looked at, in the order of Adobe's "Error codes" page: the HTTP status, `success` with `errors`, and (by the
//! endpoints themselves) each record. A code is classed by its number, not by the place it came from: record codes also arrive for whole
//! calls. The HTTP reason phrase is never read.

use std::time::Duration;

use http::StatusCode;
use serde::de::IgnoredAny;
use wire::{CallError, Class, Refusal, Request, Response};

use crate::{
    code,
    envelope::{Envelope, ErrorItem},
    extract, import,
};

/// The longest wait that is believed when a gateway names one.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Lets a usable answer through and turns everything else into an error.
///
/// # Errors
/// [`CallError::Refused`] with the vendor's code; [`CallError::Garbled`] for an answer that is cut off or isn't an envelope, so that it is
/// tried again where that is safe.
pub fn verdict(request: &Request, response: Response) -> Result<Response, CallError> {
    let envelope = Envelope::<IgnoredAny>::read(&response);
    if response.status != StatusCode::OK && response.status != StatusCode::PARTIAL_CONTENT {
        return Err(by_status(request, &response, envelope.ok().as_ref()).into());
    }
    if is_file(request.name) {
        return match envelope {
            Ok(envelope) if envelope.success == Some(false) => Err(by_errors(response.status, &envelope).into()),
            Ok(_) | Err(_) => Ok(response),
        };
    }
    let envelope = envelope?;
    match envelope.success {
        Some(true) if envelope.result.is_some() || envelope.errors.is_empty() => Ok(response),
        Some(false) if envelope.is_nothing_found() || is_wanted_state(request, &envelope.errors) => Ok(response),
        Some(_) => Err(by_errors(response.status, &envelope).into()),
        None => Err(CallError::Garbled("an answer that doesn't say whether it succeeded".into())),
    }
}

/// Answers that are files and no envelope.
fn is_file(name: &str) -> bool {
    [import::FAILURES, import::WARNINGS, extract::FILE].contains(&name)
}

/// A job that was to be queued and is queued already.
fn is_wanted_state(request: &Request, errors: &[ErrorItem]) -> bool {
    request.name == extract::ENQUEUE && !errors.is_empty() && errors.iter().all(|e| code::is_already_queued(e.code(), e.message()))
}

/// The most restrictive of an envelope's errors.
pub(crate) fn by_errors<T>(status: StatusCode, envelope: &Envelope<T>) -> Refusal {
    let worst = envelope
        .errors
        .iter()
        .map(|error| (error, code::meaning(error.code(), error.message())))
        .reduce(|worst, next| if code::weight(next.1.0) > code::weight(worst.1.0) { next } else { worst });
    let (code, message, class, wait) = match worst {
        Some((error, (class, wait))) => (error.code().to_owned(), error.message().to_owned(), class, wait),
        None => (String::new(), "it failed and gave no reason".to_owned(), Class::Doubtful, None),
    };
    Refusal { status: status.as_u16(), code, message, class, wait, request_id: envelope.request_id.clone() }
}

/// An answer whose HTTP status already says that it failed. A code in its body says more than the status, except about waiting.
fn by_status(request: &Request, response: &Response, envelope: Option<&Envelope<IgnoredAny>>) -> Refusal {
    let asked = retry_after(response);
    if let Some(envelope) = envelope.filter(|envelope| !envelope.errors.is_empty()) {
        let refusal = by_errors(response.status, envelope);
        return Refusal { wait: asked.or(refusal.wait), ..refusal };
    }
    let status = response.status.as_u16();
    let (class, message) = match status {
        401 => (Class::Auth, "the access token is not accepted"),
        403 => (Class::Config, "access is forbidden"),
        404 if is_file(request.name) => (Class::Missing, "there is no such file: the job is unknown, unfinished, or has nothing to report"),
        404 => (Class::Config, "there is no such address: is this a Marketo instance?"),
        300..=399 => (Class::Config, "the address leads somewhere else: is this a Marketo instance?"),
        413 => (Class::Split, "the body is too large"),
        414 => (Class::Split, "the address is too long"),
        429 => (Class::Throttled, "too many calls"),
        408 | 500..=599 => (Class::Doubtful, "the gateway is in trouble"),
        _ => (Class::Bug, "the request is not accepted"),
    };
    Refusal {
        status,
        code: String::new(),
        message: message.into(),
        class,
        wait: asked,
        request_id: envelope.and_then(|envelope| envelope.request_id.clone()),
    }
}

/// How long a gateway asks us to wait. Only the form in seconds is read: the form with a date needs a clock that agrees with theirs.
fn retry_after(response: &Response) -> Option<Duration> {
    response.header("retry-after")?.trim().parse().ok().map(Duration::from_secs).map(|wait| wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::test::{answer, answer_of};

    fn judged(body: &str) -> Result<Response, CallError> {
        verdict(&Request::get("leads.get", "/"), answer(body))
    }

    fn error(code: &str) -> String {
        format!(r#"{{"requestId":"7#1","success":false,"errors":[{{"code":"{code}","message":"m"}}]}}"#)
    }

    #[test]
    fn each_code_has_its_class_and_the_request_keeps_its_id() {
        for (code, class) in [
            ("601", Class::Auth),
            ("602", Class::Auth),
            ("603", Class::Config),
            ("604", Class::Doubtful),
            ("606", Class::Throttled),
            ("607", Class::Quota),
            ("608", Class::Transient),
            ("609", Class::Bug),
            ("611", Class::Doubtful),
            ("713", Class::Transient),
            ("718", Class::Record),
            ("1004", Class::Missing),
            ("1011", Class::Config),
            ("1018", Class::Config),
            ("1080", Class::Split),
        ] {
            let refused = judged(&error(code)).unwrap_err();
            assert_eq!((refused.class(), refused.code()), (Some(class), code));
            assert_eq!(refused.refusal().unwrap().request_id.as_deref(), Some("7#1"));
        }
        assert_eq!(judged(&error("606")).unwrap_err().refusal().unwrap().wait, Some(Duration::from_secs(20)));
    }

    #[test]
    fn of_several_errors_the_most_restrictive_counts() {
        let body = r#"{"success":false,"errors":[{"code":"611","message":""},{"code":603,"message":"Access denied"},{"code":"602","message":""}]}"#;
        let refused = judged(body).unwrap_err();
        assert_eq!((refused.class(), refused.code()), (Some(Class::Config), "603"));
    }

    #[test]
    fn nothing_found_is_an_answer_and_a_cut_one_is_none() {
        assert!(judged(&error("702")).is_ok());
        for body in [r#"{"requestId":"1","success":true,"result":[{"id":1"#, "", "<html>", "[]", r#"{"requestId":"1"}"#] {
            assert!(matches!(judged(body), Err(CallError::Garbled(_))), "{body}");
        }
        assert_eq!(judged(r#"{"success":false}"#).unwrap_err().class(), Some(Class::Doubtful));
    }

    #[test]
    fn the_status_counts_unless_the_body_knows_better() {
        let class = |status, body: &str| verdict(&Request::get("leads.get", "/"), answer_of(status, body)).unwrap_err().class().unwrap();
        assert_eq!(class(413, ""), Class::Split);
        assert_eq!(class(414, "<html>"), Class::Split);
        assert_eq!(class(429, ""), Class::Throttled);
        assert_eq!(class(503, "x"), Class::Doubtful);
        assert_eq!(class(503, &error("607")), Class::Quota);
        assert_eq!(class(404, ""), Class::Config);
        let mut asked = answer_of(429, "");
        asked.headers.insert("retry-after", "7".parse().unwrap());
        assert_eq!(verdict(&Request::get("leads.get", "/"), asked).unwrap_err().refusal().unwrap().wait, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_file_is_let_through_and_its_absence_is_told() {
        let get = Request::get(import::FAILURES, "/");
        assert!(verdict(&get, answer("email,Import Failure Reason\nx,bad")).is_ok());
        assert_eq!(verdict(&get, answer_of(404, "not found")).unwrap_err().class(), Some(Class::Missing));
        assert_eq!(verdict(&get, answer(&error("602"))).unwrap_err().class(), Some(Class::Auth));
    }
}
