//! Access tokens from Microsoft Entra ID, through the vendor's own crate over a transport of ours.
//!
//! One token for all callers: it is renewed five minutes before it ends (as the vendor's own libraries do), by one of those who wait.
//! The vendor's crate neither retries nor caches here: retrying is the pipeline's, and each renewal is a new credential, so that a token
//! the service refused can't come back out of a cache.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{AccessToken, TokenCredential},
    error::{Error as AzureError, ErrorKind},
    http::{AsyncRawResponse, Body, ClientOptions, HttpClient, RetryOptions, Transport as AzureTransport, headers::Headers},
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use base::{Secret, secret::ExposeSecret};
use bytes::Bytes;
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};
use tower::ServiceExt;
use wire::{CallError, TokenSource, Transport, TransportError, transport::Reach};

use crate::{
    entra::{self, Issuer},
    options::{self, Credential, Options, misconfigured},
    verdict,
};

/// How long before its end a token is renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// The shortest time for which a token is used, so that a token of odd length does not make every call ask for a new one.
const USE_AT_LEAST: Duration = Duration::from_secs(30);

/// How long the login service may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The tokens of one credential for one environment.
pub(crate) struct Login {
    credential: Credential,
    tenant_id: String,
    authority: String,
    scope: String,
    transport: Transport,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Secret,
    renew_at: Instant,
    good_until: Instant,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("authority", &self.authority).field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Login {
    /// The tokens for the environment at `url` (no slash at the end). Nothing is asked for yet.
    pub(crate) fn new(url: &str, options: &Options, transport: Transport) -> Result<Self, CallError> {
        Ok(Self {
            credential: options.credential.clone(),
            tenant_id: options.tenant_id.clone(),
            authority: options::authority(&options.authority)?,
            scope: format!("{url}/.default"),
            transport,
            held: Mutex::new(None),
        })
    }

    async fn renew(&self) -> Result<Held, CallError> {
        let door = Arc::new(Door::new(self));
        let credential = self.credential(Arc::clone(&door)).map_err(|error| explain(&error))?;
        let asked = Instant::now();
        let AccessToken { token, expires_on } = credential.get_token(&[&self.scope], None).await.map_err(|error| explain(&error))?;
        let by_clock = || Duration::try_from(expires_on - azure_core::time::OffsetDateTime::now_utc()).unwrap_or_default();
        let life = door.life().unwrap_or_else(by_clock);
        let use_for = life.saturating_sub(RENEW_BEFORE).max(life / 2).max(USE_AT_LEAST);
        tracing::debug!(life_s = life.as_secs(), "got an access token");
        Ok(Held { token: token.secret().to_owned().into(), renew_at: asked + use_for, good_until: asked + life })
    }

    fn credential(&self, door: Arc<Door>) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let mut cloud = CustomConfiguration::default();
        // The vendor's crate insists on https; the door knows the real address.
        cloud.authority_host = "https://authority.invalid".into();
        let client_options = ClientOptions {
            transport: Some(AzureTransport::new(door)),
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            ..ClientOptions::default()
        };
        Ok(match &self.credential {
            Credential::ClientSecret { client_id, secret } => ClientSecretCredential::new(
                &self.tenant_id,
                client_id.clone(),
                secret.expose_secret().to_owned().into(),
                Some(ClientSecretCredentialOptions { client_options }),
            )?,
            Credential::ManagedIdentity { client_id } => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                client_options,
            }))?,
            Credential::WorkloadIdentity { client_id, tenant_id, token_file } => {
                WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options },
                    client_id: Some(client_id.clone()),
                    tenant_id: Some(tenant_id.clone().unwrap_or_else(|| self.tenant_id.clone())),
                    token_file_path: Some(token_file.clone()),
                }))?
            }
        })
    }
}

