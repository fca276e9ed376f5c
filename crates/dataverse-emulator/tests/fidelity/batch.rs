//! `$batch`: order, change sets, failures, references between parts.

use serde_json::json;

use crate::world::{Answer, BASE, World, id};

const TYPE: &str = "multipart/mixed; boundary=\"batch_7f3c\"";

fn part(request: &str) -> String {
    format!("--batch_7f3c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n{request}\r\n")
}

fn change_set(requests: &[(&str, String)]) -> String {
    let mut out = "--batch_7f3c\r\nContent-Type: multipart/mixed; boundary=\"changeset_19\"\r\n\r\n".to_owned();
    for (id, request) in requests {
        let content_id = if id.is_empty() { String::new() } else { format!("Content-ID: {id}\r\n") };
        out.push_str(&format!(
            "--changeset_19\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{content_id}\r\n{request}\r\n"
        ));
    }
    out.push_str("--changeset_19--\r\n");
    out
}

fn send(world: &mut World, parts: &[String], prefer: &str) -> Answer {
    let body = format!("{}--batch_7f3c--\r\n", parts.concat());
    world.call("POST", "$batch", &[("content-type", TYPE), ("prefer", prefer)], &body)
}

fn statuses(answer: &Answer) -> Vec<String> {
    answer.text().lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).map(|line| line[..3].to_owned()).collect()
}

fn get(number: u128) -> String {
    part(&format!("GET /api/data/v9.2/leads({})?$select=lastname HTTP/1.1\r\nAccept: application/json\r\n\r\n", id(number)))
}

fn patch(number: u128, body: &str) -> String {
    format!(
        "PATCH /api/data/v9.2/leads({}) HTTP/1.1\r\nContent-Type: application/json; type=entry\r\nIf-Match: *\r\n\r\n{body}",
        id(number)
    )
}

