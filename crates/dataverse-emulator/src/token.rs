//! The identity platform: tokens for a secret or an assertion, managed identity, discovery, and the bearer check.
//!
//! Signatures aren't checked: an assertion that looks like a JWT and hasn't expired passes. Error numbers are those of Microsoft's AADSTS page.

use std::collections::BTreeMap;

use base::Timestamp;
use emulator::{Request, Response};
use serde_json::{Value as Json, json};

use crate::{base64, state::State};

/// The access tokens handed out, with the second in which each expires.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    issued: BTreeMap<String, i64>,
}

impl Tokens {
    pub(crate) fn clear(&mut self) {
        self.issued.clear();
    }

    fn add(&mut self, token: String, expires: i64, now: i64) {
        self.issued.retain(|_, end| *end > now);
        self.issued.insert(token, expires);
    }

    fn holds(&self, token: &str, now: i64) -> bool {
        self.issued.get(token).is_some_and(|expires| *expires > now)
    }
}

/// A refusal of the identity platform.
struct Denied {
    status: u16,
    error: &'static str,
    number: u32,
    text: String,
}

fn denied(status: u16, error: &'static str, number: u32, text: impl Into<String>) -> Denied {
    Denied { status, error, number, text: text.into() }
}

impl State {
    /// Answers what belongs to the identity platform; none for everything else.
    pub(crate) fn identity(&mut self, request: &Request, now: Timestamp) -> Option<Response> {
        let path = request.path.trim_matches('/').to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        Some(match parts.as_slice() {
            [tenant, "oauth2", "v2.0", "token"] => self.grant(request, tenant, true, now),
            [tenant, "oauth2", "token"] if *tenant != "identity" => self.grant(request, tenant, false, now),
            ["metadata", "identity", "oauth2", "token"] => self.managed_identity(request, now),
            [tenant, "v2.0", ".well-known", "openid-configuration"] => self.openid(request, tenant, "/v2.0"),
            [tenant, ".well-known", "openid-configuration"] => self.openid(request, tenant, ""),
            ["common", "discovery", "instance"] => instance(request, &self.options.tenant_id),
            [_, "discovery", "v2.0" | "keys", ..] => Response::new(200, "application/json; charset=utf-8", r#"{"keys":[]}"#),
            _ => return None,
        })
    }

    fn grant(&mut self, request: &Request, tenant: &str, second: bool, now: Timestamp) -> Response {
        match self.checked_grant(request, tenant, second, now) {
            Ok(body) => token_answer(200, &body),
            Err(denied) => self.deny(&denied, now),
        }
    }

    fn checked_grant(&mut self, request: &Request, tenant: &str, second: bool, now: Timestamp) -> Result<Json, Denied> {
        if request.method != http::Method::POST {
            return Err(denied(400, "invalid_request", 900_561, "The endpoint only accepts POST requests."));
        }
        if !tenant.eq_ignore_ascii_case(&self.options.tenant_id) {
            return Err(denied(
                400,
                "invalid_request",
                90_002,
                format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."),
            ));
        }
        let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&request.body).unwrap_or_default();
        let field =
            |name: &str| form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
        let missing = |name: &str| {
            denied(400, "invalid_request", 900_144, format!("The request body must contain the following parameter: '{name}'."))
        };
        let grant = field("grant_type").ok_or_else(|| missing("grant_type"))?;
        if grant != "client_credentials" {
            return Err(denied(400, "unsupported_grant_type", 70_003, format!("The app requested an unsupported grant type '{grant}'.")));
        }
        let basic = basic_credentials(request);
        let client = field("client_id").or(basic.as_ref().map(|(id, _)| id.as_str())).ok_or_else(|| missing("client_id"))?;
        if !client.eq_ignore_ascii_case(&self.options.client_id) {
            return Err(denied(
                400,
                "unauthorized_client",
                700_016,
                format!("Application with identifier '{client}' was not found in the directory 'Contoso'."),
            ));
        }
        match (field("client_secret").or(basic.as_ref().map(|(_, secret)| secret.as_str())), field("client_assertion")) {
            (_, Some(assertion)) => check_assertion(assertion, field("client_assertion_type"), now)?,
            (Some(secret), None) if secret == self.options.client_secret => {}
            (Some(_), None) => {
                let text = format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
                );
                return Err(denied(401, "invalid_client", 7_000_215, text));
            }
            (None, None) => {
                let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
                return Err(denied(401, "invalid_client", 7_000_218, text));
            }
        }
        let resource = if second {
            scope(field("scope").ok_or_else(|| missing("scope"))?)?
        } else {
            field("resource").ok_or_else(|| missing("resource"))?
        };
        self.check_resource(request, resource)?;
        let token = self.issue(resource, now);
        let life = self.options.token_life_s;
        if second {
            return Ok(json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token}));
        }
        // The older endpoint writes numbers as texts.
        let start = now.as_second();
        Ok(json!({
            "token_type": "Bearer", "expires_in": life.to_string(), "ext_expires_in": life.to_string(),
            "expires_on": start.saturating_add_unsigned(life).to_string(), "not_before": (start - 300).to_string(),
            "resource": resource, "access_token": token,
        }))
    }

    fn check_resource(&self, request: &Request, resource: &str) -> Result<(), Denied> {
        let authority = |url: &str| url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default().to_ascii_lowercase());
        let asked = authority(resource);
        let known = if self.options.resources.is_empty() {
            asked.as_deref().is_some_and(|asked| {
                let host = asked.rsplit_once(':').map_or(asked, |(host, port)| if port.parse::<u16>().is_ok() { host } else { asked });
                authority(&request.origin).as_deref() == Some(asked)
                    || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
                    || host.ends_with(".dynamics.com")
            })
        } else {
            self.options.resources.iter().any(|known| authority(known) == asked)
        };
        if known {
            return Ok(());
        }
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named Contoso. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."
        );
        Err(denied(400, "invalid_resource", 500_011, text))
    }

    fn issue(&mut self, resource: &str, now: Timestamp) -> String {
        let start = now.as_second();
        let expires = start.saturating_add_unsigned(self.options.token_life_s);
        let claims = json!({
            "aud": resource, "iss": format!("https://sts.windows.net/{}/", self.options.tenant_id), "iat": start, "nbf": start, "exp": expires,
            "appid": self.options.client_id, "tid": self.options.tenant_id, "uti": self.dice.guid(), "ver": "1.0",
        });
        let token = format!(
            "{}.{}.{}",
            base64::encode_url(br#"{"typ":"JWT","alg":"none"}"#),
            base64::encode_url(claims.to_string().as_bytes()),
            base64::encode_url(&self.dice.guid().to_bytes())
        );
        self.tokens.add(token.clone(), expires, start);
        token
    }

    fn deny(&mut self, denied: &Denied, now: Timestamp) -> Response {
        let (trace, correlation) = (self.dice.guid(), self.dice.guid());
        let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let body = json!({
            "error": denied.error,
            "error_description": format!("AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}", denied.number, denied.text),
            "error_codes": [denied.number], "timestamp": time, "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", denied.number),
        });
        token_answer(denied.status, &body)
    }

    /// The instance metadata service's form: numbers as texts, the resource without `/.default`.
    fn managed_identity(&mut self, request: &Request, now: Timestamp) -> Response {
        let options = crate::odata::uri::Options::parse(&request.query);
        let refuse = |error: &str, text: &str| token_answer(400, &json!({"error": error, "error_description": text}));
        if !request.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return refuse("bad_request_102", "Required metadata header not specified");
        }
        let Some(resource) = options.get("resource").filter(|resource| !resource.is_empty()) else {
            return refuse("invalid_request", "Required query variable 'resource' is missing");
        };
        if self.check_resource(request, resource).is_err() {
            return refuse(
                "invalid_resource",
                &format!("AADSTS500011: The resource principal named {resource} was not found in the tenant."),
            );
        }
        let (resource, start, life) = (resource.to_owned(), now.as_second(), self.options.token_life_s);
        let token = self.issue(&resource, now);
        let body = json!({
            "access_token": token, "refresh_token": "", "expires_in": life.to_string(), "expires_on": start.saturating_add_unsigned(life).to_string(),
            "not_before": start.to_string(), "resource": resource, "token_type": "Bearer", "client_id": self.options.client_id,
        });
        token_answer(200, &body)
    }

    fn openid(&self, request: &Request, tenant: &str, version: &str) -> Response {
        let known = ["common", "organizations"].contains(&tenant) || tenant.eq_ignore_ascii_case(&self.options.tenant_id);
        if !known {
            let text = format!("AADSTS90002: Tenant '{tenant}' not found.");
            return token_answer(400, &json!({"error": "invalid_tenant", "error_description": text, "error_codes": [90_002]}));
        }
        let root = format!("{}/{tenant}", request.origin);
        let body = json!({
            "token_endpoint": format!("{root}/oauth2{version}/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{root}/discovery{version}/keys"),
            "response_modes_supported": ["query", "fragment", "form_post"], "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"], "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("{root}{version}"), "request_uri_parameter_supported": false,
            "authorization_endpoint": format!("{root}/oauth2{version}/authorize"),
            "device_authorization_endpoint": format!("{root}/oauth2{version}/devicecode"),
            "end_session_endpoint": format!("{root}/oauth2{version}/logout"),
            "tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com",
        });
        token_answer(200, &body)
    }

    /// The refusal of a request that carries no token of ours: 401 with an empty body.
    pub(crate) fn check_bearer(&self, request: &Request, now: Timestamp) -> Option<Response> {
        let token = request
            .header("authorization")
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if token.is_some_and(|(_, token)| self.options.any_bearer || self.tokens.holds(token.trim(), now.as_second())) {
            return None;
        }
        Some(self.unauthorized(&request.origin))
    }

    pub(crate) fn unauthorized(&self, origin: &str) -> Response {
        let tenant = &self.options.tenant_id;
        let text = format!("Bearer authorization_uri={origin}/{tenant}/oauth2/authorize, resource_id={origin}/");
        Response::empty(401).with("www-authenticate", &text)
    }
}

