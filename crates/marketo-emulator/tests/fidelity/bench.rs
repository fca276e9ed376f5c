//! A subscription on a bench: requests as short calls, answers compared with patterns.

use base::Timestamp;
use bytes::Bytes;
use emulator::{Emulator, Request, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use marketo_emulator::{Options, State};
use serde_json::{Map, Value, json};

pub struct Bench {
    pub state: State,
    pub now: Timestamp,
    pub token: String,
}

/// A JSON object as a map.
pub fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// A request with this method, target and body.
pub fn request(method: &str, target: &str, token: &str, content_type: &str, body: impl Into<Bytes>) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in [("content-type", content_type), ("authorization", &*format!("Bearer {token}"))] {
        let empty = value.is_empty() || value == "Bearer ";
        if !empty {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
    }
    Request {
        method: method.parse::<Method>().unwrap(),
        origin: "http://127.0.0.1:4001".into(),
        path: path.into(),
        query: query.into(),
        headers,
        body: body.into(),
    }
}

/// The JSON of an answer.
pub fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&response.body)))
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A fresh subscription whose options were changed.
    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { bulk_queue_s: 0, bulk_run_s: 0, ..Options::default() };
        change(&mut options);
        let now: Timestamp = "2026-08-17T12:00:00Z".parse().unwrap();
        let mut bench = Self { state: State::new(options, now), now, token: String::new() };
        bench.log_in();
        bench
    }

    pub fn log_in(&mut self) {
        let (id, secret) = (self.state.options().client_id.clone(), self.state.options().client_secret.clone());
        let target = format!("/identity/oauth/token?grant_type=client_credentials&client_id={id}&client_secret={secret}");
        self.token = body(&self.send(&request("GET", &target, "", "", ""))).get("access_token").unwrap().as_str().unwrap().to_owned();
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now = Timestamp::from_second(self.now.as_second() + seconds).unwrap();
    }

    pub fn send(&mut self, request: &Request) -> Response {
        self.state.handle(request, self.now)
    }

    pub fn raw(&mut self, method: &str, target: &str, content_type: &str, body: impl Into<Bytes>) -> Response {
        let request = request(method, target, &self.token, content_type, body);
        self.send(&request)
    }

    pub fn get(&mut self, target: &str) -> Value {
        body(&self.raw("GET", target, "", ""))
    }

    pub fn post(&mut self, target: &str, sent: &Value) -> Value {
        body(&self.raw("POST", target, "application/json; charset=utf-8", sent.to_string()))
    }

    pub fn form(&mut self, target: &str, sent: &str) -> Value {
        body(&self.raw("POST", target, "application/x-www-form-urlencoded", sent.to_owned()))
    }

    /// Sends records and gives back each one's outcome in short: `created`, `updated`, `deleted`, or the code of the reason.
    pub fn outcomes(&mut self, target: &str, sent: &Value) -> Vec<String> {
        let answer = self.post(target, sent);
        let Some(result) = answer.get("result").and_then(Value::as_array) else { return vec![format!("failed {}", code(&answer))] };
        let outcome = |entry: &Value| match entry.pointer("/reasons/0/code") {
            Some(code) => code.as_str().unwrap().to_owned(),
            None => entry.get("status").unwrap().as_str().unwrap().to_owned(),
        };
        result.iter().map(outcome).collect()
    }

    /// Stores a sales person `u-1`, a company `c-1` of hers and a lead of both; returns the lead's id.
    pub fn family(&mut self) -> i64 {
        assert_eq!(
            self.outcomes("/rest/v1/salespersons.json", &json!({"input": [{"externalSalesPersonId": "u-1", "email": "sam@example.com"}]})),
            ["created"]
        );
        let company = json!({"externalCompanyId": "c-1", "company": "Northwind", "externalSalesPersonId": "u-1"});
        assert_eq!(self.outcomes("/rest/v1/companies.json", &json!({"input": [company]})), ["created"]);
        let lead = json!({"externalPersonId": "p-1", "email": "ann@example.com", "firstName": "Ann", "externalCompanyId": "c-1", "externalSalesPersonId": "u-1"});
        let answer = self.post("/rest/v1/leads.json", &json!({"lookupField": "externalPersonId", "input": [lead]}));
        answer.pointer("/result/0/id").unwrap().as_i64().unwrap()
    }
}

/// The code of a failed answer.
pub fn code(answer: &Value) -> &str {
    answer.pointer("/errors/0/code").and_then(Value::as_str).unwrap_or("none")
}

/// Whether an answer has everything a pattern asks for: `"*"` is anything, objects may have more members, lists must be as long.
pub fn matches(pattern: &Value, actual: &Value) -> bool {
    match (pattern, actual) {
        (Value::String(star), _) if star == "*" => true,
        (Value::Object(pattern), Value::Object(actual)) => {
            pattern.iter().all(|(name, pattern)| actual.get(name).is_some_and(|actual| matches(pattern, actual)))
        }
        (Value::Array(pattern), Value::Array(actual)) => {
            pattern.len() == actual.len() && pattern.iter().zip(actual).all(|(pattern, actual)| matches(pattern, actual))
        }
        (pattern, actual) => pattern == actual,
    }
}

#[track_caller]
pub fn check(actual: &Value, pattern: &Value) {
    assert!(matches(pattern, actual), "expected {pattern:#}\ngot {actual:#}");
}
