//! Records that each release saved, which every later one must read: files of lines `family key value`, in hexadecimal, never edited.
//!
//! A record whose value is empty has `-` there. A release that changes a format adds a file.

use std::collections::BTreeSet;

use base::{Guid, Object, RecordId, Table, Timestamp};
use serde_json::json;
use store::{
    Family, Record,
    record::{
        Alias, AliasKind, CallCount, Cursor, Dependent, DirtyRoles, Fact, Json, Link, LinkFlags, MsiDue, MsiUrgent, Outbox, OutboxState,
        PersonIndex, Refetch, Role, RoleName, RoleSource, Run, Seen, SourceKind,
        alias::AliasOf,
        role::{SourceBy, SourceIndex},
        setting::RunBody,
    },
};

const V0_1: &str = include_str!("0.1.txt");

fn guid(number: u128) -> Guid {
    Guid::from_u128(0x1111_1111_2222_3333_4444_0000_0000_0000 + number)
}

fn at(table: Table, number: u128) -> RecordId {
    RecordId::new(table, guid(number))
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.trim_start_matches('-');
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Entries of an index that is no longer kept; the second layout removes them.
const REMOVED: &str = "role_source_index 03";

/// The records of a file that belong to one family, in the file's order.
fn load<R: Record>(file: &str) -> Vec<R> {
    let rows = file.lines().filter(|line| !line.starts_with(REMOVED));
    let rows = rows.filter_map(|line| line.strip_prefix(R::FAMILY.name())?.strip_prefix(' '));
    let load = |row: &str| {
        let (key, value) = row.split_once(' ').unwrap();
        let record = R::read(&bytes(key), &bytes(value)).unwrap();
        // Listings go on after the key of their last record, so that a record must know its own.
        assert_eq!(record.key(), bytes(key));
        record
    };
    rows.map(load).collect()
}

#[test]
fn every_family_is_in_a_file() {
    let families: BTreeSet<&str> = V0_1.lines().chain(V0_2.lines()).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(families, Family::ALL.iter().map(|family| family.name()).collect());
}

#[test]
fn links_of_0_1_load() {
    let mut link = Link::new(at(Table::Contact, 6));
    link.flags = LinkFlags::CONFIRMED.with(LinkFlags::QUALIFIED, true);
    link.marketo_id = Some(1_000_017);
    link.stored_key = Some("{11111111-2222-3333-4444-000000000006}".into());
    link.confirmed = vec![7; 130];
    link.msi = vec![1, 2, 3];
    assert_eq!(load::<Link>(V0_1), [link, Link::new(at(Table::Account, 4))]);
    assert_eq!(load::<PersonIndex>(V0_1), [PersonIndex { marketo_id: 1_000_017, record: at(Table::Contact, 6) }]);
    let alias = |alias, kind| Alias { alias, survivor: at(Table::Contact, 6), kind, event: false };
    assert_eq!(
        load::<Alias>(V0_1),
        [
            alias(at(Table::Contact, 60), AliasKind::Merged),
            alias(at(Table::Lead, 5), AliasKind::Qualified),
            alias(at(Table::Lead, 50), AliasKind::Origin)
        ]
    );
    assert_eq!(load::<AliasOf>(V0_1), [AliasOf { survivor: at(Table::Contact, 6), alias: at(Table::Lead, 5) }]);
}

#[test]
fn outbox_records_of_0_1_load() {
    let since: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let ready = Outbox::ready(Object::Lead, at(Table::Contact, 6), String::new(), Json::of(&json!({"email": "bo@x.test"})), since);
    let mut waiting = Outbox::ready(Object::Company, at(Table::Account, 4), String::new(), Json::of(&json!({})), since);
    waiting.body.state = OutboxState::Waiting { on: at(Table::SystemUser, 1) };
    let mut held = Outbox::ready(Object::Role, at(Table::Opportunity, 7), "Décideur".into(), Json::of(&json!([1, null])), since);
    held.body.state = OutboxState::Held { code: "1003".into(), reason: "Value for required field is missing".into(), retry_at: since };
    held.body.attempts = 3;
    assert_eq!(load::<Outbox>(V0_1), [ready, waiting, held]);
}

#[test]
fn roles_of_0_1_load() {
    let (opportunity, contact) = (guid(7), guid(6));
    let role = Role { opportunity, contact, name: "Décideur".into(), lead_id: 1_000_017, is_primary: true, in_doubt: false };
    assert_eq!(load::<Role>(V0_1), [role]);
    let connection =
        RoleSource { id: guid(8), kind: SourceKind::Connection, opportunity, contact, role: Some(guid(3)), related: Some(guid(80)) };
    let mirror = RoleSource { id: guid(80), kind: SourceKind::Mirror, related: Some(guid(8)), ..connection.clone() };
    let primary = RoleSource { id: guid(7), kind: SourceKind::Primary, role: None, related: None, ..connection.clone() };
    assert_eq!(load::<RoleSource>(V0_1), [connection, mirror, primary]);
    let entry = |by, of| SourceIndex { by, of, source: guid(8) };
    assert_eq!(load::<SourceIndex>(V0_1), [entry(SourceBy::Opportunity, guid(7)), entry(SourceBy::Contact, guid(6))]);
    assert_eq!(load::<RoleName>(V0_1), [RoleName { id: guid(3), name: "Décideur".into() }]);
    assert_eq!(load::<DirtyRoles>(V0_1), [DirtyRoles { opportunity }]);
}

/// What is compact since the second format, as that release saves it.
const V0_2: &str = include_str!("0.2.txt");

#[test]
fn compact_records_of_0_2_load_and_are_saved_as_they_were() {
    let (opportunity, contact) = (guid(7), guid(6));
    let role = Role { opportunity, contact, name: "Décideur".into(), lead_id: 1_000_017, is_primary: true, in_doubt: false };
    let doubtful = Role { name: String::new(), is_primary: false, in_doubt: true, ..role.clone() };
    let connection =
        RoleSource { id: guid(8), kind: SourceKind::Connection, opportunity, contact, role: Some(guid(3)), related: Some(guid(80)) };
    let bare = RoleSource { id: guid(9), role: None, related: None, ..connection.clone() };
    let mirror = RoleSource { id: guid(80), kind: SourceKind::Mirror, role: None, ..connection.clone() };
    let inactive = RoleSource { id: guid(81), kind: SourceKind::Inactive, related: None, ..connection.clone() };
    let primary = RoleSource { id: guid(7), kind: SourceKind::Primary, ..bare.clone() };
    let alias = |alias, kind, event| Alias { alias, survivor: at(Table::Contact, 6), kind, event };
    let aliases = [
        alias(at(Table::Contact, 60), AliasKind::Merged, false),
        alias(at(Table::Lead, 5), AliasKind::Qualified, true),
        alias(at(Table::Lead, 50), AliasKind::Origin, false),
        alias(at(Table::Contact, 61), AliasKind::Heir, true),
    ];
    assert_eq!(load::<Role>(V0_2), [role, doubtful]);
    assert_eq!(load::<RoleSource>(V0_2), [connection, bare, mirror, inactive, primary]);
    assert_eq!(load::<Alias>(V0_2), aliases);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(load::<MsiUrgent>(V0_2), [MsiUrgent { record: at(Table::Lead, 5) }]);
    let saved = [saved::<Role>(V0_2), saved::<RoleSource>(V0_2), saved::<Alias>(V0_2), saved::<MsiUrgent>(V0_2)];
    assert_eq!(saved.concat(), lines(V0_2));
}

/// The lines of a family's records, saved anew.
fn saved<R: Record>(file: &str) -> Vec<String> {
    let hex = |bytes: Vec<u8>| match bytes.as_slice() {
        [] => "-".to_owned(),
        bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    load::<R>(file).iter().map(|record| format!("{} {} {}", R::FAMILY.name(), hex(record.key()), hex(record.value()))).collect()
}

#[test]
fn work_lists_of_0_1_load() {
    assert_eq!(load::<Dependent>(V0_1), [Dependent { parent: at(Table::Team, 2), child: at(Table::Contact, 6) }]);
    assert_eq!(load::<Refetch>(V0_1), [Refetch { record: at(Table::Contact, 6) }]);
    assert_eq!(load::<MsiDue>(V0_1), [MsiDue { record: at(Table::Lead, 5) }]);
    assert_eq!(load::<Seen>(V0_1), [Seen { record: at(Table::Connection, 8) }]);
}

#[test]
fn settings_and_runs_of_0_1_load() {
    assert_eq!(load::<Cursor>(V0_1), [Cursor { name: "contact".into(), position: json!({"link": "919042%2108"}) }]);
    assert_eq!(load::<Fact>(V0_1), [Fact { name: "fingerprint-key".into(), value: json!(["00", 1]) }]);
    assert_eq!(load::<CallCount>(V0_1), [CallCount { day: "2026-03-01".into(), call: "leads.sync".into(), count: 42 }]);
    let begun: Timestamp = "2026-03-01T12:00:00.5Z".parse().unwrap();
    let ended = RunBody { ended: Some("2026-03-01T12:00:09Z".parse().unwrap()), exit: Some(0), summary: json!({"sent": 3}) };
    let killed = RunBody { ended: None, exit: None, summary: json!(null) };
    assert_eq!(load::<Run>(V0_1), [Run { begun, body: ended }, Run { begun, body: killed }]);
}

#[test]
fn readers_pass_over_words_of_a_later_release() {
    let source = br#"{"kind":"mirror","opportunity":"11111111-2222-3333-4444-000000000007","contact":"11111111-2222-3333-4444-000000000006","new":1}"#;
    assert_eq!(RoleSource::read(&guid(8).to_bytes(), source).unwrap().role, None);
    let body = br#"{"summary":{},"ended":"2026-03-01T12:00:09Z","note":"later"}"#;
    assert_eq!(Run::read(&0i64.to_be_bytes(), body).unwrap().body.exit, None);
}
