//! The control interface over the routers, in process and over loopback.

#![allow(clippy::unwrap_used)]

use axum::{Router, body::Body};
use base::Clock;
use http_body_util::BodyExt;
use sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tower::ServiceExt;

const USER: &str = "0000aaaa-0000-4000-8000-000000000001";
const LEAD: &str = "0000bbbb-0000-4000-8000-000000000002";

fn sandbox(people: u64) -> Sandbox {
    let clock = Clock::from_fn(|| "2026-11-20T08:00:00Z".parse().unwrap());
    Sandbox::new(Options { people, ..Options::default() }, clock).unwrap()
}

async fn asked(router: &Router, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = http::Request::builder().method(method).uri(path).header("host", "sandbox").body(body).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn ok(router: &Router, method: &str, path: &str, body: Option<Value>) -> Value {
    let (status, answer) = asked(router, method, path, body).await;
    assert_eq!(status, 200, "{method} {path}: {answer}");
    answer
}

fn lead(owner: &str) -> Value {
    json!({
        "leadid": LEAD, "lastname": "Roe", "emailaddress1": "roe@x.example",
        "_ownerid_value": owner, "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser",
    })
}

#[tokio::test]
async fn the_organisation_can_be_made_again() {
    let sandbox = sandbox(300);
    let router = sandbox.marketo_router();
    let first = ok(&router, "GET", "/_sandbox/snapshot", None).await;
    assert_eq!(first["dataverse"]["contact"].as_array().unwrap().len(), 180);
    assert!(!first["marketo"]["leads"].as_array().unwrap().is_empty());
    let census = ok(&router, "GET", "/_sandbox/census", None).await;
    assert_eq!(census["contacts"], 180);
    let again = ok(&router, "POST", "/_sandbox/reset", Some(json!({"people": 300, "seed": 1}))).await;
    assert_eq!(again["census"], census);
    let second = ok(&router, "GET", "/_sandbox/snapshot?side=dataverse&table=contact", None).await;
    assert_eq!(second["dataverse"]["contact"], first["dataverse"]["contact"]);
    ok(&router, "POST", "/_sandbox/reset", Some(json!({}))).await;
    assert_eq!(sandbox.dataverse.state().count("contact"), 0);
    assert_eq!(sandbox.census(), sandbox::Census::default());
}

#[tokio::test]
async fn what_is_expected_is_what_the_oracle_compares() {
    let sandbox = sandbox(2000);
    let (census, agreement) = (sandbox.census(), sandbox.agreement());
    let compared = |what| agreement.compared.get(what).copied().unwrap_or(0);
    let expected = &census.expected;
    assert_eq!(
        [compared("sales persons"), compared("companies"), compared("people"), compared("opportunities")],
        [expected.sales_persons, expected.companies, expected.people, expected.opportunities]
    );
    let roles: u64 = agreement.excused.get(&sandbox::agreement::Excuse::WaitsForOpportunity).copied().unwrap_or(0);
    assert_eq!(roles, expected.roles, "no opportunity is there yet, so all roles wait");
    assert!(!agreement.is_full());
}

#[tokio::test]
async fn errors_are_counted_by_code_and_bodies_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bodies");
    let marketo = sandbox::MarketoOptions { rate_max: 1, ..sandbox::MarketoOptions::default() };
    let clock = Clock::from_fn(|| "2026-11-20T08:00:00Z".parse().unwrap());
    let sandbox = Sandbox::new(Options { people: 0, marketo, ..Options::default() }, clock).unwrap();
    sandbox.record(&path).unwrap();
    let router = sandbox.marketo_router();
    let secret = sandbox::MarketoOptions::default();
    let login = format!(
        "/identity/oauth/token?grant_type=client_credentials&client_id={}&client_secret={}",
        secret.client_id, secret.client_secret
    );
    let bearer = format!("Bearer {}", ok(&router, "GET", &login, None).await["access_token"].as_str().unwrap());
    for _ in 0..3 {
        let request = http::Request::get("/rest/v1/leads/describe2.json").header("authorization", &bearer).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap();
    }
    let errors = ok(&router, "GET", "/_sandbox/errors", None).await;
    assert_eq!(errors["errors"], json!({"606": 2}));
    drop((router, sandbox));
    let recorded = std::fs::read(&path).unwrap();
    let mut rest = &recorded[..];
    let bodies: Vec<Value> = std::iter::from_fn(|| {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (body, behind) = behind.split_at(usize::try_from(u32::from_le_bytes(*length)).ok()?);
        rest = behind;
        serde_json::from_slice(body).ok()
    })
    .collect();
    assert!(bodies[0]["access_token"].is_string());
    assert_eq!(bodies[1..].iter().map(|body| &body["success"]).collect::<Vec<_>>(), [true, false, false]);
}

