//! What one record costs the pure core: mapping a row, its fingerprints, and what the planner makes of them. Run by `cargo xtask bench micro`.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, Table};
use divan::{Bencher, black_box, counter::ItemsCount};
use planner::{
    Column, ColumnKind, DataKind, Desired, FieldMap, FingerprintKey, Fingerprints, Row, TargetField, TargetSchema,
    defaults::defaults,
    diff::{Known, change, differs},
    fingerprint::Slots,
    identity::{Identity, Person, by_external_id},
    mapping::MapContext,
    pack::{Packer, RECORDS_MAX},
};
use serde_json::{Map, Value, json};

fn main() {
    divan::main();
}

const KEY: FingerprintKey = FingerprintKey(7);

/// A contact's default map, with every column and field there.
fn map() -> FieldMap {
    let sources = defaults(Table::Contact);
    let columns = sources.iter().flat_map(|(_, source)| source.columns()).map(|name| (name.clone(), column(&name))).collect();
    let field = |name: &str| TargetField { name: name.into(), kind: kind(name), label: None, length: Some(255), updateable: true };
    let target = TargetSchema::new(sources.iter().map(|(name, _)| field(name)));
    let context = MapContext {
        columns: &columns,
        readable_secured: &BTreeSet::new(),
        target: &target,
        company: &TargetSchema::default(),
        before: None,
    };
    match FieldMap::compile(Table::Contact, Object::Lead, &BTreeMap::new(), context, &mut Slots::default()) {
        Ok(compiled) => compiled.map,
        Err(problems) => unreachable!("the default map fits itself: {problems:?}"),
    }
}

fn kind(field: &str) -> DataKind {
    match field {
        "email" => DataKind::Email,
        "unsubscribed" | "doNotCall" => DataKind::Boolean,
        "dateOfBirth" => DataKind::Date,
        _ => DataKind::String,
    }
}

fn column(name: &str) -> Column {
    let kind = match name {
        "donotemail" | "donotbulkemail" | "donotphone" => ColumnKind::Boolean,
        "birthdate" => ColumnKind::Date,
        _ => ColumnKind::Text,
    };
    let name = name.to_owned();
    Column { name, labels: vec![], kind, max_length: Some(255), options: vec![], readable: true, updatable: true, secured: false }
}

/// A contact as Dynamics gives it.
fn row() -> Map<String, Value> {
    let columns = defaults(Table::Contact).into_iter().flat_map(|(_, source)| source.columns());
    let value = |name: &str| match name {
        "donotemail" | "donotbulkemail" | "donotphone" => json!(false),
        "birthdate" => json!("1979-03-14"),
        name => json!(format!("{name} of somebody")),
    };
    let mut row: Map<String, Value> = columns.map(|name| (name.clone(), value(&name))).collect();
    row.insert("emailaddress1".into(), json!("mia.berger@buyer.example"));
    row.insert("contactid".into(), json!("8b3f5e52-46f0-4c5e-9a4e-b26c3c14b2aa"));
    row
}

fn desired(map: &FieldMap) -> Desired {
    let mapped = map.map(Row(&row().into()));
    Desired::new(mapped, Some(Guid::from_u128(1)), Some(Guid::from_u128(2)), None)
}

/// A row's fields in Marketo's types.
#[divan::bench]
fn map_a_row(bencher: Bencher<'_, '_>) {
    let (map, row) = (map(), row().into());
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| map.map(black_box(Row(&row))));
}

/// A row that nobody has changed: mapped, and compared with what was confirmed, as read from the state.
#[divan::bench]
fn map_and_compare_a_row(bencher: Bencher<'_, '_>) {
    let (map, row) = (map(), row().into());
    let confirmed = change(&map, &desired(&map), &Fingerprints::default(), KEY, Known::Nothing).confirmed.write();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let mapped = map.map(black_box(Row(&row)));
        let desired = Desired::new(mapped, Some(Guid::from_u128(1)), Some(Guid::from_u128(2)), None);
        differs(&map, &desired, &Fingerprints::read(&confirmed), KEY)
    });
}

/// What is sent of a new record, and what is confirmed once it was.
#[divan::bench]
fn plan_a_creation(bencher: Bencher<'_, '_>) {
    let map = map();
    let desired = desired(&map);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let change = change(&map, black_box(&desired), &Fingerprints::default(), KEY, Known::Nothing);
        let confirmed = change.confirmed.write();
        (change, confirmed)
    });
}

/// Who somebody is, by what a look-up found.
#[divan::bench]
fn class_who_was_found(bencher: Bencher<'_, '_>) {
    let own = Guid::from_u128(5);
    let record: Map<String, Value> = [("externalPersonId".to_owned(), own.to_string().into())].into_iter().collect();
    let found = [Person { id: 12, record }];
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| matches!(by_external_id(own, &[], black_box(&found), "externalPersonId"), Identity::Linked(_)));
}

/// Writes of 900 bytes into calls.
#[divan::bench]
fn pack_a_call(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(RECORDS_MAX)).bench_local(|| {
        let mut packer = Packer::new(RECORDS_MAX);
        (0..RECORDS_MAX).filter_map(|number| packer.push(number, black_box(900))).count()
    });
}
