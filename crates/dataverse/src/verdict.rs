//! Tells usable answers from refusals, and says of each refusal what kind it is.
//!
//! Statuses and what to do about them are from Microsoft's "Compose HTTP requests and handle errors", "Service protection API limits" and
//! "Web service error codes" pages. A success whose body is cut off counts as no answer, so that it is asked for again.

use std::time::Duration;

use base::Timestamp;
use http::{HeaderMap, StatusCode, header};
use serde::de::IgnoredAny;
use wire::{CallError, Class, Refusal, Request, Response};

use crate::{codes, fault::Fault, fault::parse, multipart};

/// The longest wait that we obey; the limits' window is five minutes, so that more can't be meant.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// The verdict on an answer of the Web API.
///
/// # Errors
/// [`CallError::Refused`] when the service refused, [`CallError::Garbled`] when the answer is not whole or not the service's.
pub fn verdict(request: &Request, response: Response) -> Result<Response, CallError> {
    if let Some(boundary) = multipart::boundary_of(&response.headers) {
        return batch(&boundary, response);
    }
    if response.status.is_success() {
        whole(request, &response)?;
        return Ok(response);
    }
    Err(refusal(&response).into())
}

/// The answer to a batch carries its parts' refusals inside, whatever its own status is.
fn batch(boundary: &str, response: Response) -> Result<Response, CallError> {
    let parts = multipart::read(boundary, &response.body)
        .ok_or_else(|| CallError::Garbled(format!("a batch answer of {} bytes that is cut off", response.body.len())))?;
    // A first part that is throttled means that nothing was run: the whole batch waits and is sent again.
    match parts.first().and_then(|part| part.answer()) {
        Some(first) if first.status == StatusCode::TOO_MANY_REQUESTS => Err(refusal(&first).into()),
        Some(_) | None => Ok(response),
    }
}

fn whole(request: &Request, response: &Response) -> Result<(), CallError> {
    let body = &response.body;
    if body.is_empty() {
        let expected = request.method == http::Method::GET && response.status == StatusCode::OK;
        return if expected { Err(CallError::Garbled("an answer without body".into())) } else { Ok(()) };
    }
    let media = response.header("content-type").unwrap_or_default();
    let json = media.contains("json") || matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
    if json && serde_json::from_slice::<IgnoredAny>(body).is_err() {
        return Err(CallError::Garbled(format!("{} bytes that end in the middle", body.len())));
    }
    if media.contains("html") {
        return Err(CallError::Garbled("a web page instead of an answer".into()));
    }
    Ok(())
}

fn refusal(response: &Response) -> Refusal {
    let status = response.status;
    let Fault { code, mut message } = Fault::read(&response.body);
    if message.is_empty() && status.is_redirection() {
        message = "the address answers with a redirect, which is not followed; is it the environment's own?".into();
    }
    let class = class(status, parse(&code));
    let wait = wait(&response.headers);
    let request_id = ["x-ms-service-request-id", "req_id"].into_iter().find_map(|name| response.header(name)).map(str::to_owned);
    Refusal { status: status.as_u16(), code, message, class, wait, request_id }
}

/// The kind of a refusal. Statuses decide; codes refine what the statuses leave open.
fn class(status: StatusCode, code: Option<u32>) -> Class {
    match status.as_u16() {
        401 => return Class::Auth,
        403 => return Class::Config,
        404 | 410 => return Class::Missing,
        413 => return Class::Split,
        429 => return Class::Throttled,
        _ => {}
    }
    match code {
        Some(codes::SQL_DEADLOCK | codes::SQL_TIMEOUT) => Class::Transient,
        Some(codes::DUPLICATE_RULE | codes::EXPIRED_VERSION_STAMP) => Class::Record,
        Some(_) | None if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => Class::Doubtful,
        Some(codes::ODATA_QUERY | codes::ODATA_RESOURCE | codes::PAYLOAD) => Class::Bug,
        Some(_) | None => match status.as_u16() {
            300..=399 => Class::Config,
            405 | 406 | 414 | 415 | 501 => Class::Bug,
            408 => Class::Doubtful,
            _ => Class::Record,
        },
    }
}

