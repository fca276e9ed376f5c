//! Access tokens of one custom service, shared by all callers.
//!
//! As Adobe's "Authentication" page says: a service has one token at a time; asking again before it ends gives the same token with less
//! life left; there is no way to force a new one. So a token is renewed only in its last seconds, by one of those who wait, and when the
//! service refuses a token that identity keeps giving out, we wait for its end.
//!
//! The credentials travel in the address, as documented; the address is in no log and no error. Identity calls count against no limit
//! and don't go through the pace.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use base::{Secret, secret::ExposeSecret};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};
use tower::ServiceExt;
use wire::{CallError, Class, Refusal, Response, TokenSource, Transport, TransportError, transport::Reach};

use crate::{envelope::Envelope, form, judge, number};

/// A token with this much life left or less is renewed. More would be useless: identity would give the same one.
const RENEW_AT: Duration = Duration::from_secs(2);

/// How long past a token's end its successor is asked for.
const PAST_END: Duration = Duration::from_secs(1);

/// The longest that is waited for the end of a refused token. With more life left, the refusal is taken as a mishap and the token is
/// handed out again.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The life of a token of which identity doesn't say how long it lives, in seconds.
const UNTOLD_LIFE: u64 = 60;

/// How often identity is asked for one token.
const ASKS_MAX: usize = 4;

/// How long identity may take to answer: it does little, and one that hangs must leave time to ask it again.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The tokens of one custom service.
pub struct Tokens {
    address: String,
    client_id: String,
    client_secret: Secret,
    transport: Transport,
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    token: Secret,
    good_until: Instant,
    refused: bool,
}

impl Held {
    fn is(&self, token: &Secret) -> bool {
        self.token.expose_secret() == token.expose_secret()
    }

    fn left(&self) -> Duration {
        self.good_until.saturating_duration_since(Instant::now())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("address", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<Secret, CallError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| !held.refused && held.left() > RENEW_AT) {
            return Ok(held.token.clone());
        }
        let fresh = self.successor(held.as_ref()).await?;
        let token = fresh.token.clone();
        *held = Some(fresh);
        Ok(token)
    }

    async fn refused(&self, token: &Secret) {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_mut().filter(|held| held.is(token)) {
            held.refused = true;
        }
    }
}

impl Tokens {
    /// The tokens for the instance at `base` (no slash at the end). Nothing is asked for yet.
    #[must_use]
    pub fn new(base: &str, client_id: &str, client_secret: Secret, transport: Transport) -> Self {
        Self {
            address: format!("{base}/identity/oauth/token"),
            client_id: client_id.to_owned(),
            client_secret,
            transport,
            held: Mutex::new(None),
        }
    }

    /// A token that is not about to end and, if it can be had, another than the one before.
    async fn successor(&self, before: Option<&Held>) -> Result<Held, CallError> {
        let refused = before.is_some_and(|before| before.refused);
        let mut last = before.cloned();
        let mut asks = 0;
        loop {
            let next = self.ask().await?;
            asks += 1;
            let (left, again) = (next.left(), last.as_ref().is_some_and(|last| last.is(&next.token)));
            // A new token is used even if its life is short: that is how this service is configured. One in its last moment may be
            // somebody else's from before, so its successor is waited for.
            let ending = left.is_zero() || (left <= RENEW_AT && (again || last.is_none()));
            let waits = ending || (again && refused && left <= WAIT_MAX);
            if !waits || asks >= ASKS_MAX {
                if again && refused && asks < ASKS_MAX {
                    // Refused with a long life left: give the service a moment to agree with identity.
                    sleep(PAST_END).await;
                }
                return Ok(next);
            }
            sleep(left + PAST_END).await;
            last = Some(next);
        }
    }

    async fn ask(&self) -> Result<Held, CallError> {
        let asked = Instant::now();
        let secret = self.client_secret.expose_secret();
        let parameters = [("grant_type", "client_credentials"), ("client_id", self.client_id.as_str()), ("client_secret", secret)];
        let mut request = http::Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = form::address(&self.address, &parameters)?
            .parse()
            .map_err(|_| CallError::Unwritable("the address of the identity service is not a valid URI".into()))?;
        let answer = match timeout(ANSWER_WITHIN, self.transport.clone().oneshot(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unsent(error.message)),
            Err(_) => return Err(unsent(format!("nothing came within {ANSWER_WITHIN:?}"))),
        };
        let (parts, body) = answer.into_parts();
        read(&Response { status: parts.status, headers: parts.headers, body }, asked)
    }
}

/// Whatever becomes of an identity call, the call that needs the token was not sent.
fn unsent(message: String) -> CallError {
    CallError::Unsent(TransportError { reach: Reach::Unsent, message: format!("the identity service: {message}") })
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Value,
    error: Option<Value>,
    error_description: Option<String>,
}

fn read(response: &Response, asked: Instant) -> Result<Held, CallError> {
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
    let oauth = answer.as_ref().and_then(|answer| answer.error.as_ref().map(|error| (error, answer.error_description.as_deref())));
    if response.status == StatusCode::UNAUTHORIZED || (oauth.is_some() && !response.status.is_server_error()) {
        let kind = oauth.and_then(|(error, _)| error.as_str()).unwrap_or("unauthorized");
        let said = oauth.and_then(|(_, description)| description).unwrap_or(kind);
        return Err(refusal(response, "invalid_client", said, Class::Config));
    }
    if let Some(envelope) = Envelope::<IgnoredAny>::read(response).ok().filter(|envelope| !envelope.errors.is_empty()) {
        let refused = judge::by_errors(response.status, &envelope);
        // A token is what is being asked for; being told that ours is bad makes no sense here and must not start another renewal.
        let class = if refused.class == Class::Auth { Class::Config } else { refused.class };
        return Err(Refusal { class, ..refused }.into());
    }
    match response.status.as_u16() {
        200 => {}
        429 => return Err(refusal(response, "", "the identity service: too many calls", Class::Throttled)),
        500..=599 | 408 => return Err(refusal(response, "", "the identity service is in trouble", Class::Transient)),
        _ => return Err(refusal(response, "", "the identity service refused: is this a Marketo instance?", Class::Config)),
    }
    let token = answer.as_ref().and_then(|answer| answer.access_token.as_deref()).map(str::trim).filter(|token| !token.is_empty());
    let (Some(token), Some(answer)) = (token, answer.as_ref()) else {
        return Err(refusal(response, "", "the identity service answered without a token", Class::Transient));
    };
    let life = number::whole(&answer.expires_in).map_or(UNTOLD_LIFE, |seconds| u64::try_from(seconds).unwrap_or_default());
    // Counted from when it was asked for, and bounded so that no sum of instants can fail.
    let good_until = asked + Duration::from_secs(life.min(24 * 3600));
    Ok(Held { token: token.into(), good_until, refused: false })
}

fn refusal(response: &Response, code: &str, message: &str, class: Class) -> CallError {
    Refusal { status: response.status.as_u16(), code: code.into(), message: message.into(), class, wait: None, request_id: None }.into()
}

#[cfg(test)]
#[path = "token_test.rs"]
mod tests;