fn token_answer(status: u16, body: &Json) -> Response {
    Response::new(status, "application/json; charset=utf-8", body.to_string())
        .with("cache-control", "no-store, no-cache")
        .with("pragma", "no-cache")
}

/// The resource of a scope: one URL followed by `/.default`.
fn scope(text: &str) -> Result<&str, Denied> {
    let bad = || {
        denied(
            400,
            "invalid_scope",
            70_011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {text} is not valid."
            ),
        )
    };
    let asked: Vec<_> = text.split_whitespace().filter(|scope| !matches!(*scope, "openid" | "profile" | "offline_access")).collect();
    match asked.as_slice() {
        [one] => one.strip_suffix("/.default").filter(|resource| resource.contains("://")).ok_or_else(bad),
        [] => Err(bad()),
        [..] => Err(denied(400, "invalid_request", 700_022, "The scope contains more than one resource.")),
    }
}

fn check_assertion(assertion: &str, kind: Option<&str>, now: Timestamp) -> Result<(), Denied> {
    let bad = |text: &str| denied(401, "invalid_client", 700_027, text.to_owned());
    if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return Err(denied(
            400,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'client_assertion_type'.",
        ));
    }
    let parts: Vec<_> = assertion.split('.').collect();
    let [_, claims, _] = parts.as_slice() else {
        return Err(bad("The certificate with identifier used to sign the client assertion is not registered."));
    };
    let claims: Json = base64::decode_url(claims)
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| bad("The client assertion isn't a JWT."))?;
    match claims.get("exp").and_then(Json::as_i64) {
        Some(expires) if expires <= now.as_second() => Err(denied(
            401,
            "invalid_client",
            500_133,
            "Assertion is not within its valid time range. Ensure that the access token is not expired.",
        )),
        Some(_) | None => Ok(()),
    }
}

fn basic_credentials(request: &Request) -> Option<(String, String)> {
    let (scheme, encoded) = request.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64::decode_url(encoded.trim())?).ok()?;
    let (id, secret) = text.split_once(':')?;
    // Both parts are form-encoded before they are joined (RFC 6749, 2.3.1); plain ones come through unchanged unless they hold a percent sign.
    Some((crate::odata::uri::decode(id), crate::odata::uri::decode(secret)))
}

fn instance(request: &Request, tenant: &str) -> Response {
    let host = request.origin.split_once("://").map_or("", |(_, host)| host);
    let public = json!({"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
        "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]});
    let own = json!({"preferred_network": host, "preferred_cache": host, "aliases": [host]});
    let body = json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", request.origin),
        "api-version": "1.1", "metadata": [public, own],
    });
    token_answer(200, &body)
}
