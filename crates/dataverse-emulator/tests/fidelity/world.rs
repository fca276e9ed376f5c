//! An environment with a clock of its own, and requests as a client would write them.

use base::{Guid, Timestamp};
use dataverse_emulator::{Options, State};
use emulator::{Emulator, Request, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

pub const ORIGIN: &str = "https://contoso.crm.dynamics.com";
pub const BASE: &str = "https://contoso.crm.dynamics.com/api/data/v9.2";

pub struct World {
    pub state: State,
    pub now: Timestamp,
    pub token: String,
}

/// An answer, read.
pub struct Answer {
    pub status: u16,
    pub response: Response,
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.response.body.to_vec()).unwrap()
    }

    pub fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }

    pub fn ids(&self, key: &str) -> Vec<String> {
        self.json["value"].as_array().unwrap().iter().map(|row| row[key].as_str().unwrap_or_default().to_owned()).collect()
    }
}

pub fn id(number: u128) -> Guid {
    Guid::from_u128(0x0f21_0000_0000_4000_8000_0000_0000_0000 + number)
}

impl World {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let mut world = Self { state: State::new(options, now), now, token: String::new() };
        world.sign_in();
        world
    }

    pub fn sign_in(&mut self) {
        let options = self.state.options().clone();
        let body = format!(
            "client_id={}&scope=https%3A%2F%2Fcontoso.crm.dynamics.com%2F.default&client_secret=sandbox-secret~%2B%2F%3D&grant_type=client_credentials",
            options.client_id
        );
        let answer = self.raw("POST", &format!("{ORIGIN}/{}/oauth2/v2.0/token", options.tenant_id), &[], &body);
        self.token = answer.json["access_token"].as_str().unwrap_or_default().to_owned();
    }

    pub fn later(&mut self, seconds: i64) {
        self.now = Timestamp::from_second(self.now.as_second() + seconds).unwrap();
    }

    pub fn request(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Request {
        let rest = url.strip_prefix(ORIGIN).unwrap_or(url);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        Request {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            origin: ORIGIN.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: map,
            body: body.to_owned().into(),
        }
    }

    pub fn raw(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = self.request(method, url, headers, body);
        if let Err(refused) = self.state.admit(&request, self.now) {
            return read(refused);
        }
        let response = self.state.handle(&request, self.now);
        self.state.release(&request, self.now, std::time::Duration::from_millis(5));
        read(response)
    }

    /// A request with a token; a relative address is below the service root.
    pub fn call(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let url = if url.starts_with("https://") { url.to_owned() } else { format!("{BASE}/{url}") };
        self.raw(method, &url, &all, body)
    }

    pub fn get(&mut self, url: &str) -> Answer {
        self.call("GET", url, &[], "")
    }

    pub fn prefer(&mut self, url: &str, prefer: &str) -> Answer {
        self.call("GET", url, &[("prefer", prefer)], "")
    }

    pub fn post(&mut self, url: &str, body: Value) -> Answer {
        self.call("POST", url, &[], &body.to_string())
    }

    pub fn patch(&mut self, url: &str, body: Value) -> Answer {
        self.call("PATCH", url, &[("if-match", "*")], &body.to_string())
    }

    pub fn seed(&mut self, table: &str, row: Value) -> Guid {
        self.state.insert(table, object(row), self.now).unwrap()
    }

    /// `count` leads with ids 1 to `count`.
    pub fn leads(&mut self, count: u128) {
        for number in 1..=count {
            self.seed("lead", json!({"leadid": id(number), "lastname": format!("Person {number:03}"), "subject": "Web"}));
        }
    }
}

pub fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object expected") };
    map
}

fn read(response: Response) -> Answer {
    let json = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    Answer { status: response.status, response, json }
}
