//! Service protection limits and refusals on demand.

use std::time::Duration;

use dataverse_emulator::{Options, options::RetryAfter};
use emulator::Emulator;

use crate::world::World;

fn tight() -> World {
    World::with(Options { limit_requests: 5, limit_time_ms: 1000, limit_concurrent: 2, ..Options::default() })
}

#[test]
fn too_many_requests() {
    let mut world = tight();
    for _ in 0..5 {
        assert_eq!(world.get("WhoAmI").status, 200);
    }
    let answer = world.get("WhoAmI");
    assert_eq!((answer.status, answer.code(), answer.header("retry-after")), (429, "0x80072322", Some("300")));
    assert_eq!(answer.message(), "Number of requests exceeded the limit of 5 over time window of 300 seconds.");
    world.later(300);
    assert_eq!(world.get("WhoAmI").status, 200);
}

#[test]
fn too_much_time_and_too_many_at_once() {
    let mut world = tight();
    let bearer = format!("Bearer {}", world.token);
    let request = world.request("GET", "/api/data/v9.2/WhoAmI", &[("authorization", &bearer)], "");
    assert!(world.state.admit(&request, world.now).is_ok() && world.state.admit(&request, world.now).is_ok());
    let refused = world.state.admit(&request, world.now).unwrap_err();
    assert_eq!(refused.status, 429);
    assert!(String::from_utf8_lossy(&refused.body).contains("0x80072326"));
    world.state.release(&request, world.now, Duration::from_millis(600));
    world.state.release(&request, world.now, Duration::from_millis(600));
    let refused = world.state.admit(&request, world.now).unwrap_err();
    assert!(String::from_utf8_lossy(&refused.body).contains("0x80072321"));
    assert!(String::from_utf8_lossy(&refused.body).contains("exceeded limit of 1,000 milliseconds"));
}

#[test]
fn counters_tell_what_is_left_and_limits_can_be_off() {
    let mut world = tight();
    assert_eq!(world.get("WhoAmI").header("x-ms-ratelimit-burst-remaining-xrm-requests"), Some("4"));
    world.state.options_mut().enforce_limits = false;
    for _ in 0..20 {
        assert_eq!(world.get("WhoAmI").status, 200);
    }
}

#[test]
fn the_wait_comes_in_every_form() {
    let mut world = World::new();
    for (form, expected) in
        [(RetryAfter::Seconds, Some("30")), (RetryAfter::Date, Some("Mon, 02 Mar 2026 09:00:30 GMT")), (RetryAfter::Absent, None)]
    {
        world.state.options_mut().retry_after = form;
        let refusal = world.state.refusal("429", None, world.now);
        assert_eq!((refusal.status, refusal.headers.get("retry-after").map(|value| value.to_str().unwrap())), (429, expected));
    }
}

#[test]
fn refusals_on_demand_have_the_service_s_shapes() {
    let world = World::new();
    for (code, status, piece) in [
        ("401", 401, ""),
        ("403", 403, "0x80072560"),
        ("404", 404, "0x80040217"),
        ("412", 412, "0x80060882"),
        ("413", 413, "too large"),
        ("0x80044352", 400, "full sync"),
        ("0x80044150", 400, "deadlock"),
        ("500", 500, "error"),
        ("502", 502, "<html>"),
        ("503", 503, ""),
        ("504", 504, "<html>"),
    ] {
        let refusal = world.state.refusal(code, Some(3), world.now);
        assert_eq!(refusal.status, status, "{code}");
        assert!(String::from_utf8_lossy(&refusal.body).contains(piece), "{code}");
    }
}

#[test]
fn operations_have_short_names() {
    let world = World::new();
    for (method, url, name) in [
        ("POST", "/t/oauth2/v2.0/token", "token"),
        ("GET", "/api/data/v9.2/", "service"),
        ("GET", "/api/data/v9.2/WhoAmI", "whoami"),
        ("POST", "/api/data/v9.2/$batch", "batch"),
        ("GET", "/api/data/v9.2/EntityDefinitions(LogicalName='lead')", "metadata"),
        ("GET", "/api/data/v9.2/leads?$select=a", "lead.list"),
        ("GET", "/api/data/v9.2/leads?$deltatoken=1", "lead.changes"),
        ("GET", "/api/data/v9.2/opportunities(1)", "opportunity.get"),
        ("PATCH", "/api/data/v9.2/leads(1)", "lead.update"),
        ("POST", "/api/data/v9.2/leads", "lead.create"),
        ("DELETE", "/api/data/v9.2/leads(1)", "lead.delete"),
        ("POST", "/api/data/v9.2/leads/Microsoft.Dynamics.CRM.UpdateMultiple", "lead.update_multiple"),
        ("GET", "/api/data/v9.2/leads/$count", "lead.count"),
    ] {
        assert_eq!(world.state.operation(&world.request(method, url, &[], "")), name, "{method} {url}");
    }
}

#[test]
fn failures_come_as_a_page_or_empty_on_request() {
    let mut world = World::new();
    world.leads(1);
    world.get("leads");
    let state = &world.state;
    for status in [500, 502, 503, 504] {
        let page = state.refusal(&format!("{status}-html"), None, world.now);
        let nothing = state.refusal(&format!("{status}-empty"), Some(9), world.now);
        assert_eq!((page.status, nothing.status, nothing.body.len()), (status, status, 0));
        assert!(page.body.starts_with(b"<html>") && page.headers["content-type"] == "text/html");
        assert_eq!(nothing.headers["retry-after"], "9");
    }
    let denied = state.refusal("401", None, world.now);
    let said = denied.headers["www-authenticate"].to_str().unwrap();
    assert!(
        said.contains("authorization_uri=https://contoso.crm.dynamics.com/")
            && said.contains("resource_id=https://contoso.crm.dynamics.com/"),
        "{said}"
    );
}
