//! The whole client over transports that answer from a script: tokens, retries, pauses, links, metadata.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use base::Guid;
use bytes::Bytes;
use dataverse::{Client, Create, Credential, Follow, Get, Link, NewValues, Options, WhoAmI};
use serde_json::json;
use tokio::time::Instant;
use tower::{service_fn, util::BoxCloneSyncService};
use wire::{CallError, Class, Transport, TransportError, transport::Reach};

type Sent = http::Request<Bytes>;
type Answer = Result<http::Response<Bytes>, TransportError>;

/// What was sent, and when.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Instant, Sent)>>>);

impl Log {
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn sent(&self, at: usize) -> Sent {
        self.0.lock().unwrap()[at].1.clone()
    }

    fn at(&self, at: usize) -> Instant {
        self.0.lock().unwrap()[at].0
    }
}

/// A transport that answers the n-th request (from 0) with `script`.
fn scripted(script: impl Fn(&Sent, usize) -> Answer + Clone + Send + Sync + 'static) -> (Transport, Log) {
    let log = Log::default();
    let kept = log.clone();
    let transport = BoxCloneSyncService::new(service_fn(move |request: Sent| {
        let number = {
            let mut sent = kept.0.lock().unwrap();
            sent.push((Instant::now(), request.clone()));
            sent.len() - 1
        };
        let answer = script(&request, number);
        async move {
            tokio::task::yield_now().await;
            answer
        }
    }));
    (transport, log)
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut builder = http::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    Ok(builder.body(Bytes::from(body.to_owned())).unwrap())
}

fn unanswered() -> Answer {
    Err(TransportError { reach: Reach::Unknown, message: "connection reset".into() })
}

fn good_login(_: &Sent, number: usize) -> Answer {
    answer(
        200,
        &[],
        &json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": format!("t{number}")}).to_string(),
    )
}

const ME: &str = r#"{"BusinessUnitId":"00000000-0000-0000-0000-000000000001","UserId":"00000000-0000-0000-0000-000000000002","OrganizationId":"00000000-0000-0000-0000-000000000003"}"#;

fn me(_: &Sent, _: usize) -> Answer {
    answer(200, &[("content-type", "application/json")], ME)
}

fn options(authority: &str) -> Options {
    let credential = Credential::ClientSecret { client_id: "app".into(), secret: "s3+/~=ret".into() };
    Options { authority: authority.into(), ..Options::new("https://contoso.crm.dynamics.com/", "tenant-1", credential) }
}

