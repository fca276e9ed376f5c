//! `$batch`: up to 1,000 calls in one request, run one after the other, answered in the same order.
//!
//! Facts are from Microsoft's "Execute batch operations using the Web API" page. Parts are other endpoints' requests, and each part's answer
//! has passed the same verdict as if it had come alone. No batch within a batch, and nothing that follows a link.

use http::{HeaderValue, Method, StatusCode};
use wire::{CallError, Class, Endpoint, Replay, Request, Response, Target};

use crate::{
    multipart::{self, RawPart},
    odata::{self, ROOT},
    verdict::verdict,
};

/// The most calls in one batch.
pub const OPERATIONS_MAX: usize = 1000;

/// A piece of a batch.
#[derive(Debug, Clone)]
pub enum Part {
    /// A call on its own.
    Single(Request),
    /// Writes of which all are done or none.
    ChangeSet(Vec<Request>),
}

impl Part {
    /// The part that asks what this endpoint asks; decode its answer with the same endpoint.
    ///
    /// # Errors
    /// [`CallError::Unwritable`] when the endpoint can't be written.
    pub fn single(endpoint: &impl Endpoint) -> Result<Self, CallError> {
        endpoint.request().map(Self::Single)
    }

    fn requests(&self) -> &[Request] {
        match self {
            Self::Single(request) => std::slice::from_ref(request),
            Self::ChangeSet(requests) => requests,
        }
    }
}

/// Several calls at once.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The calls, in order.
    pub parts: Vec<Part>,
    /// Whether the parts after a failed one are run; otherwise they are [`PartOutcome::NotRun`].
    pub continue_on_error: bool,
}

/// What became of a part.
#[derive(Debug, Clone)]
pub enum PartOutcome {
    /// A single call's answer or refusal.
    Single(Result<Response, CallError>),
    /// The answers of a change set that was done, in order, or the one refusal that undid it.
    ChangeSet(Result<Vec<Response>, CallError>),
    /// Nothing: an earlier part failed, or was throttled.
    NotRun,
}

impl Endpoint for Batch {
    /// One outcome per part, in the order sent.
    type Reply = Vec<PartOutcome>;

    fn request(&self) -> Result<Request, CallError> {
        let operations: usize = self.parts.iter().map(|part| part.requests().len()).sum();
        if operations > OPERATIONS_MAX || self.parts.iter().any(|part| part.requests().is_empty()) {
            return Err(CallError::Unwritable(format!(
                "a batch of {operations} calls, or with an empty change set; 1 to {OPERATIONS_MAX} are allowed"
            )));
        }
        let texts = || self.parts.iter().flat_map(|part| part.requests()).map(|request| request.body.as_ref());
        let (outer, inner) = (multipart::boundary_for("batch", texts()), multipart::boundary_for("changeset", texts()));
        let mut parts = Vec::with_capacity(self.parts.len());
        let mut content_id = 0;
        for (number, part) in self.parts.iter().enumerate() {
            parts.push(match part {
                Part::Single(request) => RawPart::http(None, message(request)?),
                Part::ChangeSet(requests) => {
                    let mut changes = Vec::with_capacity(requests.len());
                    for request in requests {
                        if request.method == Method::GET {
                            return Err(CallError::Unwritable("a change set that reads".into()));
                        }
                        content_id += 1;
                        changes.push(RawPart::http(Some(&content_id.to_string()), message(request)?));
                    }
                    RawPart::nested(&format!("{inner}_{number}"), &changes)
                }
            });
        }
        let mut request = odata::dressed(Request::get("batch", "/$batch"));
        request.method = Method::POST;
        request.timeout = std::time::Duration::from_secs(240);
        request.body = multipart::write(&outer, &parts).into();
        let safe = self.parts.iter().flat_map(Part::requests).all(|request| request.replay == Replay::Safe);
        request.replay = if safe { Replay::Safe } else { Replay::Unsafe };
        let request = request.header("content-type", &format!("multipart/mixed; boundary=\"{outer}\""));
        Ok(if self.continue_on_error { request.header("prefer", "odata.continue-on-error") } else { request })
    }

    fn decode(&self, response: &Response) -> Result<Vec<PartOutcome>, CallError> {
        let garbled = |what: &str| CallError::Garbled(format!("a batch answer {what}"));
        let boundary = multipart::boundary_of(&response.headers).ok_or_else(|| garbled("that is not multipart"))?;
        let answers = multipart::read(&boundary, &response.body).ok_or_else(|| garbled("that is cut off"))?;
        if answers.len() > self.parts.len() {
            return Err(garbled(&format!("of {} parts to {} calls", answers.len(), self.parts.len())));
        }
        let mut outcomes = Vec::with_capacity(self.parts.len());
        let mut answers = answers.iter();
        let mut throttled = false;
        for part in &self.parts {
            let outcome = match answers.next() {
                Some(answer) if !throttled => outcome(part, answer)?,
                Some(_) | None => PartOutcome::NotRun,
            };
            throttled |= outcome.is_throttled();
            outcomes.push(outcome);
        }
        let unexplained = outcomes.iter().any(|outcome| matches!(outcome, PartOutcome::NotRun))
            && outcomes.iter().all(|outcome| outcome.error().is_none());
        if unexplained { Err(garbled("that ends without a failure before all calls are answered")) } else { Ok(outcomes) }
    }
}