/// How long the answer asks us to wait: seconds, or a date that is measured against the answer's own; at most five minutes.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(WAIT_MAX));
    }
    let date = |text: &str| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let now = headers.get(header::DATE).and_then(|now| date(now.to_str().ok()?)).unwrap_or_else(Timestamp::now);
    Some(base::time::since(now, date(text)?).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        Response { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned().into() }
    }

    fn error(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> CallError {
        verdict(&Request::get("x", "/x"), answer(status, headers, body)).unwrap_err()
    }

    #[test]
    fn each_status_has_its_class() {
        let code = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
        let cases = [
            (401, String::new(), Class::Auth),
            (403, code("0x80072560"), Class::Config),
            (404, code("0x80040217"), Class::Missing),
            (404, code("0x8006088a"), Class::Missing),
            (412, code("0x80060882"), Class::Record),
            (413, String::new(), Class::Split),
            (429, code("0x80072322"), Class::Throttled),
            (400, code("0x80044331"), Class::Record),
            (400, code("0x80060888"), Class::Bug),
            (400, code("0x8006088A"), Class::Bug),
            (400, code("0x80048d19"), Class::Bug),
            (400, code("0x80044150"), Class::Transient),
            (500, code("0x80044151"), Class::Transient),
            (500, code("0x80040333"), Class::Record),
            (500, code("0x80040216"), Class::Doubtful),
            (502, "<html>".into(), Class::Doubtful),
            (503, String::new(), Class::Doubtful),
            (504, String::new(), Class::Doubtful),
            (501, code("0x8006088a"), Class::Bug),
            (405, String::new(), Class::Bug),
            (302, String::new(), Class::Config),
        ];
        for (status, body, class) in cases {
            assert_eq!(error(status, &[], &body).class(), Some(class), "{status} {body}");
        }
    }

    #[test]
    fn waits_are_read_in_both_forms() {
        let wait = |headers: &[(&'static str, &'static str)]| error(429, headers, "").refusal().unwrap().wait;
        assert_eq!(wait(&[("retry-after", "30")]), Some(Duration::from_secs(30)));
        assert_eq!(wait(&[("retry-after", "86400")]), Some(WAIT_MAX));
        assert_eq!(wait(&[]), None);
        let date = ("date", "Sun, 01 Mar 2026 10:00:00 GMT");
        assert_eq!(wait(&[("retry-after", "Sun, 01 Mar 2026 10:00:40 GMT"), date]), Some(Duration::from_secs(40)));
        assert_eq!(wait(&[("retry-after", "Sun, 01 Mar 2026 09:00:40 GMT"), date]), Some(Duration::ZERO));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(error(503, &[], "").refusal().unwrap().wait, None);
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        for (media, body) in [
            ("application/json; odata.metadata=minimal", r#"{"value":[{"a":1"#),
            ("", r#"{"value":[]"#),
            ("text/html", "<html>sign in</html>"),
            ("application/json", ""),
            ("multipart/mixed; boundary=b", "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}"),
        ] {
            assert!(matches!(error(200, &[("content-type", media)], body), CallError::Garbled(_)), "{media} {body}");
        }
        let get = Request::get("x", "/x");
        assert!(verdict(&get, answer(204, &[], "")).is_ok());
        assert!(verdict(&get, answer(200, &[("content-type", "text/plain")], "17")).is_ok());
        assert!(verdict(&get, answer(200, &[("content-type", "application/json")], "{} \r\n")).is_ok());
    }

    #[test]
    fn a_failed_batch_is_still_read_part_by_part() {
        let media = [("content-type", "multipart/mixed; boundary=b")];
        let body = |status: &str| format!("--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {status}\r\n\r\n\r\n--b--\r\n");
        assert!(verdict(&Request::get("batch", "/$batch"), answer(412, &media, &body("412 Precondition Failed"))).is_ok());
        assert_eq!(error(200, &media, &body("429 Too Many Requests")).class(), Some(Class::Throttled));
    }
}