fn client(transport: Transport, login: Transport) -> Client {
    Client::new(options("https://login.test"), transport, login).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_token_is_asked_for_as_documented_and_once_for_all() {
    let (transport, calls) = scripted(me);
    let (login, logins) = scripted(good_login);
    let client = client(transport, login);
    let answers = futures::future::join_all((0..6).map(|_| client.call(&WhoAmI))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!((logins.len(), calls.len()), (1, 6));
    let asked = logins.sent(0);
    assert_eq!(asked.uri(), "https://login.test/tenant-1/oauth2/v2.0/token");
    let body = String::from_utf8(asked.body().to_vec()).unwrap();
    for field in [
        "client_id=app",
        "scope=https%3A%2F%2Fcontoso.crm.dynamics.com%2F.default",
        "client_secret=s3%2B%2F%7E%3Dret",
        "grant_type=client_credentials",
    ] {
        assert!(body.split('&').any(|part| part == field), "{field} in {body}");
    }
    assert_eq!(calls.sent(0).headers()["authorization"], "Bearer t0");
    assert_eq!(calls.sent(0).uri(), "https://contoso.crm.dynamics.com/api/data/v9.2/WhoAmI");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends_and_kept_while_that_fails() {
    let (transport, calls) = scripted(me);
    let (login, logins) =
        scripted(|request, number| if (1..3).contains(&number) { answer(503, &[], "") } else { good_login(request, number) });
    let client = client(transport, login);
    client.call(&WhoAmI).await.unwrap();
    tokio::time::advance(Duration::from_secs(3200)).await;
    client.call(&WhoAmI).await.unwrap();
    assert_eq!(logins.len(), 1);
    tokio::time::advance(Duration::from_secs(200)).await;
    for expected in ["Bearer t0", "Bearer t0", "Bearer t3"] {
        client.call(&WhoAmI).await.unwrap();
        assert_eq!(calls.sent(calls.len() - 1).headers()["authorization"], expected);
    }
    assert_eq!(logins.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_told_once_and_never_shown() {
    let (transport, calls) = scripted(me);
    let (login, logins) = scripted(|_, _| {
        let description = "AADSTS7000215: Invalid client secret provided. Ensure the secret s3+/~=ret is the value. Trace ID: 1";
        answer(401, &[], &json!({"error": "invalid_client", "error_description": description, "error_codes": [7000215]}).to_string())
    });
    let error = client(transport, login).call(&WhoAmI).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("AADSTS7000215", Some(Class::Config)));
    assert_eq!(error.to_string(), "AADSTS7000215: Invalid client secret provided.");
    assert!(!format!("{error:?}").contains("s3+/~=ret"));
    assert_eq!((logins.len(), calls.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_fails_leaves_the_call_unsent() {
    let (transport, calls) =
        scripted(|_, _| answer(204, &[("odata-entityid", "https://x/leads(00000000-0000-0000-0000-000000000007)")], ""));
    let (login, logins) = scripted(|request, number| match number {
        0 => unanswered(),
        1 => answer(502, &[], "<html>"),
        2 => answer(200, &[], r#"{"token_type":"Bearer","access_tok"#),
        _ => good_login(request, number),
    });
    let create = Create { set: "leads".into(), own_id: None, row: NewValues::new(), representation: vec![] };
    let created = client(transport, login).call(&create).await.unwrap();
    assert_eq!(created.id, Guid::from_u128(7));
    assert_eq!((logins.len(), calls.len()), (4, 1), "a create that must not be repeated was still sent, once");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_and_not_for_ever() {
    let refusing = |accepted: &'static str| {
        move |request: &Sent, _| if request.headers()["authorization"] == accepted { me(request, 0) } else { answer(401, &[], "") }
    };
    let (transport, calls) = scripted(refusing("Bearer t1"));
    let (login, logins) = scripted(good_login);
    client(transport, login).call(&WhoAmI).await.unwrap();
    assert_eq!((logins.len(), calls.len()), (2, 2));
    let (transport, calls) = scripted(refusing("nobody"));
    let (login, logins) = scripted(good_login);
    assert_eq!(client(transport, login).call(&WhoAmI).await.unwrap_err().class(), Some(Class::Auth));
    assert_eq!((logins.len(), calls.len()), (3, 4));
}

#[tokio::test(start_paused = true)]
async fn a_managed_identity_asks_the_machine() {
    let (transport, _) = scripted(me);
    let (login, logins) = scripted(|_, number| {
        if number == 0 {
            return answer(410, &[], "");
        }
        let body = json!({"access_token": "t", "refresh_token": "", "expires_in": "3599", "expires_on": "1792070000", "not_before": "1792066101",
            "resource": "https://contoso.crm.dynamics.com", "token_type": "Bearer"});
        answer(200, &[], &body.to_string())
    });
    let credential = Credential::ManagedIdentity { client_id: Some("mi".into()) };
    let settings = Options { credential, ..options("http://127.0.0.1:9") };
    Client::new(settings.clone(), transport.clone(), login).unwrap().call(&WhoAmI).await.unwrap();
    assert_eq!(logins.len(), 2);
    let asked = logins.sent(1);
    assert_eq!(
        (asked.method().as_str(), asked.uri().authority().unwrap().as_str()),
        ("GET", "127.0.0.1:9"),
        "a test's authority stands in"
    );
    assert_eq!((asked.uri().path(), &asked.headers()["metadata"]), ("/metadata/identity/oauth2/token", &"true".parse().unwrap()));
    let query = asked.uri().query().unwrap();
    assert!(query.contains("resource=https%3A%2F%2Fcontoso.crm.dynamics.com&") && query.ends_with("client_id=mi"), "{query}");
    let (login, logins) = scripted(|_, _| answer(400, &[], r#"{"error":"invalid_resource"}"#));
    let error = Client::new(Options { authority: "https://login.test".into(), ..settings }, transport, login)
        .unwrap()
        .call(&WhoAmI)
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.class(), logins.len()), ("invalid_resource", Some(Class::Config), 1));
    assert_eq!(logins.sent(0).uri().authority().unwrap(), "169.254.169.254");
}

#[tokio::test(start_paused = true)]
async fn a_workload_identity_shows_its_service_account() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "service-account-jwt").unwrap();
    let (transport, _) = scripted(me);
    let (login, logins) = scripted(good_login);
    let credential = Credential::WorkloadIdentity { client_id: "app".into(), tenant_id: None, token_file: file.path().to_owned() };
    let settings = Options { credential, ..options("http://localhost:9/entra/") };
    Client::new(settings.clone(), transport.clone(), login.clone()).unwrap().call(&WhoAmI).await.unwrap();
    assert_eq!(logins.sent(0).uri(), "http://localhost:9/entra/tenant-1/oauth2/v2.0/token");
    assert!(String::from_utf8(logins.sent(0).body().to_vec()).unwrap().contains("client_assertion=service-account-jwt&"));
    drop(file);
    let error = Client::new(settings, transport, login).unwrap().call(&WhoAmI).await.unwrap_err();
    assert_eq!((error.class(), logins.len()), (Some(Class::Config), 1), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_answer_is_asked_for_again() {
    let (transport, calls) = scripted(|request, number| match number {
        0 => answer(200, &[("content-type", "application/json")], &ME[..60]),
        1 => answer(200, &[("content-type", "application/json")], ""),
        _ => me(request, number),
    });
    let (login, _) = scripted(good_login);
    client(transport, login).call(&WhoAmI).await.unwrap();
    assert_eq!(calls.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_done_again() {
    for first in [unanswered(), answer(502, &[], "<html>"), answer(201, &[("content-type", "application/json")], "{\"lea")] {
        let (transport, calls) = scripted(move |_, _| first.clone());
        let (login, _) = scripted(good_login);
        let create = Create { set: "leads".into(), own_id: None, row: NewValues::new(), representation: vec![] };
        assert!(client(transport, login).call(&create).await.is_err());
        assert_eq!(calls.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_waits_when_one_is_throttled() {
    let (transport, calls) =
        scripted(|request, number| if number == 0 { answer(429, &[("retry-after", "30")], "") } else { me(request, number) });
    let (login, _) = scripted(good_login);
    let client = client(transport, login);
    let begun = Instant::now();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.call(&WhoAmI).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.call(&WhoAmI).await.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(calls.len(), 3);
    for later in 1..3 {
        assert!(calls.at(later) - begun >= Duration::from_secs(30), "{:?}", calls.at(later) - begun);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_to_another_host_gets_no_token() {
    let (transport, calls) = scripted(|_, _| answer(200, &[], r#"{"value":[]}"#));
    let (login, logins) = scripted(good_login);
    let client = client(transport, login);
    let follow = |link: &str| Follow { link: Link::new(link), annotations: false, page_rows: 10, track_changes: false, id_column: None };
    assert!(matches!(client.call(&follow("https://evil.test/api/data/v9.2/leads?$skiptoken=1")).await, Err(CallError::Unwritable(_))));
    assert_eq!((calls.len(), logins.len()), (0, 0));
    let link = "https://contoso.api.crm.dynamics.com/api/data/v9.2/leads?$select=a,b&$skiptoken=%3Ccookie%20pagingcookie=%22%253ccookie%2520page%253d%25221%22%20/%3E";
    client.call(&follow(link)).await.unwrap();
    assert_eq!(
        (calls.sent(0).uri().to_string().as_str(), &calls.sent(0).headers()["prefer"]),
        (link, &"odata.maxpagesize=10".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn a_table_is_put_together_from_what_the_server_knows() {
    let (transport, calls) = scripted(|request, _| {
        let uri = request.uri().to_string();
        let json = [("content-type", "application/json")];
        let bad = |message: &str| answer(400, &json, &json!({"error": {"code": "0x80060888", "message": message}}).to_string());
        assert_eq!(request.headers()["consistency"], "Strong");
        if !uri.contains("'lead'") {
            return answer(
                404,
                &json,
                r#"{"error":{"code":"0x80060888","message":"Could not find an entity with specified entity name"}}"#,
            );
        }
        match uri.split("Attributes").nth(1) {
            None => answer(
                200,
                &json,
                r#"{"LogicalName":"lead","EntitySetName":"leads","PrimaryIdAttribute":"leadid","PrimaryNameAttribute":"fullname","ChangeTrackingEnabled":true}"#,
            ),
            Some(rest) if rest.contains("IsSecured") => bad("Could not find a property named 'IsSecured'"),
            Some(rest) if rest.starts_with('?') => answer(
                200,
                &json,
                r#"{"value":[{"LogicalName":"leadid","AttributeType":"Uniqueidentifier"},{"LogicalName":"subject","AttributeType":"String","DisplayName":{"LocalizedLabels":[{"Label":"Topic"}],"UserLocalizedLabel":{"Label":"Topic"}}},{"LogicalName":"statecode","AttributeType":"State"},{"LogicalName":"customerid","AttributeType":"Customer"}]}"#,
            ),
            Some(rest) if rest.contains(".StringAttributeMetadata") => {
                answer(200, &json, r#"{"value":[{"LogicalName":"subject","MaxLength":300}]}"#)
            }
            Some(rest) if rest.contains(".StateAttributeMetadata") => answer(
                200,
                &json,
                r#"{"value":[{"LogicalName":"statecode","OptionSet":{"Options":[{"Value":0,"DefaultStatus":1,"InvariantName":"Open","Label":{"UserLocalizedLabel":{"Label":"Open"}}}]}}]}"#,
            ),
            Some(rest) if rest.contains(".LookupAttributeMetadata") => {
                answer(200, &json, r#"{"value":[{"LogicalName":"customerid","Targets":["account","contact"]}]}"#)
            }
            Some(rest) if rest.contains(".MultiSelect") => bad("unknown cast"),
            Some(_) => answer(200, &json, r#"{"value":[]}"#),
        }
    });
    let (login, _) = scripted(good_login);
    let client = client(transport, login);
    let table = client.table("lead").await.unwrap();
    assert_eq!((table.set_name.as_str(), table.primary_id.as_str(), table.change_tracking), ("leads", "leadid", true));
    assert_eq!((table.columns.len(), table.columns["subject"].max_length), (4, Some(300)));
    assert_eq!(table.columns["statecode"].options, [(0, "Open".to_owned())]);
    assert_eq!(table.columns["customerid"].targets, ["account", "contact"]);
    assert_eq!(table.labelled(" TOPIC ").len(), 1);
    assert_eq!(calls.len(), 12, "few calls, none of them repeated in vain");
    assert_eq!(client.table("ledas").await.unwrap_err().class(), Some(Class::Missing));
}

#[tokio::test(start_paused = true)]
async fn a_missing_row_is_told_as_such() {
    let body = r#"{"error":{"code":"0x80040217","message":"Entity 'lead' With Id = 7 Does Not Exist"}}"#;
    let (transport, calls) = scripted(move |_, _| answer(404, &[("x-ms-service-request-id", "r-1")], body));
    let (login, _) = scripted(good_login);
    let error = client(transport, login).call(&Get { set: "leads".into(), id: Guid::from_u128(7), select: vec![] }).await.unwrap_err();
    assert_eq!((error.class(), error.refusal().unwrap().request_id.as_deref(), calls.len()), (Some(Class::Missing), Some("r-1"), 1));
}