impl PartOutcome {
    /// The refusal, when there was one.
    #[must_use]
    pub fn error(&self) -> Option<&CallError> {
        match self {
            Self::Single(outcome) => outcome.as_ref().err(),
            Self::ChangeSet(outcome) => outcome.as_ref().err(),
            Self::NotRun => None,
        }
    }

    /// After a throttled part the rest counts as not run; pause [`crate::Client::pace`] for the refusal's wait and send the rest again.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.error().is_some_and(|error| error.class() == Some(Class::Throttled))
    }
}

/// The HTTP request as text, with a server-relative address, as the page's examples have it.
fn message(request: &Request) -> Result<Vec<u8>, CallError> {
    let Target::Below(path) = &request.target else {
        return Err(CallError::Unwritable("a batch that follows a link".into()));
    };
    let mut text = format!("{} {ROOT}{path} HTTP/1.1\r\n", request.method).into_bytes();
    for (name, value) in &request.headers {
        // It keeps caches from answering, and a part of a POST never meets one.
        if name == "if-none-match" && value == HeaderValue::from_static("null") {
            continue;
        }
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&request.body);
    Ok(text)
}

fn outcome(part: &Part, answer: &RawPart) -> Result<PartOutcome, CallError> {
    let judged = |request: &Request, answer: &RawPart| {
        answer
            .answer()
            .ok_or_else(|| CallError::Garbled("a batch part that is no answer".into()))
            .and_then(|answer| verdict(request, answer))
    };
    match part {
        Part::Single(request) => Ok(PartOutcome::Single(judged(request, answer))),
        Part::ChangeSet(requests) => match answer.parts() {
            Some(answers) if answers.len() == requests.len() => {
                let answers: Result<Vec<Response>, CallError> =
                    requests.iter().zip(&answers).map(|(request, answer)| judged(request, answer)).collect();
                Ok(PartOutcome::ChangeSet(answers))
            }
            Some(answers) => Err(CallError::Garbled(format!("{} answers to {} changes of a change set", answers.len(), requests.len()))),
            // A change set that failed is answered by one plain part.
            None => match requests.first().map(|request| judged(request, answer)) {
                Some(Err(error)) => Ok(PartOutcome::ChangeSet(Err(error))),
                Some(Ok(only)) if requests.len() == 1 && only.status != StatusCode::ACCEPTED => Ok(PartOutcome::ChangeSet(Ok(vec![only]))),
                Some(Ok(_)) | None => Err(CallError::Garbled("one answer to a change set of several".into())),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::{Guid, NewValues, read::Get, write::Update};

    fn update(id: u128) -> Update {
        let row = NewValues::from_iter([("mkt_priority".to_owned(), json!(3))]);
        Update { set: "leads".into(), id: Guid::from_u128(id), row, if_match: None }
    }

    fn answer(status: u16, body: &str) -> Response {
        let headers =
            HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("multipart/mixed; boundary=batchresponse_d1"))]);
        Response { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned().into() }
    }

    fn sample() -> Batch {
        let get = Get { set: "accounts".into(), id: Guid::from_u128(0xc1b2), select: vec!["name".into()] };
        let change = update(0x7eb6).request().unwrap();
        Batch { parts: vec![Part::single(&get).unwrap(), Part::ChangeSet(vec![change])], continue_on_error: true }
    }

    #[test]
    fn a_batch_is_written_as_documented() {
        let request = sample().request().unwrap();
        assert_eq!(request.headers["content-type"], "multipart/mixed; boundary=\"batch_0000000000000000\"");
        assert_eq!(request.headers["prefer"], "odata.continue-on-error");
        let text = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "CRLF everywhere");
        let expected = [
            "--batch_0000000000000000\r\ncontent-type: application/http\r\ncontent-transfer-encoding: binary\r\n\r\n",
            "GET /api/data/v9.2/accounts(00000000-0000-0000-0000-00000000c1b2)?$select=name HTTP/1.1\r\naccept: application/json\r\n",
            "\r\n\r\n\r\n--batch_0000000000000000\r\ncontent-type: multipart/mixed; boundary=\"changeset_0000000000000000_1\"\r\n\r\n",
            "content-id: 1\r\n\r\nPATCH /api/data/v9.2/leads(00000000-0000-0000-0000-000000007eb6) HTTP/1.1\r\n",
            "if-match: *\r\n",
            "\r\n\r\n{\"mkt_priority\":3}\r\n--changeset_0000000000000000_1--\r\n\r\n--batch_0000000000000000--\r\n",
        ];
        for piece in expected {
            assert!(text.contains(piece), "{piece:?} in {text}");
        }
        assert!(!text.contains("if-none-match"));
    }

    #[test]
    fn the_documented_answer_reads() {
        let body = "--batchresponse_d1\nContent-Type: application/http\nContent-Transfer-Encoding: binary\n\nHTTP/1.1 200 OK\nContent-Type: application/json; odata.metadata=minimal\nOData-Version: 4.0\n\n{\"accountid\":\"00000000-0000-0000-0000-00000000c1b2\",\"name\":\"Fabrikam\"}\n--batchresponse_d1\nContent-Type: multipart/mixed; boundary=changesetresponse_a4\n\n--changesetresponse_a4\nContent-Type: application/http\nContent-Transfer-Encoding: binary\nContent-ID: 1\n\nHTTP/1.1 204 No Content\nOData-Version: 4.0\nOData-EntityId: https://contoso.test/api/data/v9.2/leads(7eb6)\n\n\n--changesetresponse_a4--\n--batchresponse_d1--\n";
        for body in [body.to_owned(), body.replace('\n', "\r\n")] {
            let outcomes = sample().decode(&answer(200, &body)).unwrap();
            let [PartOutcome::Single(Ok(row)), PartOutcome::ChangeSet(Ok(changes))] = outcomes.as_slice() else { panic!("{outcomes:?}") };
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&row.body).unwrap()["name"], "Fabrikam");
            assert_eq!(changes[0].status, StatusCode::NO_CONTENT);
        }
    }

    fn plain(answers: &[(u16, &str)]) -> String {
        let parts: Vec<RawPart> = answers
            .iter()
            .map(|(status, body)| {
                RawPart::http(None, format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n{body}").into_bytes())
            })
            .collect();
        String::from_utf8(multipart::write("batchresponse_d1", &parts)).unwrap()
    }

    #[test]
    fn what_follows_a_failure_was_not_run() {
        let part = |id| Part::single(&update(id)).unwrap();
        let mut batch = Batch { parts: vec![part(1), part(2), part(3)], continue_on_error: false };
        let missing = r#"{"error":{"code":"0x80040217","message":"Does Not Exist"}}"#;
        let outcomes = batch.decode(&answer(404, &plain(&[(204, ""), (404, missing)]))).unwrap();
        assert!(matches!(outcomes.as_slice(), [PartOutcome::Single(Ok(_)), PartOutcome::Single(Err(_)), PartOutcome::NotRun]));
        assert_eq!(outcomes[1].error().unwrap().class(), Some(Class::Missing));
        batch.continue_on_error = true;
        let outcomes = batch.decode(&answer(200, &plain(&[(204, ""), (404, missing), (204, "")]))).unwrap();
        assert!(matches!(outcomes[2], PartOutcome::Single(Ok(_))));
        assert!(matches!(batch.decode(&answer(200, &plain(&[(204, "")]))), Err(CallError::Garbled(_))), "an answer is missing");
        let outcomes = batch.decode(&answer(200, &plain(&[(204, ""), (429, ""), (204, "")]))).unwrap();
        assert!(outcomes[1].is_throttled() && matches!(outcomes[2], PartOutcome::NotRun));
    }

    #[test]
    fn a_failed_change_set_is_one_refusal() {
        let requests = vec![update(1).request().unwrap(), update(2).request().unwrap()];
        let mut batch = Batch { parts: vec![Part::ChangeSet(requests)], continue_on_error: true };
        let outcomes = batch.decode(&answer(200, &plain(&[(412, r#"{"error":{"code":"0x80060882","message":"m"}}"#)]))).unwrap();
        assert_eq!(outcomes[0].error().unwrap().code(), "0x80060882");
        batch.parts.push(Part::ChangeSet(vec![Get { set: "leads".into(), id: Guid::from_u128(1), select: vec![] }.request().unwrap()]));
        assert!(matches!(batch.request(), Err(CallError::Unwritable(_))));
    }

    #[test]
    fn limits_hold_before_sending() {
        let part = Part::single(&update(1)).unwrap();
        let request = Batch { parts: vec![part.clone(); OPERATIONS_MAX], ..Batch::default() }.request().unwrap();
        assert_eq!(request.replay, Replay::Safe);
        assert!(Batch { parts: vec![part; OPERATIONS_MAX + 1], ..Batch::default() }.request().is_err());
    }
}
