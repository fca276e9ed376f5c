//! A schema that changes between two cycles stops the field that it concerns and nothing else: it is named with what to do, nothing is blanked, and
//! what changed meanwhile arrives once it fits again.

use std::{sync::Arc, time::Duration};

use base::{Object, Table};
use dataverse_emulator::schema::{Column, Kind, NewColumn};
use engine::{
    Quota, SyncError,
    check::{About, Finding, Grade, check},
    cycle,
    map::map,
    options::Filter,
};
use marketo_emulator::{DataType, FieldSpec, Object as Theirs};
use planner::{FieldSpec as Entry, mapping::DetailedSpec};
use sandbox::control::{Operation, Side};
use serde_json::{Value, json};

use crate::pages;
use crate::world::{World, id};
use sim::tap::{Act, Moment, Nth};

const BO: u64 = 0x31;
const CY: u64 = 0x32;

/// Longer than how long Marketo's describes are believed.
pub(crate) const A_DAY: Duration = Duration::from_secs(25 * 3_600);

pub(crate) async fn look(world: &World) -> Vec<Finding> {
    let (dynamics, marketo) = world.clients();
    let about = About { quota: Some(Quota::default()), last_run: None, state: Some(Arc::new(world.store.clone())) };
    check(dynamics, marketo, world.options.clone(), about, None).await
}

/// A text column of a table, as an administrator makes it.
pub(crate) fn make(world: &World, table: &str, name: &str, label: &str, kind: Kind) {
    let new = NewColumn { name: name.into(), schema: None, label: Some(label.into()), kind, options: vec![], targets: vec![] };
    world.sandbox.dataverse.state().add_column(table, new, world.now()).unwrap();
}

pub(crate) fn edit(world: &World, table: &str, name: &str, edit: impl FnOnce(&mut Column)) {
    world.sandbox.dataverse.state().edit_column(table, name, edit).unwrap();
}

pub(crate) fn remove(world: &World, table: &str, name: &str) {
    world.sandbox.dataverse.state().remove_column(table, name).unwrap();
}

pub(crate) fn rename(world: &World, table: &str, from: &str, to: &str) {
    world.sandbox.dataverse.state().rename_column(table, from, to).unwrap();
}

fn field(name: &str, kind: DataType) -> FieldSpec {
    FieldSpec { display_name: "Job Title".into(), ..FieldSpec::new(name, kind) }
}

pub(crate) fn remove_field(world: &World, name: &str) {
    assert!(world.sandbox.marketo.state().remove_field(Theirs::Leads, name));
}

pub(crate) fn add_field(world: &World, spec: FieldSpec) {
    assert!(world.sandbox.marketo.state().add_field(Theirs::Leads, spec));
}

fn read_only(world: &World, name: &str, read_only: bool) {
    assert!(world.sandbox.marketo.state().set_field_read_only(Theirs::Leads, name, read_only));
}

/// The records sent to Marketo's people in the last cycle, without their ids.
fn sent(world: &World) -> Vec<Value> {
    let mut records = world.to_marketo.records("leads.json");
    records.iter_mut().for_each(|record| drop(record.remove("id")));
    records.into_iter().map(Value::Object).collect()
}

/// A change that stops the field `title`, which comes from `jobtitle`.
struct Stopping {
    name: &'static str,
    happens: fn(&World),
    /// Bo's new title, where it can be written.
    edited: fn(&World),
    /// A part of what is told, and of what to do.
    told: (&'static str, &'static str),
    mended: fn(&World),
}

fn titles(world: &World) {
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    world.update("contact", CY, json!({"jobtitle": "Owner"}));
}

