//! What is held is tried again on request, or dismissed: then it isn't tried again until something else would be sent, and nothing is lost.

use std::{collections::BTreeSet, time::Duration};

use base::{Guid, Object};
use emulator::Effect;
use engine::{
    Bridge, erase,
    held::{
        self, Dismissal, Dismissals, HeldRecord, Listing, Selection, State, Waiting, dismiss,
        retry::{self, Reach, Retried},
    },
    options::Join,
    support::{self, Personal},
};
use futures::FutureExt;
use marketo_emulator::Object as Theirs;
use serde_json::json;
use store::{
    Batch, StoreExt,
    record::{Outbox, OutboxState},
};

use sim::{
    step::{Cycle, Kill, Step},
    tap::Nth,
};

use crate::world::{World, id, refuse};

const HOUR: Duration = Duration::from_secs(3600);
const BO: u64 = 0x201;
const CY: u64 = 0x202;
const LEA: u64 = 0x101;
const DEAL: u64 = 0x501;

/// Bo's text is too long for Marketo.
async fn world() -> World {
    let world = World::small();
    world.clean_cycle().await;
    // The describe that was just read tells of a longer field, so that the text isn't cut.
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(5));
    world.contact(BO, "Bo", json!({"jobtitle": "Director"}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("1003".to_owned(), 1)]);
    world
}

/// Two people of Marketo's could be Bo.
async fn ambiguous() -> World {
    let world = World::small();
    for _ in 0..2 {
        world.insert_person(json!({"email": "bo@buyer.example"}));
    }
    world.contact(BO, "Bo", json!({}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("ambiguous".to_owned(), 1)]);
    world
}

async fn bridge<T>(world: &World, work: impl AsyncFnOnce(&Bridge) -> T) -> T {
    let bridge = world.bridge().await;
    let done = work(&bridge).boxed_local().await;
    bridge.close().await.unwrap();
    done
}

/// Dismisses all that is left of a record; gives how many others wait for it.
async fn dismiss(world: &World, n: u64) -> u64 {
    bridge(world, async |bridge| {
        let found = dismiss::find(bridge, &[id(n)]).await.unwrap();
        assert!(!found.records.is_empty() && found.stay.is_empty(), "{found:?}");
        dismiss::dismiss(bridge, &found, "ann", "a test person").await.unwrap();
        found.waited_for_by
    })
    .await
}

async fn retry(world: &World, ids: &[u64], reach: Reach) -> Retried {
    let ids: Vec<Guid> = ids.iter().map(|n| id(*n)).collect();
    bridge(world, async |bridge| retry::retry(bridge, &Selection::of(ids), reach).await.unwrap()).await
}

async fn dismissed(world: &World) -> Vec<Dismissal> {
    Dismissals::new(&world.store, Selection::default()).next_page().await.unwrap().unwrap_or_default()
}

/// The first person in the outbox.
async fn entry(world: &World) -> Outbox {
    world.store.list::<Outbox>(&[Object::Lead.code()], None, 1).await.unwrap().pop().unwrap()
}

async fn put(world: &World, entry: &Outbox) {
    bridge(world, async |bridge| {
        let mut batch = Batch::new();
        batch.put(entry);
        bridge.commit(batch).await.unwrap();
    })
    .await;
}

/// All that is held or waits.
async fn left(world: &World) -> Vec<HeldRecord> {
    let mut listing = Listing::new(&world.store, Selection::default(), Waiting::Listed);
    let mut left = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        left.extend(page);
    }
    left
}

