//! R4, R11: the process dies between any two calls of a re-key or a merge, and the next one ends as one person, with its history.

use serde_json::json;
use sim::{
    step::{Cycle, Kill, Step},
    tap::Nth,
};

use crate::world::{World, id};

const LEA: u64 = 0x101;
const LUZ: u64 = 0x102;
const CARL: u64 = 0x201;
const CLEO: u64 = 0x202;
const NEW: u64 = 0x203;
const DEAL: u64 = 0x501;

/// A lead that becomes a new contact, one that becomes a contact with a person of its own, and two contacts that become one.
async fn changed() -> (World, [i64; 4]) {
    let world = World::small();
    world.lead(LEA, "Lea", json!({}));
    world.lead(LUZ, "Luz", json!({}));
    world.contact(CARL, "Carl", json!({}));
    world.contact(CLEO, "Cleo", json!({"telephone1": "7"}));
    world.deal(DEAL, json!({"parentcontactid": ["contact", CLEO]}));
    world.clean_cycle().await;
    let persons = [LEA, LUZ, CARL, CLEO].map(|n| world.persons_of(n)[0]);
    for (n, person) in [(1, persons[0]), (2, persons[1])] {
        let now = world.now();
        assert!(world.sandbox.marketo.state().interesting_moment(person, "Web", &format!("looked {n}"), "site", now));
    }
    world.contact(NEW, "Lea", json!({"originatingleadid": ["lead", LEA], "emailaddress1": "lea@prospect.example"}));
    for (lead, contact) in [(LEA, NEW), (LUZ, CARL)] {
        world.update("lead", lead, json!({"statecode": 1, "statuscode": 3, "parentcontactid": ["contact", contact]}));
    }
    let now = world.now();
    world.sandbox.dataverse.state().merge("contact", id(CARL), id(CLEO), serde_json::Map::new(), now).unwrap();
    (world, persons)
}

async fn killed(kill: Kill) -> bool {
    let (mut world, [lea, luz, carl, cleo]) = changed().await;
    let died = world.perform(Step::Cycle(Cycle { kill: Some(kill), ..Cycle::default() })).await.unwrap().died;
    world.clean_cycle().await;
    assert_eq!((world.persons_of(NEW), world.persons_of(CARL), world.people().len()), (vec![lea], vec![carl], 2), "{kill:?}");
    for gone in [luz, cleo] {
        assert!(world.sandbox.marketo.state().lead(gone).is_none(), "{kill:?}");
    }
    // The deal's contact, and what was done by each, is the survivor's.
    assert_eq!(world.roles(DEAL), [(carl, "Primary Contact".to_owned(), true)], "{kill:?}");
    assert_eq!(world.dynamics("contact", NEW)["mkt_lastinterestingmomentdesc"], json!("looked 1"), "{kill:?}");
    assert_eq!(world.person(CARL).get("phone"), None, "{kill:?}: Cleo's telephone was ours");
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0, "{kill:?}");
    died
}

async fn at_every_call(kill: impl Fn(u64) -> Kill) -> u64 {
    let mut n = 1;
    while killed(kill(n)).await {
        n += 1;
    }
    n - 1
}

#[tokio::test(start_paused = true)]
async fn before_any_call_to_marketo() {
    let points = at_every_call(|n| Kill::Before(Nth::Call(n))).await;
    assert!(points >= 8, "{points} calls only");
}

#[tokio::test(start_paused = true)]
async fn after_any_call_to_marketo() {
    let points = at_every_call(|n| Kill::After(Nth::Call(n))).await;
    assert!(points >= 8, "{points} calls only");
}

#[tokio::test(start_paused = true)]
async fn after_any_call_to_dynamics() {
    let points = at_every_call(|n| Kill::After(Nth::DynamicsCall(n))).await;
    assert!(points >= 8, "{points} calls only");
}
