//! A generated organisation: the first synchronisation agrees in full, the next ones send what changed and nothing else.

use std::collections::BTreeSet;

use base::{Guid, Object};
use sandbox::edits::{self, Change};

use crate::world::World;

const SEEDS: [u64; 3] = [1, 7, 40];

/// The writes to Marketo that arrived since the last cycle began.
fn writes(world: &World) -> Vec<String> {
    let journal = world.sandbox.marketo.journal();
    let is_write = |name: &str| [".sync", ".delete", ".push", ".merge"].iter().any(|verb| name.ends_with(verb));
    journal.counts.keys().filter(|name| is_write(name)).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_sync_agrees_in_full_and_the_second_sends_nothing() {
    for seed in SEEDS {
        let world = World::generated(300, seed);
        let census = world.sandbox.census();
        let first = world.cycle().await;
        world.assert_agreed();
        let held: u64 = first.summary.pushed.values().map(engine::summary::Pushed::held_total).sum();
        assert_eq!(held, census.expected.held_ambiguous, "seed {seed}: {:?}", first.held(Object::Lead));
        assert_eq!(first.pushed(Object::SalesPerson).created, census.expected.sales_persons, "seed {seed}");
        assert_eq!(first.pushed(Object::Company).created, census.expected.companies, "seed {seed}");
        assert_eq!(first.pushed(Object::Opportunity).created, census.expected.opportunities, "seed {seed}");
        assert_eq!(first.pushed(Object::Role).waiting, census.expected.roles_waiting, "seed {seed}");

        let second = world.cycle().await;
        assert_eq!(writes(&world), Vec::<String>::new(), "seed {seed}");
        assert_eq!((second.written(), second.fields()), (0, 0), "seed {seed}");
        assert!(second.marketo_calls() <= 6, "seed {seed}: {:?}", second.summary.marketo_calls);
        assert_eq!(second.summary.written_back.written, 0, "seed {seed}");
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_edited_is_sent_and_nothing_else() {
    for seed in SEEDS {
        let world = World::generated(300, seed);
        world.cycle().await;
        let now = world.now();
        let edits = edits::edit_people(&mut world.sandbox.dataverse.state(), seed * 1000 + 17, 4.0, now).unwrap();
        assert!(!edits.is_empty(), "seed {seed}");
        let in_marketo = world.sandbox.marketo.state().leads_by_person();
        // A lead's company name goes nowhere, and a held person isn't sent.
        let goes = |column: &&&str| **column != "companyname";
        let sent: Vec<(Guid, usize)> = edits
            .iter()
            .filter(|edit| in_marketo.contains_key(&edit.id.to_string()))
            .filter_map(|edit| match &edit.change {
                Change::Columns(columns) => Some((edit.id, columns.iter().filter(goes).count())),
                Change::Created | Change::Deleted => None,
            })
            .filter(|(_, columns)| *columns > 0)
            .collect();

        let ran = world.cycle().await;
        let expected: u64 = sent.iter().map(|(_, columns)| *columns as u64).sum();
        assert_eq!(ran.pushed(Object::Lead).fields, expected, "seed {seed}");
        assert_eq!(ran.pushed(Object::Lead).updated, sent.len() as u64, "seed {seed}");
        assert_eq!(ran.written(), sent.len() as u64, "seed {seed}: nothing but people");
        // A held person whose row changed is tried again, without an id.
        let mut records = world.to_marketo.records("leads.json");
        records.retain(|record| record.contains_key("id"));
        let ids: BTreeSet<i64> = records.iter().filter_map(|record| record["id"].as_i64()).collect();
        let wanted: BTreeSet<i64> = sent.iter().map(|(id, _)| in_marketo[&id.to_string()][0]).collect();
        assert_eq!(ids, wanted, "seed {seed}");
        assert_eq!(records.iter().map(|record| record.len() - 1).sum::<usize>() as u64, expected, "seed {seed}: {records:?}");
        world.assert_agreed();

        let third = world.cycle().await;
        assert_eq!((third.written(), writes(&world).len()), (0, 0), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn random_edits_of_owners_and_roles_arrive() {
    let world = World::generated(300, 3);
    world.cycle().await;
    for round in 0..2 {
        let now = world.now();
        {
            let mut dynamics = world.sandbox.dataverse.state();
            edits::edit_people(&mut dynamics, round, 2.0, now).unwrap();
            edits::edit_owners(&mut dynamics, round + 10, 6, now).unwrap();
            edits::edit_roles(&mut dynamics, round + 20, 9, now).unwrap();
        }
        sandbox::activity::moments(&mut world.sandbox.marketo.state(), round, 20, now);
        let ran = world.cycle().await;
        assert!(ran.written() > 0);
        world.assert_agreed();
    }
    let last = world.cycle().await;
    assert_eq!((last.written(), last.summary.written_back.written), (0, 0));
}
