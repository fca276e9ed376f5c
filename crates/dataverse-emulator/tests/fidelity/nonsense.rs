//! Whatever arrives is answered: no request makes the emulator panic, and none that is refused changes a row.

use proptest::prelude::*;

use crate::world::{World, id};

const PIECES: &[&str] = &[
    "leads",
    "contacts",
    "accounts",
    "(",
    ")",
    "/",
    "$ref",
    "$count",
    "$value",
    "'",
    "''",
    ",",
    "=",
    "&",
    "?",
    "%",
    "%25",
    "%2",
    "+",
    " ",
    ";",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "$select=",
    "$filter=",
    "$orderby=",
    "$expand=",
    "$top=",
    "$skiptoken=",
    "$deltatoken=",
    "$count=true",
    "@p1",
    "lastname",
    "modifiedon",
    "_ownerid_value",
    "ownerid",
    "parentaccountid",
    "accountnumber",
    "contains(",
    "any(",
    "x:x/",
    "Microsoft.Dynamics.CRM.",
    "In(PropertyName=",
    "LastXDays(",
    "eq",
    "ne",
    "and",
    "or",
    "not",
    "null",
    "-1",
    "99999999999999999999",
    "1e999",
    "2026-02-30",
    "0001-01-01T00:00:00Z",
    "EntityDefinitions",
    "Attributes",
    "UpdateMultiple",
    "QualifyLead",
    "$batch",
    "$metadata",
    "é",
    "\u{0}",
    "<cookie pagenumber=\"2\" pagingcookie=\"",
    "\" istracking=\"",
    "18446744073709551615",
    "1!03/02/2026 09:00:00",
    "desc",
];

/// Pieces of requests, so that random strings reach deep into the parsers.
fn text() -> impl Strategy<Value = String> {
    let known = id(1).to_string();
    let piece = prop_oneof![Just(known), proptest::sample::select(PIECES).prop_map(str::to_owned),];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_request_is_answered(method in proptest::sample::select(vec!["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]), path in text(), query in text(), body in text(), prefer in text()) {
        thread_local! {
            static WORLD: std::cell::RefCell<World> = std::cell::RefCell::new({
                let mut world = World::new();
                world.state.options_mut().enforce_limits = false;
                world.leads(2);
                world
            });
        }
        WORLD.with_borrow_mut(|world| {
            let prefer: String = prefer.chars().filter(|char| (' '..='~').contains(char)).collect();
            let before = world.state.version();
            for body in [body.clone(), format!("{{\"value\":{body}}}"), format!("{{\"lastname\":\"{body}\"}}")] {
                let answer = world.call(method, &format!("{path}?{query}"), &[("prefer", &prefer), ("content-type", "multipart/mixed; boundary=b")], &body);
                prop_assert!(answer.status >= 200 && answer.status < 600);
                if method == "GET" {
                    prop_assert_eq!(world.state.version(), before);
                }
            }
            Ok(())
        })?;
    }
}