const STOPPING: &[Stopping] = &[
    Stopping {
        name: "Dynamics: removed",
        happens: |world| remove(world, "contact", "jobtitle"),
        edited: |_| (),
        told: ("Dynamics' table contact no longer has the column jobtitle", "title = false"),
        mended: |world| {
            make(world, "contact", "jobtitle", "Job Title", Kind::Text(100));
            titles(world);
        },
    },
    Stopping {
        name: "Dynamics: renamed",
        happens: |world| rename(world, "contact", "jobtitle", "new_jobtitle"),
        edited: |world| world.update("contact", BO, json!({"new_jobtitle": "Clerk"})),
        told: ("perhaps it is called new_jobtitle now", "title = \"new_jobtitle\""),
        mended: |world| rename(world, "contact", "new_jobtitle", "jobtitle"),
    },
    Stopping {
        name: "Dynamics: secured",
        happens: |world| world.sandbox.dataverse.state().secure_column("contact", "jobtitle", true).unwrap(),
        edited: |world| world.update("contact", BO, json!({"jobtitle": "Clerk"})),
        told: ("column jobtitle of contact is under field security now", "dynamics.readable_secured_columns"),
        mended: |world| world.sandbox.dataverse.state().secure_column("contact", "jobtitle", false).unwrap(),
    },
    Stopping {
        name: "Dynamics: unreadable",
        happens: |world| edit(world, "contact", "jobtitle", |column| column.readable = false),
        edited: |world| world.update("contact", BO, json!({"jobtitle": "Clerk"})),
        told: ("column jobtitle of contact can no longer be read", "map another column"),
        mended: |world| edit(world, "contact", "jobtitle", |column| column.readable = true),
    },
    Stopping {
        name: "Dynamics: another type",
        happens: |world| {
            remove(world, "contact", "jobtitle");
            make(world, "contact", "jobtitle", "Job Title", Kind::Lookup);
        },
        edited: |_| (),
        told: ("column jobtitle of contact was text 100 and is lookup now", "type fits"),
        mended: |world| {
            remove(world, "contact", "jobtitle");
            make(world, "contact", "jobtitle", "Job Title", Kind::Text(100));
            titles(world);
        },
    },
    Stopping {
        name: "Marketo: removed",
        happens: |world| remove_field(world, "title"),
        edited: |world| world.update("contact", BO, json!({"jobtitle": "Clerk"})),
        told: ("Marketo's person no longer has the field title", "bring the field back"),
        mended: |world| add_field(world, field("title", DataType::String)),
    },
    Stopping {
        name: "Marketo: renamed",
        happens: |world| {
            remove_field(world, "title");
            add_field(world, field("jobRole", DataType::String));
        },
        edited: |world| world.update("contact", BO, json!({"jobtitle": "Clerk"})),
        told: ("perhaps it is called jobRole now", "title = false"),
        mended: |world| {
            remove_field(world, "jobRole");
            add_field(world, field("title", DataType::String));
        },
    },
    Stopping {
        name: "Marketo: read-only",
        happens: |world| read_only(world, "title", true),
        edited: |world| world.update("contact", BO, json!({"jobtitle": "Clerk"})),
        told: ("field title of Marketo's person can no longer be written", "Field Management"),
        mended: |world| read_only(world, "title", false),
    },
    Stopping {
        name: "Marketo: another type",
        happens: |world| {
            remove_field(world, "title");
            add_field(world, field("title", DataType::Integer));
        },
        edited: |world| world.update("contact", BO, json!({"jobtitle": "Clerk"})),
        told: ("field title of Marketo's person was string 255 and is integer now", "type fits"),
        mended: |world| {
            remove_field(world, "title");
            add_field(world, field("title", DataType::String));
        },
    },
];

async fn synced() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({"jobtitle": "Chief", "telephone1": "1"}));
    world.contact(CY, "Cy", json!({"jobtitle": "Owner", "telephone1": "1"}));
    world.clean_cycle().await;
    world
}

/// Finds the finding with this code that tells `found` and says to do `remedy`.
#[track_caller]
pub(crate) fn assert_named(findings: &[Finding], grade: Grade, code: &str, (found, remedy): (&str, &str), case: &str) {
    let is_it = |finding: &&Finding| {
        let has_remedy = finding.remedy.as_ref().is_some_and(|told| told.contains(remedy));
        finding.code.as_deref() == Some(code) && finding.grade == grade && finding.text.contains(found) && has_remedy
    };
    let Some(finding) = findings.iter().find(is_it) else {
        let told: Vec<&Finding> = findings.iter().filter(|finding| finding.grade != Grade::Green).collect();
        panic!("{case}: {told:#?}");
    };
    assert!(pages::is_there(finding.page.as_deref().unwrap_or_default()), "{case}: {finding:?}");
}