#[tokio::test]
async fn rows_are_loaded_changed_and_shown() {
    let sandbox = sandbox(0);
    let router = sandbox.dataverse_router();
    let user =
        json!({"systemuserid": USER, "firstname": "Ann", "lastname": "Roe", "domainname": "ann", "internalemailaddress": "ann@x.example"});
    let person = json!({"email": "roe@x.example", "externalPersonId": LEAD});
    let load = json!({"dataverse": {"lead": [lead(USER)], "systemuser": [user]}, "marketo": {"leads": [person]}});
    let ids = ok(&router, "POST", "/_sandbox/load", Some(load)).await;
    assert_eq!(ids["ids"]["lead"], json!([LEAD]));
    let number = ids["ids"]["leads"][0].as_i64().unwrap();

    let changes = json!([
        {"do": "update", "table": "lead", "id": LEAD, "row": {"jobtitle": "Chief"}},
        {"do": "moment", "id": number, "kind": "Web", "description": "Read a page", "source": "Site"},
        {"do": "score", "id": number, "priority": 9, "relative-urgency": 2, "relative-score": 3},
        {"do": "delete", "table": "lead", "id": USER},
        {"do": "marketo-update", "id": number, "row": {"title": "Clerk"}},
    ]);
    let results = ok(&router, "POST", "/_sandbox/mutate", Some(changes)).await;
    let worked: Vec<bool> = results["results"].as_array().unwrap().iter().map(|result| result["ok"] == true).collect();
    assert_eq!(worked, [true, true, true, false, true], "{results}");
    let shown = ok(&router, "GET", "/_sandbox/snapshot", None).await;
    assert_eq!(shown["dataverse"]["lead"][0]["jobtitle"], "Chief");
    let person = &shown["marketo"]["leads"][0];
    assert_eq!(
        (&person["msiLastInterestingMomentType"], &person["priority"], &person["title"]),
        (&json!("Web"), &json!(9), &json!("Clerk"))
    );
    let agreement = ok(&router, "GET", "/_sandbox/agreement", None).await;
    assert_eq!(agreement["counts"]["insight"], 7, "{agreement}");

    let results = ok(&router, "POST", "/_sandbox/mutate", Some(json!([{"do": "qualify", "id": LEAD}]))).await;
    assert_eq!(results["results"][0]["ok"], true, "{results}");
    assert_eq!(sandbox.dataverse.state().count("contact"), 1);
}

#[tokio::test]
async fn columns_of_dynamics_are_removed_renamed_and_changed() {
    let sandbox = sandbox(0);
    let router = sandbox.dataverse_router();
    let changes = json!([
        {"do": "remove-column", "table": "contact", "column": "jobtitle"},
        {"do": "rename-column", "table": "contact", "column": "fax", "name": "new_fax"},
        {"do": "change-column", "table": "contact", "column": "telephone1", "length": 7, "updatable": false},
        {"do": "change-column", "table": "contact", "column": "department", "readable": false},
        {"do": "change-column", "table": "contact", "column": "nosuch", "length": 7},
    ]);
    let results = ok(&router, "POST", "/_sandbox/mutate", Some(changes)).await;
    let worked: Vec<bool> = results["results"].as_array().unwrap().iter().map(|result| result["ok"] == true).collect();
    assert_eq!(worked, [true, true, true, true, false], "{results}");
    let state = sandbox.dataverse.state();
    let table = state.schema().get(state.schema().find("contact").unwrap()).unwrap();
    let column = |name: &str| table.find(name).and_then(|at| table.column(at));
    assert!(column("jobtitle").is_none() && column("fax").is_none() && column("new_fax").is_some());
    let (phone, department) = (column("telephone1").unwrap(), column("department").unwrap());
    assert!(!phone.updatable && phone.readable && !department.readable, "{phone:?}");
}

