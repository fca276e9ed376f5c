//! An audit finds exactly what others changed behind our back, has it mended, and finds nothing after that.

use std::collections::BTreeSet;

use base::{Guid, Object, RecordId, Table};
use engine::audit::{Asked, Kind, Report, audit};
use marketo_emulator::Object as Theirs;
use serde_json::{Map, Value, json};

use crate::world::World;

const PEOPLE: u64 = 3_000;

async fn look(world: &World, repair: bool) -> Report {
    let bridge = world.bridge().await;
    let report = audit(&bridge, Asked { sample_percent: 100.0, repair }).await.unwrap();
    bridge.close().await.unwrap();
    report
}

fn guid(record: &Map<String, Value>, field: &str) -> Option<Guid> {
    record.get(field)?.as_str()?.parse().ok()
}

/// Persons in Marketo with an owner and a company, of contacts, in the order of their ids: person, GUID, record.
fn contacts(world: &World) -> Vec<(i64, Guid, Map<String, Value>)> {
    let mut found: Vec<_> = world
        .people()
        .into_iter()
        .filter_map(|person| Some((person.get("id")?.as_i64()?, guid(&person, "externalPersonId")?, person)))
        .filter(|(_, id, _)| world.sandbox.dataverse.state().get("contact", *id).is_some())
        .filter(|(_, _, person)| guid(person, "externalCompanyId").is_some() && guid(person, "externalSalesPersonId").is_some())
        .collect();
    found.sort_by_key(|(person, ..)| *person);
    found
}

fn set(world: &World, object: Theirs, row: &Map<String, Value>, patch: Value) {
    let key = row.get("marketoGUID").or(row.get("id")).unwrap().clone();
    let patch = patch.as_object().unwrap().clone();
    let now = world.now();
    assert!(world.sandbox.marketo.state().update(object, &key, patch, now));
}

fn delete(world: &World, object: Theirs, row: &Map<String, Value>) {
    let key = row.get("marketoGUID").or(row.get("id")).unwrap().clone();
    let now = world.now();
    assert!(world.sandbox.marketo.state().delete(object, &key, now));
}