async fn stops_alone(case: &Stopping, describes_are_old: bool) {
    let (name, (found, remedy)) = (case.name, case.told);
    let world = synced().await;
    if describes_are_old {
        world.pass(A_DAY).await;
    }
    (case.happens)(&world);
    world.update("contact", BO, json!({"telephone1": "2"}));
    (case.edited)(&world);
    assert_named(&look(&world).await, Grade::Red, "field-stopped", case.told, name);

    let ran = world.cycle().await;
    // A field of Marketo's people is a lead's and a contact's.
    let Some(change) = ran.summary.schema_changes.iter().find(|change| change.table == Table::Contact) else {
        panic!("{name}: {:#?}", ran.summary);
    };
    assert_eq!((change.code.as_str(), change.field.as_str(), ran.summary.exit_code), ("field-stopped", "title", 3), "{name}");
    assert!(name.starts_with(&change.side.to_string()), "{name}: {change:?}");
    assert!(change.text.contains(found) && change.remedy.contains(remedy), "{name}: {change:?}");
    assert_eq!(ran.summary.left(), (0, 0), "{name}: nothing is held for it");
    assert_eq!(sent(&world).last(), Some(&json!({"phone": "2"})), "{name}: {:?}", sent(&world));
    assert_eq!(world.person(BO)["phone"], json!("2"), "{name}");
    let is_as_it_was = |n, title: &str| world.person(n).get("title").is_none_or(|held| *held == json!(title));
    assert!(is_as_it_was(BO, "Chief") && is_as_it_was(CY, "Owner"), "{name}: nothing is blanked");

    // As long as nobody mends it, it stays so, and costs nothing.
    let ran = world.cycle().await;
    assert_eq!((ran.summary.exit_code, ran.written(), sent(&world).len()), (3, 0, 0), "{name}: {:?}", sent(&world));
    assert!(ran.summary.schema_changes.contains(change), "{name}: {:#?}", ran.summary);

    (case.mended)(&world);
    world.pass(A_DAY).await;
    let ran = world.clean_cycle().await;
    assert!(ran.summary.schema_changes.is_empty(), "{name}");
    let expected: Vec<Value> = if has_edit(&world) { vec![json!({"title": "Clerk"})] } else { vec![] };
    assert_eq!(sent(&world), expected, "{name}: what was missed, and nothing else");
    assert_eq!((&world.person(BO)["title"], &world.person(CY)["title"]), (&json!("Clerk"), &json!("Owner")), "{name}");
    assert_eq!(world.clean_cycle().await.written(), 0, "{name}");
    assert!(look(&world).await.iter().all(|finding| finding.good), "{name}");
}

fn has_edit(world: &World) -> bool {
    world.dynamics("contact", BO)["jobtitle"] == json!("Clerk")
}