#[tokio::test]
async fn every_object_and_field_of_marketo_can_be_changed() {
    let sandbox = sandbox(0);
    let router = sandbox.marketo_router();
    let rows = json!({"marketo": {"companies": [{"externalCompanyId": "c-1"}], "opportunities": [{"externalOpportunityId": "o-1"}],
        "leads": [{"email": "a@x.example"}]}});
    let ids = ok(&router, "POST", "/_sandbox/load", Some(rows)).await["ids"].clone();
    let (company, deal, lead) = (&ids["companies"][0], &ids["opportunities"][0], &ids["leads"][0]);
    let changes = json!([
        {"do": "marketo-update", "object": "companies", "id": company, "row": {"company": "Northwind"}},
        {"do": "marketo-update", "object": "opportunities", "id": deal, "row": {"stage": "Won"}},
        {"do": "marketo-add-field", "name": "shoe", "kind": "string", "length": 3},
        {"do": "marketo-change-field", "name": "shoe", "length": 9, "read-only": true},
        {"do": "marketo-remove-field", "object": "companies", "name": "industry"},
        {"do": "marketo-update", "id": lead, "row": {"shoe": "43"}},
        {"do": "marketo-list", "name": "Fair"},
        {"do": "marketo-usage", "others": 9},
        {"do": "marketo-add-field", "name": "shoe", "kind": "string"},
        {"do": "marketo-change-field", "name": "nosuch", "length": 1},
        {"do": "marketo-delete", "object": "companies", "id": 5},
    ]);
    let results = ok(&router, "POST", "/_sandbox/mutate", Some(changes)).await;
    let worked: Vec<bool> = results["results"].as_array().unwrap().iter().map(|result| result["ok"] == true).collect();
    assert_eq!(worked, [true, true, true, true, true, true, true, true, false, false, false], "{results}");
    let shown = ok(&router, "GET", "/_sandbox/snapshot?side=marketo", None).await["marketo"].clone();
    assert_eq!(
        (&shown["companies"][0]["company"], &shown["opportunities"][0]["stage"], &shown["leads"][0]["shoe"]),
        (&json!("Northwind"), &json!("Won"), &json!("43"))
    );
    let gone = json!([{"do": "marketo-delete", "object": "companies", "id": company}, {"do": "marketo-delete", "object": "opportunities", "id": deal}]);
    ok(&router, "POST", "/_sandbox/mutate", Some(gone)).await;
    let state = sandbox.marketo.state();
    assert_eq!(
        [marketo_emulator::Object::Companies, marketo_emulator::Object::Opportunities].map(|object| state.rows(object).count()),
        [0, 0]
    );
    assert_eq!(state.usage_today(sandbox.now()), 9);
}