#[test]
fn the_documented_batch() {
    let mut world = World::new();
    world.leads(1);
    let answer = send(&mut world, &[get(1), change_set(&[("1", patch(1, r#"{"mkt_priority":3}"#))])], "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let boundary = answer.header("content-type").unwrap().strip_prefix("multipart/mixed; boundary=").unwrap().to_owned();
    assert!(boundary.starts_with("batchresponse_"));
    let text = answer.text();
    let parts: Vec<_> = text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "{text}");
    assert!(parts[1].starts_with("\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json; odata.metadata=minimal\r\nOData-Version: 4.0\r\n"));
    let body = parts[1].split("\r\n\r\n").nth(2).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(body.trim()).unwrap()["lastname"], "Person 001");
    assert!(parts[2].contains("Content-Type: multipart/mixed; boundary=changesetresponse_"));
    let address = format!("{BASE}/leads({})", id(1));
    assert!(
        parts[2].contains(&format!(
            "Content-ID: 1\r\n\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\nLocation: {address}\r\nOData-EntityId: {address}\r\n\r\n"
        )),
        "{text}"
    );
    assert_eq!(world.state.get("lead", id(1)).unwrap()["mkt_priority"], 3);
}

#[test]
fn a_failure_stops_the_batch_unless_told_to_go_on() {
    let mut world = World::new();
    world.leads(2);
    let parts = [get(1), get(99), part(&patch(2, r#"{"mkt_priority":3}"#))];
    let answer = send(&mut world, &parts, "");
    assert_eq!((answer.status, statuses(&answer)), (404, vec!["200".to_owned(), "404".to_owned()]));
    assert!(world.state.get("lead", id(2)).unwrap().get("mkt_priority").is_none(), "the rest was not run");
    let answer = send(&mut world, &parts, "odata.continue-on-error");
    assert_eq!((answer.status, statuses(&answer)), (200, vec!["200".to_owned(), "404".to_owned(), "204".to_owned()]));
    assert_eq!(world.state.get("lead", id(2)).unwrap()["mkt_priority"], 3);
}

#[test]
fn a_change_set_is_all_or_nothing() {
    let mut world = World::new();
    world.leads(2);
    let set = change_set(&[("1", patch(1, r#"{"mkt_priority":3}"#)), ("2", patch(99, "{}"))]);
    for (prefer, status) in [("", 404), ("odata.continue-on-error", 200)] {
        let answer = send(&mut world, &[set.clone(), get(2)], prefer);
        assert_eq!(answer.status, status);
        assert!(!answer.text().contains("changesetresponse"), "one plain part");
        assert_eq!(statuses(&answer).first().map(String::as_str), Some("404"));
        assert!(world.state.get("lead", id(1)).unwrap().get("mkt_priority").is_none());
    }
}

#[test]
fn later_parts_may_refer_to_earlier_ones() {
    let mut world = World::new();
    let account = "POST /api/data/v9.2/accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"name\":\"Fabrikam\"}".to_owned();
    let contact = "POST contacts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"lastname\":\"Roth\",\"parentcustomerid_account@odata.bind\":\"$1\"}".to_owned();
    let rename = "PATCH $1 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"name\":\"Fabrikam Ltd\"}".to_owned();
    let answer = send(&mut world, &[change_set(&[("1", account), ("2", contact.clone()), ("3", rename)])], "");
    assert_eq!((answer.status, statuses(&answer).len()), (200, 3), "{}", answer.text());
    let answer = world.get("contacts?$select=lastname&$expand=parentcustomerid_account($select=name)");
    assert_eq!(answer.json["value"][0]["parentcustomerid_account"]["name"], "Fabrikam Ltd");
    let answer = send(&mut world, &[change_set(&[("2", contact)])], "");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("Content-ID Reference: '$1' does not exist in the batch context."));
}

#[test]
fn batches_that_cannot_be_read() {
    let mut world = World::new();
    world.leads(1);
    let send_as = |world: &mut World, kind: &str, body: &str| world.call("POST", "$batch", &[("content-type", kind)], body);
    for (kind, body) in [
        ("application/json", "{}".to_owned()),
        (TYPE, String::new()),
        (TYPE, get(1)),
        (TYPE, "--batch_7f3c--\r\n".to_owned()),
        (TYPE, format!("{}--batch_7f3c--\r\n", change_set(&[("", patch(1, "{}"))]))),
        (TYPE, format!("{}--batch_7f3c--\r\n", change_set(&[("1", patch(1, "{}")), ("1", patch(1, "{}"))]))),
        (TYPE, format!("{}--batch_7f3c--\r\n", change_set(&[("1", "GET /api/data/v9.2/leads HTTP/1.1\r\n\r\n".to_owned())]))),
        (TYPE, format!("{}--batch_7f3c--\r\n", get(1).repeat(1001))),
    ] {
        let answer = send_as(&mut world, kind, &body);
        assert_eq!(answer.status, 400, "{kind} {}", &body[..body.len().min(200)]);
        assert!(answer.json["error"]["message"].is_string(), "a plain JSON error");
    }
    let nested = part("POST /api/data/v9.2/$batch HTTP/1.1\r\n\r\n");
    assert_eq!(statuses(&send(&mut world, &[nested], "odata.continue-on-error")), ["400"]);
    let full = format!("{}--batch_7f3c--\r\n", get(1).repeat(1000));
    assert_eq!(send_as(&mut world, TYPE, &full).status, 200);
}

#[test]
fn absolute_addresses_and_metadata_work_inside() {
    let mut world = World::new();
    let inner = "EntityDefinitions(LogicalName='lead')/Attributes/Microsoft.Dynamics.CRM.DateTimeAttributeMetadata?$select=LogicalName,DateTimeBehavior";
    let answer = send(&mut world, &[part(&format!("GET {BASE}/{inner} HTTP/1.1\r\nAccept: application/json\r\n"))], "");
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let body: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(2).unwrap().lines().next().unwrap()).unwrap();
    let day = body["value"].as_array().unwrap().iter().find(|row| row["LogicalName"] == "estimatedclosedate").unwrap();
    assert_eq!(day["DateTimeBehavior"], json!({"Value": "DateOnly"}));
}