/// Forty differences of all kinds, each of another record.
fn plant(world: &World) -> BTreeSet<(Kind, RecordId)> {
    let mut planted = BTreeSet::new();
    let now = world.now();
    let people = contacts(world);
    let mut people = people.iter().step_by(17);
    let mut next = || people.next().unwrap();
    let owners: Vec<Guid> = world.records(Theirs::SalesPersons).iter().filter_map(|row| guid(row, "externalSalesPersonId")).collect();
    let firms: Vec<Guid> = world.records(Theirs::Companies).iter().filter_map(|row| guid(row, "externalCompanyId")).collect();
    let mut note = |kind, table, id| assert!(planted.insert((kind, RecordId::new(table, id))));
    for _ in 0..4 {
        let (person, id, _) = next();
        assert!(world.sandbox.marketo.state().delete_lead(*person, now));
        note(Kind::Missing, Table::Contact, *id);
    }
    for _ in 0..4 {
        let (_, id, _) = next();
        world.insert_person(json!({"lastName": "Twice", "externalPersonId": id}));
        note(Kind::Duplicate, Table::Contact, *id);
    }
    for _ in 0..4 {
        let (person, id, row) = next();
        let other = owners.iter().find(|owner| Some(**owner) != guid(row, "externalSalesPersonId")).unwrap();
        world.update_person(*person, json!({"externalSalesPersonId": other}));
        note(Kind::Owner, Table::Contact, *id);
    }
    for _ in 0..4 {
        let (person, id, row) = next();
        let other = firms.iter().find(|firm| Some(**firm) != guid(row, "externalCompanyId")).unwrap();
        world.update_person(*person, json!({"externalCompanyId": other}));
        note(Kind::Company, Table::Contact, *id);
    }
    for _ in 0..3 {
        let (person, id, _) = next();
        world.update_person(*person, json!({"externalPersonId": id.to_string().to_uppercase()}));
        note(Kind::KeySpelling, Table::Contact, *id);
    }
    for _ in 0..2 {
        let (person, id, _) = next();
        world.update_person(*person, json!({"externalPersonId": null}));
        note(Kind::KeyDiffers, Table::Contact, *id);
    }
    for _ in 0..4 {
        let (person, id, _) = next();
        world.update_person(*person, json!({"lastName": "Somebody Else"}));
        note(Kind::Fields, Table::Contact, *id);
    }
    for _ in 0..3 {
        let (_, id, _) = next();
        let row = json!({"mkt_priority": 7}).as_object().unwrap().clone();
        world.sandbox.dataverse.state().update("contact", *id, row, now).unwrap();
        note(Kind::WriteBack, Table::Contact, *id);
    }
    let roles = world.records(Theirs::Roles);
    let deals: BTreeSet<Guid> = roles.iter().filter_map(|role| guid(role, "externalOpportunityId")).collect();
    let mut deals = deals.into_iter();
    let role_of = |deal: Guid| roles.iter().find(|role| guid(role, "externalOpportunityId") == Some(deal)).unwrap();
    for _ in 0..3 {
        let deal = deals.next().unwrap();
        delete(world, Theirs::Roles, role_of(deal));
        note(Kind::RoleMissing, Table::Opportunity, deal);
    }
    for _ in 0..3 {
        let deal = deals.next().unwrap();
        let lead = role_of(deal)["leadId"].clone();
        world.insert_record(Theirs::Roles, json!({"externalOpportunityId": deal, "leadId": lead, "role": "Bystander"}));
        note(Kind::RoleExtra, Table::Opportunity, deal);
    }
    let opportunities = world.records(Theirs::Opportunities);
    for deal in deals.by_ref().take(2) {
        let row = opportunities.iter().find(|row| guid(row, "externalOpportunityId") == Some(deal)).unwrap();
        set(world, Theirs::Opportunities, row, json!({"name": "Something else"}));
        note(Kind::Fields, Table::Opportunity, deal);
    }
    let companies = world.records(Theirs::Companies);
    for row in companies.iter().filter(|row| guid(row, "externalSalesPersonId").is_some()).step_by(3).take(2) {
        set(world, Theirs::Companies, row, json!({"company": "Something else"}));
        note(Kind::Fields, Table::Account, guid(row, "externalCompanyId").unwrap());
    }
    let sellers = world.records(Theirs::SalesPersons);
    for row in sellers.iter().take(2) {
        set(world, Theirs::SalesPersons, row, json!({"email": format!("{}@other.example", row["id"])}));
        note(Kind::Fields, Table::SystemUser, guid(row, "externalSalesPersonId").unwrap());
    }
    planted
}

#[tokio::test(start_paused = true)]
async fn an_audit_finds_what_was_changed_behind_our_back_and_has_it_mended() {
    let world = World::generated(PEOPLE, 1);
    world.cycle().await;
    world.cycle().await;
    let before = look(&world, false).await;
    assert_eq!(before.differences, []);
    assert!(before.compared[&Object::Lead] > PEOPLE / 2, "{:?}", before.compared);
    let planted = plant(&world);
    assert_eq!(planted.len(), 40);
    let found = look(&world, true).await;
    let differences: BTreeSet<(Kind, RecordId)> = found.differences.iter().map(|found| (found.kind, found.record)).collect();
    let list = |from: &BTreeSet<(Kind, RecordId)>, without: &BTreeSet<(Kind, RecordId)>| {
        from.difference(without).map(|(kind, record)| format!("{} {record}", kind.name())).collect::<Vec<_>>()
    };
    assert_eq!((list(&planted, &differences), list(&differences, &planted)), (vec![], vec![]));
    assert_eq!(found.total(), 40, "{:?}", found.counts);
    world.cycle().await;
    let after = look(&world, false).await;
    assert_eq!(after.differences, []);
    assert_eq!(after.unlinked, Vec::<i64>::new());
}

#[tokio::test(start_paused = true)]
async fn a_sample_is_a_part_of_it_and_always_the_same() {
    let world = World::generated(400, 1);
    world.cycle().await;
    let part = async || {
        let bridge = world.bridge().await;
        let report = audit(&bridge, Asked { sample_percent: 10.0, repair: false }).await.unwrap();
        bridge.close().await.unwrap();
        report.compared
    };
    let (first, second) = (part().await, part().await);
    assert_eq!(first, second);
    assert!((5..100).contains(&first[&Object::Lead]), "{first:?}");
}
