//! A plan changes nothing, says what the next cycle would write, and is carried out to the letter.

use std::collections::BTreeSet;

use base::{Object, Table};
use engine::{
    plan::{Act, Carried, Kept, Plan, Wanted, Why, carry_out, plan},
    summary::Pushed,
};
use sandbox::{activity, edits};
use serde_json::{Map, Value, json};

use crate::world::{ANN, FIRM, World, id};

const BO: u64 = 0x201;
const LEA: u64 = 0x101;
const DEAL: u64 = 0x501;

const ALL: Wanted = Wanted { samples: 3, values: true };

async fn planned(world: &World) -> Plan {
    world.fresh_records();
    let bridge = world.bridge().await;
    let plan = plan(&bridge, ALL).await.unwrap();
    bridge.close().await.unwrap();
    assert_eq!(written(world), [""; 0], "a plan writes nothing");
    // A file keeps it whole.
    serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap()
}

async fn carried(world: &World, plan: &Plan) -> Carried {
    world.fresh_records();
    let bridge = world.bridge().await;
    let carried = carry_out(&bridge, plan).await.unwrap();
    bridge.close().await.unwrap();
    carried
}

async fn kept(world: &World, plan: &Plan) -> Kept {
    match carried(world, plan).await {
        Carried::Out { error: None, kept, .. } => kept,
        other @ (Carried::Refused(_) | Carried::Out { .. }) => panic!("{other:?}"),
    }
}

/// What both sides were sent to write: of each record, as text.
fn written(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    // A call is made again when its token has expired.
    let mut met = BTreeSet::new();
    for sent in world.to_marketo.all() {
        let path = sent.path.trim_start_matches("/rest/v1/").to_owned();
        for record in sent.body["input"].as_array().into_iter().flatten() {
            let mut record = record.as_object().unwrap().clone();
            if !met.insert(format!("{path} {}", sorted(&record))) {
                continue;
            }
            // Nobody: whether people can be looked up so.
            if record.len() == 1 && record.contains_key("externalPersonId") {
                continue;
            }
            if path.contains("roles") {
                record.remove("leadId");
            }
            found.push(format!("{path} {}", sorted(&record)));
        }
    }
    for sent in world.to_dynamics.all() {
        for row in sent.body["Targets"].as_array().into_iter().flatten() {
            let mut row = row.as_object().unwrap().clone();
            row.remove("@odata.type");
            let key = ["leadid", "contactid"].into_iter().find_map(|key| row.remove(key)).unwrap();
            found.push(format!("row {} {}", key.as_str().unwrap(), sorted(&row)));
        }
    }
    found.sort();
    found
}

fn assert_same(sent: &[String], foretold: &[String]) {
    let not_in = |some: &[String], others: &[String]| some.iter().filter(|one| !others.contains(one)).take(5).cloned().collect::<Vec<_>>();
    let (unforeseen, missing) = (not_in(sent, foretold), not_in(foretold, sent));
    assert!(
        unforeseen.is_empty() && missing.is_empty() && sent.len() == foretold.len(),
        "unforeseen: {unforeseen:#?}\nmissing: {missing:#?}"
    );
}

fn sorted(record: &Map<String, Value>) -> String {
    let mut fields: Vec<String> = record.iter().map(|(name, value)| format!("{name}={value}")).collect();
    fields.sort();
    fields.join(" ")
}

