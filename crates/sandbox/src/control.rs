//! The control interface: `/_sandbox/…` on both listeners, JSON in and out, for tests and for anyone who tries a client.
//!
//! It costs no calls, obeys no limits and isn't hit by faults. No vendor has anything like it, and no client of ours uses it.

mod mutate;
mod options;
mod rows;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    routing::{any, get, post},
};
use emulator::{Fault, Latency, Served};
use http::{Method, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::Sandbox;

pub use mutate::Operation;
pub use options::Settings;

/// The longest body that is read, in bytes.
const BODY_MAX: usize = 512 << 20;

/// One of the two emulators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Marketo.
    Marketo,
    /// Dataverse.
    Dataverse,
}

/// What a request comes with.
struct Call {
    sandbox: Sandbox,
    method: Method,
    /// The listener's side, or the one `?side=` names.
    side: Side,
    /// Whether `?side=` named it.
    narrowed: bool,
    query: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The body of `reset`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Reset {
    #[serde(default)]
    people: u64,
    #[serde(default = "one")]
    seed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expire {
    what: Expiring,
}

/// What stops working before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expiring {
    /// A side's access tokens, as expired.
    Tokens,
    /// A side's access tokens, as unknown.
    RevokedTokens,
    /// Dataverse's delta links.
    DeltaTokens,
}

/// One fault or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Faults {
    Many(Vec<Fault>),
    One(Fault),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keep {
    keep: usize,
}

type Answer = Result<Value, String>;

fn one() -> u64 {
    1
}

/// The routes, for one side's listener.
pub(crate) fn router(sandbox: Sandbox, side: Side) -> Router {
    let sandbox = Arc::new(sandbox);
    let handler = |work: fn(&Call) -> Answer| {
        let sandbox = Arc::clone(&sandbox);
        move |request: Request<Body>| {
            let sandbox = Sandbox::clone(&sandbox);
            async move { answered(sandbox, side, request, work).await }
        }
    };
    Router::new()
        .route("/_sandbox/reset", post(handler(reset)))
        .route("/_sandbox/load", post(handler(load)))
        .route("/_sandbox/snapshot", get(handler(rows::snapshot)))
        .route("/_sandbox/mutate", post(handler(mutate::mutate)))
        .route("/_sandbox/faults", any(handler(faults)))
        .route("/_sandbox/latency", post(handler(latency)))
        .route("/_sandbox/journal", any(handler(journal)))
        .route("/_sandbox/errors", get(handler(|call| Ok(json!({ "errors": call.sandbox.marketo.state().errors_by_code() })))))
        .route("/_sandbox/options", any(handler(options::options)))
        .route("/_sandbox/clock", any(handler(clock)))
        .route("/_sandbox/expire", post(handler(expire)))
        .route("/_sandbox/census", get(handler(|call| Ok(json!(call.sandbox.census())))))
        .route("/_sandbox/agreement", get(handler(|call| Ok(json!(call.sandbox.agreement())))))
        .route("/_sandbox/{*rest}", any(handler(|_| Err("no such control path; they are listed in the sandbox's README".to_owned()))))
}

async fn answered(sandbox: Sandbox, side: Side, request: Request<Body>, work: fn(&Call) -> Answer) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return reply(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "error": "the body can't be read, or is longer than 512 MB" }));
    };
    let query = pairs(head.uri.query().unwrap_or_default());
    let named = match find(&query, "side") {
        None => None,
        Some("marketo") => Some(Side::Marketo),
        Some("dataverse") => Some(Side::Dataverse),
        Some(_) => return reply(StatusCode::BAD_REQUEST, &json!({ "error": "side is marketo or dataverse" })),
    };
    let call = Call { sandbox, method: head.method, side: named.unwrap_or(side), narrowed: named.is_some(), query, body: body.to_vec() };
    match work(&call) {
        Ok(value) => reply(StatusCode::OK, &value),
        Err(error) => reply(StatusCode::BAD_REQUEST, &json!({ "error": error })),
    }
}