#[tokio::test(start_paused = true)]
async fn a_change_on_either_side_stops_one_field_alone() {
    for case in STOPPING {
        stops_alone(case, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn marketos_changes_are_noticed_in_the_cycle_in_which_they_first_hurt() {
    for case in STOPPING.iter().filter(|case| case.name.starts_with("Marketo")) {
        stops_alone(case, false).await;
    }
}

/// One cycle in whose middle this happens, before the n-th call; whether there were so many.
async fn cycle_with(world: &World, at: Moment, happens: Operation) -> (engine::Summary, bool) {
    world.tap.arm(vec![(at, Act::Do(vec![happens]))]);
    let bridge = world.bridge().await;
    let (summary, error) = cycle::run(&bridge).await;
    bridge.close().await.unwrap();
    assert!(error.is_none() && world.tap.failures().is_empty(), "{at:?}: {error:?} {:?}", world.tap.failures());
    let calls = world
        .tap
        .calls()
        .iter()
        .filter(|call| call.side == if matches!(at, Moment::Before(Nth::Call(_))) { Side::Marketo } else { Side::Dataverse })
        .count();
    world.tap.disarm();
    let Moment::Before(Nth::Call(n) | Nth::DynamicsCall(n)) = at else { panic!("{at:?}") };
    (summary, calls as u64 >= n)
}

#[tokio::test(start_paused = true)]
async fn a_column_that_goes_in_the_middle_of_a_cycle_stops_nothing_else() {
    for n in 1.. {
        let world = synced().await;
        world.update("contact", BO, json!({"telephone1": "2"}));
        let remove = Operation::RemoveColumn { table: "contact".into(), column: "jobtitle".into() };
        let (summary, was_called) = cycle_with(&world, Moment::Before(Nth::DynamicsCall(n)), remove).await;
        if !was_called {
            assert!(n > 10, "{n} calls");
            return;
        }
        assert_eq!(summary.left(), (0, 0), "before call {n}");
        assert_eq!((&world.person(BO)["title"], &world.person(BO)["phone"]), (&json!("Chief"), &json!("2")), "before call {n}");
        let after = world.cycle().await;
        assert_eq!((after.summary.exit_code, after.written()), (3, 0), "before call {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_goes_in_the_middle_of_a_cycle_stops_nothing_else() {
    for n in 1.. {
        let world = synced().await;
        titles(&world);
        world.contact(0x33, "Di", json!({"jobtitle": "Smith"}));
        let remove = Operation::MarketoRemoveField { object: "leads".into(), name: "title".into() };
        let (_, was_called) = cycle_with(&world, Moment::Before(Nth::Call(n)), remove).await;
        if !was_called {
            assert!(n > 3, "{n} calls");
            return;
        }
        let after = world.cycle().await;
        assert_eq!(after.summary.left(), (0, 0), "before call {n}: {:#?}", after.summary.pushed);
        assert!(world.person(0x33).contains_key("id"), "before call {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_of_several_columns_that_lacks_one_is_no_shorter_value() {
    let mut world = World::small();
    world.options.fields.contact.insert(
        "department".into(),
        Entry::Detailed(DetailedSpec { cel: Some("upper(jobtitle) + ', ' + department".into()), ..DetailedSpec::default() }),
    );
    world.contact(BO, "Bo", json!({"address1_line1": "1 Way", "address1_line3": "Back", "jobtitle": "Chief", "department": "Sales"}));
    world.clean_cycle().await;
    remove(&world, "contact", "address1_line3");
    remove(&world, "contact", "department");
    world.update("contact", BO, json!({"address1_line1": "2 Way", "jobtitle": "Clerk"}));
    let ran = world.cycle().await;
    let stopped: Vec<&str> = ran.summary.schema_changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!((stopped, sent(&world)), (vec!["address", "department"], vec![json!({"title": "Clerk"})]));
    let bo = world.person(BO);
    assert_eq!((&bo["address"], &bo["department"]), (&json!("1 Way, Back"), &json!("CHIEF, Sales")));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_field_of_marketo_cuts_what_is_new_and_rewrites_nothing() {
    for describes_are_old in [true, false] {
        let world = World::small();
        let (long, longer) = ("Chief of everything that there is", "Chief of everything that there will be");
        world.contact(BO, "Bo", json!({"jobtitle": long}));
        world.contact(CY, "Cy", json!({"jobtitle": long}));
        world.clean_cycle().await;
        if describes_are_old {
            world.pass(A_DAY).await;
        }
        assert!(world.sandbox.marketo.state().set_field_length(Theirs::Leads, "title", Some(10)));
        let told = ("field title of Marketo's person was string 255 and is string 10 now", "longer again");
        assert_named(&look(&world).await, Grade::Amber, "field-shortened", told, "shortened");
        world.update("contact", BO, json!({"jobtitle": longer, "telephone1": "2"}));
        world.update("contact", CY, json!({"telephone1": "2"}));
        let ran = world.clean_cycle().await;
        assert!(ran.summary.schema_changes.iter().any(|change| change.table == Table::Contact), "{:#?}", ran.summary);
        assert!(ran.summary.schema_changes.iter().all(|change| change.code == "field-shortened"), "{:#?}", ran.summary);
        assert_eq!((&world.person(BO)["title"], &world.person(BO)["phone"]), (&json!("Chief of e"), &json!("2")));
        assert_eq!((&world.person(CY)["title"], &world.person(CY)["phone"]), (&json!(long), &json!("2")), "it is as it was confirmed");
        assert_eq!(world.clean_cycle().await.written(), 0);
        // Long again: what was cut meanwhile is sent as a whole.
        assert!(world.sandbox.marketo.state().set_field_length(Theirs::Leads, "title", Some(255)));
        world.pass(A_DAY).await;
        world.clean_cycle().await;
        assert_eq!(sent(&world), [json!({"title": longer})]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_column_of_dynamics_is_a_note_and_nothing_more() {
    let world = synced().await;
    world.sandbox.dataverse.state().resize_column("contact", "jobtitle", 40).unwrap();
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    let ran = world.clean_cycle().await;
    assert!(ran.summary.schema_changes.is_empty());
    assert_eq!(sent(&world), [json!({"title": "Clerk"})]);
    let bridge = world.bridge().await;
    let maps = map(&bridge).await.unwrap();
    bridge.close().await.unwrap();
    let told: Vec<&str> = maps.iter().flat_map(|map| &map.changed).map(|changed| changed.text.as_str()).collect();
    assert_eq!(told, ["column jobtitle of contact was text 100 and is text 40 now"]);
}

#[tokio::test(start_paused = true)]
async fn the_map_shows_what_is_stopped_and_what_has_changed() {
    let world = synced().await;
    rename(&world, "contact", "jobtitle", "new_jobtitle");
    world.cycle().await;
    rename(&world, "contact", "new_jobtitle", "jobtitle");
    let bridge = world.bridge().await;
    let maps = map(&bridge).await.unwrap();
    bridge.close().await.unwrap();
    let contact = maps.iter().find(|map| map.table == Table::Contact).unwrap();
    assert!(contact.schema_changes.is_empty() && contact.fields.iter().any(|shown| shown.field == "title"));
    let told: Vec<&str> = contact.changed.iter().map(|changed| changed.text.as_str()).collect();
    assert_eq!(
        told,
        [
            "column jobtitle of contact is back",
            "Dynamics' table contact no longer has the column jobtitle (perhaps it is called new_jobtitle now)"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_never_fitted_is_a_mistake_as_before() {
    let mut world = synced().await;
    world.options.fields.contact.insert("title".into(), Entry::Column("jobtitel".into()));
    let ran = world.try_cycle().await;
    let Some(SyncError::Configuration(problems)) = &ran.error else { panic!("{:?}", ran.error) };
    assert_eq!((problems[0].code, ran.summary.exit_code), ("field-map", 2));
    // It is the entry that counts, and not the field: that one was sent before.
    world.options.fields.contact.insert("title".into(), Entry::Column("jobtitle".into()));
    world.clean_cycle().await;
    remove(&world, "contact", "jobtitle");
    assert_eq!(world.cycle().await.summary.exit_code, 3);
    // Somebody decides.
    world.options.fields.contact.insert("title".into(), Entry::Off(false));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["title"], json!("Chief"));
}

#[tokio::test(start_paused = true)]
async fn what_nothing_can_go_without_stops_the_cycle_and_says_that_the_schema_changed() {
    let world = synced().await;
    world.sandbox.dataverse.state().secure_column("contact", "emailaddress1", true).unwrap();
    let ran = world.try_cycle().await;
    let told = ran.error.map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(ran.summary.exit_code, 2, "{told}");
    assert!(told.contains("emailaddress1") && told.contains("schema has changed"), "{told}");

    let mut world = World::small();
    make(&world, "contact", "new_scope", "Scope", Kind::Text(10));
    world.contact(BO, "Bo", json!({"new_scope": "in"}));
    world.options.filters.contact = Some(Filter::Expression("new_scope == 'in'".into()));
    world.clean_cycle().await;
    remove(&world, "contact", "new_scope");
    let ran = world.try_cycle().await;
    let told = ran.error.map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(ran.summary.exit_code, 2, "{told}");
    assert!(told.contains("new_scope") && told.contains("have changed in Dynamics"), "{told}");
    assert_eq!(world.person(BO)["externalPersonId"], json!(id(BO)));
}

#[tokio::test(start_paused = true)]
async fn a_field_of_the_company_stops_alone_too() {
    let world = synced().await;
    world.update("account", crate::world::FIRM, json!({"websiteurl": "https://a.example", "telephone1": "7"}));
    assert!(world.sandbox.marketo.state().remove_field(Theirs::Companies, "website"));
    let ran = world.cycle().await;
    assert_eq!((ran.summary.left(), ran.summary.exit_code), ((0, 0), 3));
    assert_eq!(ran.pushed(Object::Company).updated, 1);
    assert_eq!(ran.summary.schema_changes[0].place(), "account → website");
}