/// The same, as a plan with values foretells it.
fn foretold(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for record in &plan.records {
        for write in &record.writes {
            // A merge has no body.
            if write.act == Act::Merge {
                continue;
            }
            let after = write.values.as_ref().unwrap();
            // What is removed is told by what is there.
            let told = |[before, after]: &[Value; 2]| if write.act == Act::Remove { before.clone() } else { after.clone() };
            let mut fields: Map<String, Value> = after.iter().map(|(name, values)| (name.clone(), told(values))).collect();
            fields.remove("contact");
            let mut path = match record.object {
                Object::SalesPerson => "salespersons",
                Object::Company => "companies",
                Object::Lead => "leads",
                Object::Opportunity => "opportunities",
                Object::Role => "opportunities/roles",
            }
            .to_owned();
            match write.act {
                Act::Remove => path.push_str("/delete.json"),
                Act::Unlink => {
                    fields.insert("externalPersonId".into(), Value::Null);
                    path.push_str(".json");
                }
                Act::Create | Act::Update | Act::Adopt | Act::Rekey | Act::Merge => path.push_str(".json"),
            }
            if let Some(person) = write.person.filter(|_| record.object == Object::Lead) {
                fields.insert("id".into(), person.into());
            }
            found.push(format!("{path} {}", sorted(&fields)));
        }
    }
    for row in &plan.rows {
        let fields: Map<String, Value> = row.values.clone().unwrap().into_iter().map(|(name, [_, value])| (name, value)).collect();
        found.push(format!("row {} {}", row.record.id, sorted(&fields)));
    }
    found.sort();
    found
}

/// A world in step, and after that changes of every kind on both sides.
async fn changed() -> World {
    let world = World::generated(600, 7);
    world.cycle().await;
    world.cycle().await;
    world.jump(3_600);
    let now = world.now();
    {
        let mut dynamics = world.sandbox.dataverse.state();
        edits::edit_people(&mut dynamics, 1, 8.0, now).unwrap();
        edits::edit_owners(&mut dynamics, 2, 5, now).unwrap();
        edits::edit_roles(&mut dynamics, 3, 9, now).unwrap();
    }
    activity::moments(&mut world.sandbox.marketo.state(), 4, 20, now);
    world.user(ANN, "Ann");
    world.account(FIRM, "A new firm");
    world
}