fn reply(status: StatusCode, value: &Value) -> Response<Body> {
    // With the end of a line, for people who ask with curl.
    let mut response = Response::new(Body::from(format!("{value}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// Table names and numbers only, so nothing needs decoding.
fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, ""))).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn find<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl Call {
    fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }

    /// Does the same with either side.
    fn on<T>(
        &self,
        marketo: impl FnOnce(&Served<marketo_emulator::State>) -> T,
        dataverse: impl FnOnce(&Served<dataverse_emulator::State>) -> T,
    ) -> T {
        match self.side {
            Side::Marketo => marketo(&self.sandbox.marketo),
            Side::Dataverse => dataverse(&self.sandbox.dataverse),
        }
    }

    fn unsupported(&self) -> String {
        format!("{} isn't understood here", self.method)
    }
}

fn reset(call: &Call) -> Answer {
    let Reset { people, seed } = call.json()?;
    call.sandbox.reset(people, seed).map_err(|error| error.to_string())?;
    Ok(json!({ "census": call.sandbox.census() }))
}

fn load(call: &Call) -> Answer {
    rows::load(&call.sandbox, call.json()?)
}

fn faults(call: &Call) -> Answer {
    call.on(|marketo| faults_of(call, marketo), |dataverse| faults_of(call, dataverse))
}

fn faults_of<E>(call: &Call, served: &Served<E>) -> Answer {
    let mut faults = served.faults();
    match call.method.as_str() {
        "POST" => {
            let added = match call.json::<Faults>() {
                Ok(Faults::Many(many)) => many,
                Ok(Faults::One(one)) => vec![one],
                // The untagged form hides what is wrong; a single fault's own message is better.
                Err(_) => vec![call.json::<Fault>()?],
            };
            let ids: Vec<u64> = added.into_iter().map(|fault| faults.add(fault)).collect();
            Ok(json!({ "ids": ids }))
        }
        "DELETE" => match find(&call.query, "id").map(str::parse::<u64>) {
            None => {
                faults.clear();
                Ok(json!({}))
            }
            Some(Ok(id)) if faults.remove(id) => Ok(json!({})),
            Some(_) => Err("no fault has this id".to_owned()),
        },
        "GET" => Ok(json!({ "faults": faults.armed(), "latency": faults.latency() })),
        _ => Err(call.unsupported()),
    }
}

fn latency(call: &Call) -> Answer {
    let latency: Option<Latency> =
        call.json().map_err(|error| format!("{error}: null, {{\"fixed-ms\":…}} or {{\"median-ms\":…,\"p99-ms\":…}}"))?;
    call.on(|marketo| marketo.faults().set_latency(latency), |dataverse| dataverse.faults().set_latency(latency));
    Ok(json!({ "latency": latency }))
}

fn journal(call: &Call) -> Answer {
    call.on(|marketo| journal_of(call, marketo), |dataverse| journal_of(call, dataverse))
}

fn journal_of<E>(call: &Call, served: &Served<E>) -> Answer {
    let mut journal = served.journal();
    match call.method.as_str() {
        "GET" => {}
        "POST" => journal.keep(call.json::<Keep>()?.keep),
        "DELETE" => journal.reset(),
        _ => return Err(call.unsupported()),
    }
    Ok(json!(*journal))
}

fn clock(call: &Call) -> Answer {
    if call.method == Method::POST {
        let Advance { advance_s } = call.json()?;
        call.sandbox.advance(Duration::try_from_secs_f64(advance_s).map_err(|error| error.to_string())?);
    }
    Ok(json!({ "now": call.sandbox.now().to_string() }))
}

fn expire(call: &Call) -> Answer {
    let Expire { what } = call.json()?;
    what.apply(&call.sandbox, call.side);
    Ok(json!({}))
}

impl Expiring {
    /// Makes it so.
    pub fn apply(self, sandbox: &Sandbox, side: Side) {
        let now = sandbox.now();
        match (self, side) {
            (Self::Tokens, Side::Marketo) => sandbox.marketo.state().expire_tokens(now),
            (Self::RevokedTokens, Side::Marketo) => sandbox.marketo.state().revoke_tokens(),
            (Self::Tokens | Self::RevokedTokens, Side::Dataverse) => sandbox.dataverse.state().revoke_tokens(),
            (Self::DeltaTokens, Side::Marketo | Side::Dataverse) => sandbox.dataverse.state().expire_delta_tokens(),
        }
    }
}
