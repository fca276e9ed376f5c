//! Queries as forms and as addresses.
//!
//! Adobe's "Lead database" page lets any query be sent as `POST …?_method=GET` with the query in the body, because an address over 8 KB
//! is refused with HTTP 414, and 300 GUIDs are over that.

use http::Method;
use wire::{CallError, Replay, Request};

/// A query whose parameters travel in the body, so that their length doesn't matter.
pub(crate) fn query(name: &'static str, path: &str, parameters: &[(&str, &str)]) -> Result<Request, CallError> {
    let mut request = Request::get(name, format!("{path}?_method=GET")).header("content-type", "application/x-www-form-urlencoded");
    request.method = Method::POST;
    request.body = encoded(parameters)?.into();
    request.replay = Replay::Safe;
    Ok(request)
}

/// An address with its parameters.
pub(crate) fn address(path: &str, parameters: &[(&str, &str)]) -> Result<String, CallError> {
    Ok(if parameters.is_empty() { path.to_owned() } else { format!("{path}?{}", encoded(parameters)?) })
}

/// A query as an address while that is short enough, else as a form.
pub(crate) fn short_or_form(name: &'static str, path: &str, parameters: &[(&str, &str)]) -> Result<Request, CallError> {
    let address = address(path, parameters)?;
    if address.len() > crate::size::ADDRESS_MAX_BYTES { query(name, path, parameters) } else { Ok(Request::get(name, address)) }
}

fn encoded(parameters: &[(&str, &str)]) -> Result<String, CallError> {
    serde_urlencoded::to_string(parameters).map_err(|e| CallError::Unwritable(e.to_string()))
}

/// Values of one parameter. There is no documented way to write a comma inside of one, so such a value is refused, as is an empty one.
pub(crate) fn list(what: &str, values: &[String]) -> Result<String, CallError> {
    if let Some(bad) = values.iter().position(|value| value.trim().is_empty() || value.contains(',')) {
        return Err(CallError::Unwritable(format!("{what} {bad} is empty or holds a comma, which Marketo has no way to write")));
    }
    Ok(values.join(","))
}

/// A list of numbers.
pub(crate) fn numbers(values: &[i64]) -> String {
    values.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
pub(crate) mod test {
    use wire::Response;

    pub(crate) fn answer(body: &str) -> Response {
        answer_of(200, body)
    }

    pub(crate) fn answer_of(status: u16, body: &str) -> Response {
        Response { status: http::StatusCode::from_u16(status).unwrap(), headers: http::HeaderMap::new(), body: body.to_owned().into() }
    }
}