#[tokio::test(start_paused = true)]
async fn both_sides_see_exactly_the_planned_writes() {
    let world = changed().await;
    world.contact(BO, "Bo", json!({}));
    world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
    // Marketo has somebody with this address already.
    let known = world.insert_person(json!({"email": "lea@buyer.example", "lastName": "Lea", "title": "Chief"}));
    world.lead(LEA, "Lea", json!({"emailaddress1": "lea@buyer.example", "jobtitle": "Boss"}));
    let plan = planned(&world).await;
    assert_eq!(planned(&world).await.records, plan.records, "a second plan says the same");
    let people = &plan.objects[&Object::Lead];
    assert_eq!((people.created, people.adopted, plan.new_people), (1, 1, 1), "{people:?}");
    assert!(plan.rows.len() > 5 && people.updated > 30, "{:?}", plan.rows.len());
    let adopted = plan.samples.iter().find(|sample| sample.act == Some(Act::Adopt)).unwrap();
    assert_eq!((adopted.person, &adopted.values["title"]), (Some(known), &[json!("Chief"), json!("Boss")]));
    let Carried::Out { summary, error: None, kept } = carried(&world, &plan).await else { panic!() };
    assert_same(&written(&world), &foretold(&plan));
    assert_eq!((kept.done, &*kept.left_out), (plan.writes(), &[][..]));
    let counts = |pushed: &Pushed| (pushed.created, pushed.updated, pushed.adopted, pushed.removed, pushed.unlinked, pushed.merged);
    for object in Object::ALL {
        assert_eq!(counts(&summary.pushed[&object]), counts(&plan.objects[&object]), "{object}");
    }
    world.assert_agreed();
    let after = planned(&world).await;
    assert_eq!(after.writes(), 0, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_first_load_is_planned_too() {
    let world = World::generated(300, 3);
    let plan = planned(&world).await;
    assert!(plan.new_people > 250, "{}", plan.new_people);
    let kept = kept(&world, &plan).await;
    assert_same(&written(&world), &foretold(&plan));
    assert_eq!((kept.done, &*kept.left_out), (plan.writes(), &[][..]));
}

#[tokio::test(start_paused = true)]
async fn what_changed_a_little_is_left_out_and_what_changed_much_is_refused() {
    let world = changed().await;
    let plan = planned(&world).await;
    let people: Vec<_> = plan
        .records
        .iter()
        .filter(|record| record.object == Object::Lead && record.record.table == Table::Contact && !record.writes.is_empty())
        .map(|record| record.record)
        .collect();
    let touched = usize::try_from(plan.touched()).unwrap();
    let edit = |count: usize, title: &str| {
        let now = world.now();
        for record in people.iter().take(count) {
            let row = json!({"jobtitle": title}).as_object().unwrap().clone();
            world.sandbox.dataverse.state().update("contact", record.id, row, now).unwrap();
        }
    };
    edit(touched / 10 + 1, "Many");
    let Carried::Refused(refusal) = carried(&world, &plan).await else { panic!() };
    assert_eq!((refusal.changed.len(), refusal.of), (touched / 10 + 1, plan.touched()));
    assert!(refusal.changed.iter().all(|left| left.why == Why::Changed && people.contains(&left.record)), "{refusal:?}");
    assert_eq!(written(&world), [""; 0]);
    let plan = planned(&world).await;
    let few = touched.div_ceil(100);
    edit(few, "Few");
    // What wasn't there when the plan was made isn't sent either.
    world.contact(BO, "Bo", json!({}));
    let kept = kept(&world, &plan).await;
    let left_out: BTreeSet<_> = kept.left_out.iter().map(|left| (left.record, left.why)).collect();
    let mut expected: BTreeSet<_> = people.iter().take(few).map(|record| (*record, Why::Changed)).collect();
    expected.insert((base::RecordId::new(Table::Contact, id(BO)), Why::New));
    assert_eq!(left_out, expected);
    assert_eq!(kept.done, plan.writes() - few as u64);
    let (foretold, sent) = (foretold(&plan), written(&world));
    let unforeseen: Vec<_> = sent.iter().filter(|write| !foretold.contains(write)).take(5).collect();
    assert!(unforeseen.is_empty() && sent.len() as u64 == kept.done, "{unforeseen:#?} {} {}", sent.len(), kept.done);
    world.cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_person_who_came_to_marketo_meanwhile_is_not_written_as_planned() {
    let world = World::small();
    world.clean_cycle().await;
    for n in 0..40 {
        world.lead(LEA + n, "Lea", json!({"emailaddress1": format!("lea{n}@buyer.example")}));
    }
    let plan = planned(&world).await;
    assert_eq!(plan.new_people, 40);
    world.insert_person(json!({"email": "lea7@buyer.example", "lastName": "Lea"}));
    let kept = kept(&world, &plan).await;
    assert_eq!(kept.left_out.iter().map(|left| (left.record.id, left.why)).collect::<Vec<_>>(), [(id(LEA + 7), Why::Changed)]);
    assert_eq!(kept.done, plan.writes() - 1);
}

/// What needs several calls, each of which depends on what the one before it did.
#[tokio::test(start_paused = true)]
async fn merges_partings_and_twins_are_planned_whole() {
    const CY: u64 = 0x202;
    const DI: u64 = 0x203;
    const EVA: u64 = 0x204;
    const OLD: u64 = 0x502;
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    world.lead(LEA, "Lea", json!({"jobtitle": "Chief", "telephone1": "+1 555 0100"}));
    world.deal(DEAL, json!({"parentcontactid": ["contact", CY]}));
    world.deal(OLD, json!({"parentcontactid": ["contact", BO]}));
    world.clean_cycle().await;
    // Its person is to be merged into Bo's, which takes over what it has nothing of; that is made right again.
    world.update("lead", LEA, json!({"statecode": 1, "statuscode": 3, "parentcontactid": ["contact", BO]}));
    world.delete("contact", CY);
    world.delete("opportunity", OLD);
    // Two records with one e-mail: the first is created by it, the second by its key.
    world.contact(DI, "Di", json!({"emailaddress1": "both@buyer.example"}));
    world.contact(EVA, "Eva", json!({"emailaddress1": "both@buyer.example"}));
    world.deal(0x503, json!({"parentcontactid": ["contact", EVA]}));
    let plan = planned(&world).await;
    let people = &plan.objects[&Object::Lead];
    assert_eq!((people.created, people.merged, people.unlinked, plan.objects[&Object::Opportunity].removed), (2, 1, 1, 1), "{people:?}");
    let kept = kept(&world, &plan).await;
    assert_same(&written(&world), &foretold(&plan));
    assert_eq!((kept.done, &*kept.left_out), (plan.writes(), &[][..]));
    world.assert_agreed();
    assert_eq!(planned(&world).await.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_brake_stops_is_told_and_let_through_only_on_request() {
    let world = World::small();
    for n in 0..30 {
        world.contact(BO + n, "Bo", json!({"emailaddress1": format!("bo{n}@buyer.example")}));
    }
    world.clean_cycle().await;
    for n in 0..30 {
        world.delete("contact", BO + n);
    }
    let strict = |allow: &[&str]| {
        let allow = allow.iter().map(|kind| (*kind).to_owned()).collect();
        engine::options::RunOptions { allow, ..Default::default() }
    };
    let made = async |allow: &[&str]| {
        let mut bridge = world.bridge_for(strict(allow)).await;
        bridge.options.brake = engine::options::Brake { percent: 1.0, count: 5 };
        let plan = plan(&bridge, ALL).await.unwrap();
        bridge.close().await.unwrap();
        plan
    };
    let stopped = made(&[]).await;
    assert_eq!((stopped.writes(), stopped.stopped_by_brake.values().sum::<u64>()), (0, 30), "{:?}", stopped.stopped_by_brake);
    let kind = stopped.stopped_by_brake.keys().next().unwrap().clone();
    let allowed = made(&[&kind]).await;
    assert_eq!((allowed.writes(), allowed.objects[&Object::Lead].unlinked), (30, 30));
    assert!(allowed.allow.contains(&kind));
}

#[tokio::test(start_paused = true)]
async fn what_marketers_changed_meanwhile_is_not_written_over() {
    let world = World::small();
    for n in 0..40 {
        world.contact(BO + n, "Bo", json!({"emailaddress1": format!("bo{n}@buyer.example"), "jobtitle": "Clerk"}));
    }
    world.clean_cycle().await;
    for n in 0..40 {
        world.update("contact", BO + n, json!({"jobtitle": "Boss"}));
    }
    let plan = planned(&world).await;
    assert_eq!(plan.samples[0].values["title"], [json!("Clerk"), json!("Boss")]);
    world.update_person(world.persons_of(BO)[0], json!({"title": "Chief"}));
    let kept = kept(&world, &plan).await;
    assert_eq!(kept.left_out.iter().map(|left| (left.record.id, left.why)).collect::<Vec<_>>(), [(id(BO), Why::Changed)]);
    assert_eq!((kept.done, &world.person(BO)["title"]), (39, &json!("Chief")));
}

#[tokio::test(start_paused = true)]
async fn what_has_gone_in_marketo_already_is_removed_in_vain_and_left_to_nobody() {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
    world.clean_cycle().await;
    let role = world.records(marketo_emulator::Object::Roles).remove(0);
    let now = world.now();
    assert!(world.sandbox.marketo.state().delete(marketo_emulator::Object::Roles, &role["marketoGUID"], now));
    world.update("opportunity", DEAL, json!({"parentcontactid": null}));
    let plan = planned(&world).await;
    assert_eq!(plan.objects[&Object::Role].removed, 1);
    let kept = kept(&world, &plan).await;
    assert_eq!((plan.writes(), kept.done, &*kept.left_out), (0, 0, &[][..]));
    assert!(world.roles(DEAL).is_empty());
    assert_eq!(planned(&world).await.writes(), 0);
}