#[tokio::test]
async fn random_edits_say_what_they_changed() {
    let sandbox = sandbox(500);
    let router = sandbox.dataverse_router();
    let before = ok(&router, "GET", "/_sandbox/snapshot?side=dataverse", None).await;
    let changes = json!([
        {"do": "edit-people", "seed": 1, "percent": 10},
        {"do": "edit-roles", "seed": 2, "count": 9},
        {"do": "edit-owners", "seed": 3, "count": 8},
        {"do": "moments", "seed": 4, "count": 5},
        {"do": "recut", "seed": 5},
    ]);
    let results = ok(&router, "POST", "/_sandbox/mutate", Some(changes)).await;
    let after = ok(&router, "GET", "/_sandbox/snapshot?side=dataverse", None).await;
    let row = |side: &Value, table: &str, id: &Value| {
        side["dataverse"][table].as_array().unwrap().iter().find(|row| &row[format!("{table}id")] == id).cloned().unwrap_or(Value::Null)
    };
    let people = results["results"][0]["result"].as_array().unwrap();
    assert!((20..80).contains(&people.len()), "{}", people.len());
    for edit in people {
        let table = edit["table"].as_str().unwrap();
        let (old, new) = (row(&before, table, &edit["id"]), row(&after, table, &edit["id"]));
        for column in edit["change"]["columns"].as_array().unwrap() {
            let column = column.as_str().unwrap();
            assert_ne!(old.get(column), new.get(column), "{edit}");
        }
    }
    let roles = results["results"][1]["result"].as_array().unwrap();
    assert_eq!(roles.len(), 9, "{results}");
    assert_eq!(results["results"][2]["result"].as_array().unwrap().len(), 8);
    assert_eq!(results["results"][3]["result"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn faults_latency_and_journal_belong_to_one_side() {
    let sandbox = sandbox(0);
    let router = sandbox.marketo_router();
    let ids = ok(&router, "POST", "/_sandbox/faults", Some(json!({"effect": {"refuse": {"code": "606"}}, "times": 1}))).await;
    assert_eq!(ids, json!({"ids": [1]}));
    ok(&router, "POST", "/_sandbox/faults?side=dataverse", Some(json!([{"effect": "html"}, {"effect": "drop-after"}]))).await;
    ok(&router, "POST", "/_sandbox/journal", Some(json!({"keep": 5}))).await;

    let (_, refusal) = asked(&router, "GET", "/rest/v1/leads/describe.json", None).await;
    assert_eq!(refusal["errors"][0]["code"], "606", "{refusal}");
    let (status, _) = asked(&sandbox.dataverse_router(), "GET", "/api/data/v9.2/WhoAmI", None).await;
    assert_eq!(status, 502);
    let faults = ok(&router, "GET", "/_sandbox/faults", None).await;
    assert_eq!((&faults["faults"][0]["struck"], faults["faults"].as_array().unwrap().len()), (&json!(1), 1));
    let journal = ok(&router, "GET", "/_sandbox/journal", None).await;
    assert_eq!((&journal["total"], &journal["last"][0]["path"]), (&json!(1), &json!("/rest/v1/leads/describe.json")));
    ok(&router, "DELETE", "/_sandbox/faults?side=dataverse&id=1", None).await;
    ok(&router, "DELETE", "/_sandbox/faults", None).await;
    assert_eq!(sandbox.marketo.faults().armed().len(), 0);
    assert_eq!(sandbox.dataverse.faults().armed().len(), 1);

    ok(&router, "POST", "/_sandbox/latency", Some(json!({"fixed-ms": 5}))).await;
    assert!(sandbox.marketo.faults().latency().is_some() && sandbox.dataverse.faults().latency().is_none());
}

#[tokio::test]
async fn options_clock_and_tokens() {
    let sandbox = sandbox(0);
    let router = sandbox.marketo_router();
    let patch = json!({"marketo": {"daily_quota": 7}, "dataverse": {"page_max": 3, "closed_leads": "accept"}});
    let shown = ok(&router, "POST", "/_sandbox/options", Some(patch)).await;
    assert_eq!(
        (&shown["marketo"]["daily_quota"], &shown["dataverse"]["page_max"], &shown["dataverse"]["closed_leads"]),
        (&json!(7), &json!(3), &json!("accept"))
    );
    for patch in [json!({"marketo": {"nonsense": 1}}), json!({"dataverse": {"nonsense": 1}}), json!({"dataverse": {"page_max": "x"}})] {
        assert_eq!(asked(&router, "POST", "/_sandbox/options", Some(patch.clone())).await.0, 400, "{patch}");
    }
    assert_eq!(sandbox.dataverse.state().options().page_max, 3);

    let clock = ok(&router, "POST", "/_sandbox/clock", Some(json!({"advance_s": 90}))).await;
    assert_eq!(clock["now"], "2026-11-20T08:01:30Z");
    assert_eq!(asked(&router, "POST", "/_sandbox/clock", Some(json!({"advance_s": -1}))).await.0, 400);
    ok(&router, "POST", "/_sandbox/expire", Some(json!({"what": "tokens"}))).await;
    ok(&router, "POST", "/_sandbox/expire?side=dataverse", Some(json!({"what": "tokens"}))).await;
    ok(&router, "POST", "/_sandbox/expire", Some(json!({"what": "delta-tokens"}))).await;
    assert_eq!(asked(&router, "POST", "/_sandbox/expire", Some(json!({"what": "all"}))).await.0, 400);
    assert_eq!(asked(&router, "GET", "/_sandbox/nothing", None).await.0, 400);
}

#[tokio::test]
async fn both_listen_on_loopback_and_say_where() {
    let sandbox = sandbox(0);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = sandbox::start(&sandbox, 0, 0, async move { drop(stopped.await) }).await.unwrap();
    let ready: Value = serde_json::from_str(&running.ready.line()).unwrap();
    for url in [&ready["marketo"]["base_url"], &ready["dataverse"]["url"]] {
        let address = url.as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            use std::io::{Read, Write};
            let mut socket = std::net::TcpStream::connect(&address).unwrap();
            write!(socket, "GET /_sandbox/clock HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
            let mut text = String::new();
            socket.read_to_string(&mut text).unwrap();
            text
        });
        assert!(answer.await.unwrap().contains("2026-11-20T08:00:00Z"));
    }
    assert_eq!(ready["dataverse"]["authority"], ready["dataverse"]["url"]);
    stop.send(()).unwrap();
    running.finished().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_may_have_been_applied() {
    let sandbox = sandbox(0);
    let router = sandbox.marketo_router();
    let login = {
        let state = sandbox.marketo.state();
        let options = state.options();
        format!(
            "/identity/oauth/token?grant_type=client_credentials&client_id={}&client_secret={}",
            options.client_id, options.client_secret
        )
    };
    let token = ok(&router, "GET", &login, None).await["access_token"].as_str().unwrap().to_owned();
    for (effect, email, applied) in
        [("drop-before", "one@x.example", 0), ("drop-after", "two@x.example", 1), ("truncate", "three@x.example", 2)]
    {
        ok(&router, "POST", "/_sandbox/faults", Some(json!({"when": {"path": "leads.json"}, "effect": effect, "times": 1}))).await;
        let request = http::Request::post("/rest/v1/leads.json")
            .header("host", "sandbox")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(json!({"input": [{"email": email}]}).to_string()))
            .unwrap();
        let body = router.clone().oneshot(request).await.unwrap().into_body().collect().await;
        assert_eq!(body.is_err(), effect != "truncate", "{effect}");
        let unreadable = body.is_ok_and(|body| serde_json::from_slice::<Value>(&body.to_bytes()).is_err());
        assert_eq!(unreadable, effect == "truncate", "{effect}");
        assert_eq!(sandbox.marketo.state().lead_count(), applied, "{effect}");
    }
}