#[tokio::test(start_paused = true)]
async fn what_is_dismissed_stays_so_whatever_is_read_and_whatever_time_passes() {
    let mut world = ambiguous().await;
    dismiss(&world, BO).await;
    let kept = dismissed(&world).await;
    assert_eq!((kept[0].record.code.as_deref(), kept[0].by.as_str(), kept[0].why.as_str()), (Some("ambiguous"), "ann", "a test person"));
    world.clean_cycle().await;
    // The whole table is read.
    world.sandbox.dataverse.state().expire_delta_tokens();
    let ran = world.clean_cycle().await;
    assert!(ran.summary.captured["contact"].rows > 0, "{:?}", ran.summary.captured);
    // A day passes; what is held is tried; a policy changes; a column that isn't mapped does.
    world.pass(25 * HOUR).await;
    world.clean_cycle().await;
    world.retry_held = true;
    world.clean_cycle().await;
    world.retry_held = false;
    world.options.policy.require_company = true;
    world.clean_cycle().await;
    world.update("contact", BO, json!({"description": "tea"}));
    world.clean_cycle().await;
    assert_eq!((world.to_marketo.all().len(), world.people().len()), (0, 2));
    assert_eq!(dismissed(&world).await, kept);
    // Somebody else's address makes it another question.
    world.update("contact", BO, json!({"emailaddress1": "bob@buyer.example"}));
    world.clean_cycle().await;
    assert_eq!((world.people().len(), dismissed(&world).await.len()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_dismissed_comes_back_when_its_row_changes() {
    // Mended: it is sent. Still too long: it is held again. As Marketo has it: nothing is left of it.
    for (title, left_as) in [("Clerk", None), ("Directress", Some("1003"))] {
        let world = world().await;
        dismiss(&world, BO).await;
        world.clean_cycle().await;
        world.update("contact", BO, json!({"jobtitle": title}));
        let ran = world.cycle().await;
        let held: Vec<String> = ran.held(Object::Lead).into_iter().map(|(code, _)| code).collect();
        assert_eq!((held.first().map(String::as_str), world.people().len()), (left_as, usize::from(left_as.is_none())));
        assert_eq!(dismissed(&world).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn another_field_map_makes_it_another_question() {
    let mut world = world().await;
    dismiss(&world, BO).await;
    world.clean_cycle().await;
    world.options.fields.contact.insert("title".into(), planner::FieldSpec::Off(false));
    world.clean_cycle().await;
    assert_eq!((world.people().len(), dismissed(&world).await.len()), (1, 0));
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(255));
    world.options.fields.contact.clear();
    world.clean_cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_dismissed_leaves_what_marketo_has() {
    let world = World::small();
    world.contact(BO, "Bo", json!({"jobtitle": "Chief"}));
    world.clean_cycle().await;
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(5));
    world.update("contact", BO, json!({"jobtitle": "Director", "telephone1": "7"}));
    world.cycle().await;
    dismiss(&world, BO).await;
    world.clean_cycle().await;
    assert_eq!((&world.person(BO)["title"], world.person(BO).get("phone")), (&json!("Chief"), None));
    // Back as Marketo has it, nothing is sent and nothing is remembered.
    world.update("contact", BO, json!({"jobtitle": "Chief", "telephone1": null}));
    world.clean_cycle().await;
    assert_eq!((world.to_marketo.all().len(), dismissed(&world).await.len()), (0, 0));
    // What was dismissed with it is sent with the next change.
    world.update("contact", BO, json!({"jobtitle": "Director", "telephone1": "8"}));
    world.cycle().await;
    dismiss(&world, BO).await;
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    world.clean_cycle().await;
    assert_eq!((&world.person(BO)["title"], &world.person(BO)["phone"]), (&json!("Clerk"), &json!("8")));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_person_that_marketo_loses_is_another_question() {
    let world = World::small();
    world.contact(BO, "Bo", json!({"jobtitle": "Chief"}));
    world.clean_cycle().await;
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(5));
    world.update("contact", BO, json!({"jobtitle": "Director"}));
    world.cycle().await;
    dismiss(&world, BO).await;
    world.clean_cycle().await;
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(255));
    let (person, now) = (world.persons_of(BO)[0], world.now());
    assert!(world.sandbox.marketo.state().delete_lead(person, now));
    world.pass(HOUR).await;
    world.clean_cycle().await;
    assert_eq!((&world.person(BO)["title"], dismissed(&world).await.len()), (&json!("Director"), 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_it_goes_on_waiting_and_comes_back_when_that_comes() {
    let world = ambiguous().await;
    world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
    world.cycle().await;
    assert_eq!(dismiss(&world, BO).await, 1, "the role waits");
    let ran = world.cycle().await;
    assert_eq!((ran.pushed(Object::Role).waiting, ran.summary.exit_code), (1, 3));
    world.pass(25 * HOUR).await;
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Role), [("parent-missing".to_owned(), 1)]);
    let role = left(&world).await.pop().unwrap();
    assert_eq!((role.waits_for.map(|on| on.id), role.retry_at), (Some(id(BO)), None));
    // It can be dismissed as well, while it only waits, too; then nothing is left.
    dismiss(&world, DEAL).await;
    world.clean_cycle().await;
    world.sandbox.dataverse.state().expire_delta_tokens();
    world.clean_cycle().await;
    assert_eq!(dismissed(&world).await.len(), 2);
    // Its person comes, and the role with it.
    world.update("contact", BO, json!({"emailaddress1": "bob@buyer.example"}));
    world.clean_cycle().await;
    assert_eq!((world.roles(DEAL).len(), dismissed(&world).await.len()), (1, 0));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_dismissed_stays_so_while_it_is_wanted_as_it_was() {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    world.clean_cycle().await;
    world.marketo_fault("roles.sync", refuse("1003"), None);
    world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
    while world.try_cycle().await.pushed(Object::Role).held_total() == 0 {}
    dismiss(&world, DEAL).await;
    world.heal();
    world.clean_cycle().await;
    world.sandbox.dataverse.state().expire_delta_tokens();
    world.clean_cycle().await;
    world.connect(0x601, DEAL, CY, None);
    world.clean_cycle().await;
    assert_eq!((world.roles(DEAL).len(), dismissed(&world).await.len()), (1, 1), "only the new one");
    // Once it isn't wanted any more, it is forgotten; wanted again, it is a new one.
    world.update("opportunity", DEAL, json!({"parentcontactid": null}));
    world.clean_cycle().await;
    assert_eq!(dismissed(&world).await, []);
    world.update("opportunity", DEAL, json!({"parentcontactid": ["contact", BO]}));
    world.clean_cycle().await;
    assert_eq!(world.roles(DEAL).len(), 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn two_persons_that_are_to_be_one_can_be_let_be() {
    let mut world = World::small();
    world.options.policy.on_qualify = Join::Hold;
    world.contact(BO, "Bo", json!({}));
    world.lead(LEA, "Bo", json!({}));
    world.clean_cycle().await;
    world.update("lead", LEA, json!({"statecode": 1, "statuscode": 3, "parentcontactid": ["contact", BO]}));
    assert_eq!(world.cycle().await.held(Object::Lead), [("two-persons".to_owned(), 1)]);
    dismiss(&world, LEA).await;
    world.clean_cycle().await;
    world.sandbox.dataverse.state().expire_delta_tokens();
    world.clean_cycle().await;
    assert_eq!((world.people().len(), dismissed(&world).await.len()), (2, 1));
    // Somebody takes it back, and by policy they are merged now.
    world.options.policy.on_qualify = Join::Merge;
    world.clean_cycle().await;
    assert_eq!(world.people().len(), 2, "a policy alone brings nothing back");
    assert_eq!(retry(&world, &[LEA], Reach::Both).await.taken_back, 1);
    world.clean_cycle().await;
    assert_eq!(world.people().len(), 1);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_deleted_or_erased_takes_its_dismissal_along() {
    for erased in [false, true] {
        let world = world().await;
        dismiss(&world, BO).await;
        match erased {
            true => {
                bridge(&world, async |bridge| {
                    let erasure = erase::find(bridge, &id(BO).to_string(), None).await.unwrap().unwrap();
                    erase::erase(bridge, &erasure).await.unwrap();
                })
                .await;
            }
            false => world.delete("contact", BO),
        }
        world.clean_cycle().await;
        assert_eq!((dismissed(&world).await.len(), world.people().len()), (0, 0), "erased: {erased}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_answer_may_have_done_is_remembered() {
    let world = World::small();
    world.contact(BO, "Bo", json!({"jobtitle": "Chief"}));
    world.clean_cycle().await;
    // Marketo takes the new title, and nobody hears of it.
    world.marketo_fault("leads.sync", Effect::DropAfter, None);
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    world.try_cycle().await;
    world.heal();
    assert_eq!(world.person(BO)["title"], json!("Clerk"));
    // Then it refuses the same, and that is dismissed.
    world.marketo_fault("leads.sync", refuse("1003"), None);
    while world.try_cycle().await.pushed(Object::Lead).held_total() == 0 {}
    dismiss(&world, BO).await;
    world.heal();
    world.clean_cycle().await;
    // The first title comes back: Marketo doesn't have it any more, whatever was confirmed.
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["title"], json!("Chief"));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn whom_marketo_has_by_a_lost_answer_is_not_dismissed() {
    let mut world = World::small();
    world.clean_cycle().await;
    world.contact(BO, "Bo", json!({}));
    let kill = Some(Kill::After(Nth::Write(1)));
    assert!(world.perform(Step::Cycle(Cycle { kill, ..Cycle::default() })).await.unwrap().died);
    assert_eq!(world.people().len(), 1);
    // Whatever else holds it meanwhile.
    let find = async || bridge(&world, async |bridge| dismiss::find(bridge, &[id(BO)]).await.unwrap()).await;
    assert!(matches!(&*find().await.stay, [stays] if stays.why.contains("next sync")));
    let mut entry = entry(&world).await;
    let (code, now) = ("1003".to_owned(), world.now());
    entry.body.state = OutboxState::Held { code, reason: "too long".into(), retry_at: now };
    put(&world, &entry).await;
    let found = find().await;
    assert!(found.records.is_empty() && matches!(&*found.stay, [stays] if stays.why.contains("never answered")), "{found:?}");
    world.clean_cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_tried_however_much_it_is() {
    let world = World::small();
    for n in 0..330 {
        world.contact(0x1000 + n, &format!("P{n}"), json!({}));
        for _ in 0..2 {
            world.insert_person(json!({"email": format!("p{n}@buyer.example")}));
        }
    }
    world.cycle().await;
    let all = bridge(&world, async |bridge| retry::retry(bridge, &Selection::default(), Reach::Held).await.unwrap()).await;
    assert_eq!((all.retried.get("ambiguous"), all.waiting, all.total()), (Some(&330), 0, 330));
    world.cycle().await;
    assert_eq!(world.to_marketo.records("leads.json").len(), 330, "the small budget is for what is tried by itself");
    world.cycle().await;
    assert_eq!(world.to_marketo.records("leads.json").len(), 0, "once");
    // Only one.
    assert_eq!(retry(&world, &[0x1007], Reach::Both).await.total(), 1);
    world.cycle().await;
    assert_eq!(world.to_marketo.records("leads.json").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn lists_name_all_that_is_left_and_nothing_of_a_person() {
    let world = world().await;
    world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
    world.cycle().await;
    let left = left(&world).await;
    let states: BTreeSet<(Object, State)> = left.iter().map(|record| (record.object, record.state)).collect();
    assert_eq!(states, [(Object::Lead, State::Held), (Object::Role, State::Waiting)].into());
    // Marketo's words may quote what they refuse.
    let mut entry = entry(&world).await;
    let (code, reason) = ("1003".to_owned(), "Value 'Director' of 'title' isn't taken: lead bo@buyer.example, Bo".to_owned());
    entry.body.state = OutboxState::Held { code, reason, retry_at: world.now() };
    put(&world, &entry).await;
    let told = self::left(&world).await.remove(0).reason.unwrap();
    assert_eq!(told, "Value '***' of 'title' isn't taken: lead ***, ***");
    let bundle = support::of_state(&world.store, world.now(), Personal::LeftOut).await.unwrap().to_string();
    assert!(bundle.contains(&told) && !bundle.contains("Director") && !bundle.contains('@'), "{bundle}");
    let values = held::values::of_record(&world.store, id(BO)).await.unwrap();
    assert!(values[0].open["title"] == json!("Director") && values[0].reason.as_ref().is_some_and(|reason| reason.contains("Director")));
    assert_eq!(held::of_record(&world.store, id(BO)).await.unwrap()[0].id, left[0].id);
}