#[async_trait]
impl TokenSource for Login {
    /// The held token, or a new one. While a renewal fails, a held token is handed out for as long as it is good.
    async fn token(&self) -> Result<Secret, CallError> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        if let Some(held) = held.as_ref().filter(|held| now < held.renew_at) {
            return Ok(held.token.clone());
        }
        match (self.renew().await, held.as_ref().filter(|held| now < held.good_until)) {
            (Ok(new), _) => Ok(held.insert(new).token.clone()),
            (Err(error), Some(old)) => {
                tracing::warn!(%error, "the access token could not be renewed yet; the old one is still good");
                Ok(old.token.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn refused(&self, token: &Secret) {
        let mut held = self.held.lock().await;
        // Somebody else may have renewed it already; that one is not the one that was refused.
        if held.as_ref().is_some_and(|held| held.token.expose_secret() == token.expose_secret()) {
            *held = None;
        }
    }
}

/// The vendor's crate's way to the network: our transport, at the configured address.
///
/// A refusal becomes our error here, where status, headers and body are still at hand, and travels through the vendor's error as its
/// cause; as an error of kind "other" it is not retried on the way.
struct Door {
    transport: Transport,
    authority: String,
    secret: Option<Secret>,
    life: StdMutex<Option<Duration>>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Door {
    fn new(login: &Login) -> Self {
        let secret = match &login.credential {
            Credential::ClientSecret { secret, .. } => Some(secret.clone()),
            Credential::ManagedIdentity { .. } | Credential::WorkloadIdentity { .. } => None,
        };
        Self { transport: login.transport.clone(), authority: login.authority.clone(), secret, life: StdMutex::default() }
    }

    /// How long the last token lives, in the issuer's words.
    fn life(&self) -> Option<Duration> {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The real address. The machine's own metadata service is moved only where the authority is a test's, on plain http.
    fn outgoing(&self, request: &azure_core::http::Request) -> Result<(Issuer, http::Request<Bytes>), CallError> {
        let unwritable = |what: &str| CallError::Unwritable(format!("the login request has {what}"));
        let url = request.url();
        let path = request.path_and_query();
        let issuer = if url.host_str() == Some("authority.invalid") { Issuer::Authority } else { Issuer::Machine };
        let address = match issuer {
            Issuer::Authority => format!("{}{path}", self.authority),
            Issuer::Machine if self.authority.starts_with("http://") => format!("{}{path}", self.authority),
            Issuer::Machine => url.as_str().to_owned(),
        };
        let Body::Bytes(body) = request.body() else { return Err(unwritable("a body that can't be read")) };
        let mut builder = http::Request::builder().method(request.method().as_ref()).uri(address);
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let outgoing = builder.body(body.clone()).map_err(|_| unwritable("an address or a header that can't be written"))?;
        Ok((issuer, outgoing))
    }

    /// The answer, when it is a token.
    ///
    /// Whatever happens to a login, the call that needed the token was not sent.
    async fn ask(&self, request: &azure_core::http::Request) -> Result<Bytes, CallError> {
        let unsent = |message: String| CallError::Unsent(TransportError { reach: Reach::Unsent, message: format!("login: {message}") });
        let (issuer, outgoing) = self.outgoing(request)?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.transport.clone().oneshot(outgoing))
            .await
            .map_err(|_| unsent(format!("nothing came within {ANSWER_WITHIN:?}")))?
            .map_err(|error| unsent(error.message))?;
        let (parts, body) = answer.into_parts();
        if !parts.status.is_success() {
            let wait = verdict::wait(&parts.headers);
            return Err(entra::refusal(issuer, parts.status, &body, wait, self.secret.as_ref().map(ExposeSecret::expose_secret)));
        }
        let life = life_of(&body).ok_or_else(|| unsent("an answer that is no token".into()))?;
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
        Ok(body)
    }
}

/// What a token answer says about its length, in seconds: a number from Entra ID, a text from a machine. The outer `None`: it is no token.
fn life_of(body: &[u8]) -> Option<Option<Duration>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let seconds = answer.get("expires_in").and_then(|life| life.as_u64().or_else(|| life.as_str()?.parse().ok()));
    Some(seconds.map(Duration::from_secs))
}

#[async_trait]
impl HttpClient for Door {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        match self.ask(request).await {
            Ok(body) => Ok(AsyncRawResponse::from_bytes(200.into(), Headers::default(), body)),
            Err(error) => Err(AzureError::new(ErrorKind::Other, Carried(error))),
        }
    }
}

/// Our error on its way through the vendor's crate.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Carried(CallError);

/// Our error again; an error of the vendor's crate itself means that the credential can't work as configured.
fn explain(error: &AzureError) -> CallError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(Carried(error)) = error.downcast_ref() {
            return error.clone();
        }
        cause = error.source();
    }
    misconfigured(error.to_string().lines().next().unwrap_or("the credential can't be used"))
}
