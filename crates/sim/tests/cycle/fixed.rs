//! What `check` finds is put right where that can be done from here: each fix mends its finding, and changes nothing else of either side.

use base::Table;
use emulator::{Effect, Fault, When};
use engine::{
    check::{About, Finding, check},
    fix::{Fix, Fixes, apply, fixes},
    options::{MsiField, MsiSpec},
};
use marketo_emulator::Permission;
use serde_json::json;

use crate::world::World;

/// What is broken, the prefix that is given, what is proposed for it, and the code of the finding that it mends.
struct Case {
    breaks: fn(&mut World),
    prefix: Option<&'static str>,
    proposed: &'static [&'static str],
    mends: &'static str,
}

fn remove(world: &World, columns: &[(&str, &str)]) {
    let mut state = world.sandbox.dataverse.state();
    columns.iter().for_each(|(table, column)| state.remove_column(table, column).unwrap());
}

fn add(world: &World, table: &str, name: &str, label: &str) {
    let column = dataverse_emulator::schema::NewColumn {
        name: name.into(),
        label: Some(label.into()),
        kind: dataverse_emulator::schema::Kind::Integer(0, 100),
        options: Vec::new(),
        targets: Vec::new(),
        schema: None,
    };
    world.sandbox.dataverse.state().add_column(table, column, base::Timestamp::now()).unwrap();
}

/// As where Adobe's package isn't there.
fn without_package() -> World {
    World::small_with(|options| options.dataverse.msi_columns = dataverse_emulator::schema::MsiColumns::Absent)
}

const CASES: &[Case] = &[
    Case {
        breaks: |world| {
            world.sandbox.dataverse.state().options_mut().untracked_tables = ["contact".to_owned(), "team".to_owned()].into();
        },
        prefix: None,
        proposed: &["track changes of table team", "track changes of table contact"],
        mends: "not-tracked",
    },
    Case {
        breaks: |world| remove(world, &[("lead", "mkt_urgency"), ("contact", "mkt_lastinterestingmomentdate")]),
        prefix: None,
        proposed: &["add column mkt_urgency (Relative Urgency Value) to table lead", "add column mkt_lastinterestingmomentdate"],
        mends: "msi-column-missing",
    },
    Case {
        breaks: |world| {
            world.options.msi.lead.insert(MsiField::Priority, MsiSpec::Column("contoso_engagement".into()));
        },
        prefix: None,
        proposed: &["add column contoso_engagement (Engagement) to table lead"],
        mends: "msi-column",
    },
    // A column that was only guessed hides no other that is missing.
    Case {
        breaks: |world| {
            remove(world, &[("lead", "mkt_urgency"), ("lead", "mkt_priority")]);
            add(world, "lead", "new_engagement", "Engagement");
            world.options.msi.lead.insert(MsiField::Priority, MsiSpec::Column("new_engagement".into()));
        },
        prefix: None,
        proposed: &["add column mkt_urgency (Relative Urgency Value) to table lead"],
        mends: "msi-column-missing",
    },
    Case {
        breaks: |world| world.options.keys.person = "crmId".into(),
        prefix: None,
        proposed: &["make the custom person field crmId"],
        mends: "person-key-missing",
    },
];

async fn look(world: &World) -> Vec<Finding> {
    let (dynamics, marketo) = world.clients();
    check(dynamics, marketo, world.options.clone(), About::default(), None).await
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter_map(|finding| finding.code.as_deref()).collect()
}

async fn proposed(world: &World, prefix: Option<&str>) -> Fixes {
    let (dynamics, marketo) = world.clients();
    fixes(dynamics, marketo, world.options.clone(), prefix.map(str::to_owned), None).await.unwrap()
}

async fn fix(world: &World, fixes: &[Fix]) -> Vec<Finding> {
    let (dynamics, marketo) = world.clients();
    apply(dynamics, marketo, fixes.iter().cloned().collect(), None).await.unwrap()
}

/// The paths to which something was sent that isn't a question.
fn written(world: &World) -> Vec<String> {
    let sent = [world.to_dynamics.all(), world.to_marketo.all()].concat();
    let mut paths: Vec<String> = sent.into_iter().map(|sent| sent.path).filter(|path| !path.contains("oauth")).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[tokio::test(start_paused = true)]
async fn each_fix_mends_its_finding_and_a_second_look_proposes_nothing() {
    for Case { breaks, prefix, proposed: expected, mends } in CASES {
        let mut world = World::small();
        breaks(&mut world);
        assert!(codes(&look(&world).await).contains(mends), "{mends} isn't found before");
        world.fresh_records();
        let found = proposed(&world, *prefix).await;
        assert!(written(&world).is_empty(), "a proposal writes: {:?}", written(&world));
        let told: Vec<String> = found.fixes.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        assert!(expected.iter().all(|part| told.iter().any(|told| told.contains(part))), "{expected:?}: {told:?}");
        let done = fix(&world, &found.fixes).await;
        assert!(done.iter().all(|finding| finding.good) && done.len() == found.fixes.len(), "{done:#?}");
        let after = look(&world).await;
        assert!(after.iter().all(|finding| finding.good) && !codes(&after).contains(mends), "{mends}: {after:#?}");
        assert!(proposed(&world, *prefix).await.fixes.is_empty());
        world.clean_cycle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_else_of_a_table_changes_when_its_changes_are_tracked() {
    let world = World::small();
    world.sandbox.dataverse.state().options_mut().untracked_tables = ["contact".to_owned()].into();
    world.fresh_records();
    fix(&world, &[Fix::Track(Table::Contact)]).await;
    let sent = world.to_dynamics.all();
    let put = sent.iter().find(|sent| sent.path.contains("EntityDefinitions")).unwrap();
    // It goes back as it was read, labels and all, but for the one property.
    let body = &put.body;
    assert_eq!((&body["ChangeTrackingEnabled"], &body["LogicalName"]), (&json!(true), &json!("contact")));
    assert_eq!(body["DisplayName"]["LocalizedLabels"][0]["Label"], "Contact");
    assert!(sent.iter().any(|sent| sent.path.contains("PublishXml")), "{:?}", written(&world));
}

#[tokio::test(start_paused = true)]
async fn without_the_package_columns_are_made_only_under_a_prefix_that_somebody_gave() {
    let mut world = without_package();
    let found = proposed(&world, None).await;
    assert!(found.fixes.is_empty() && found.left.len() == 2 && found.left.iter().all(|left| left.contains("--prefix")), "{found:?}");
    let found = proposed(&world, Some("contoso")).await;
    assert!(found.fixes.len() == 14 && found.left.is_empty(), "{found:?}");
    assert!(fix(&world, &found.fixes).await.iter().all(|finding| finding.good));
    // They are other people's columns until the configuration names them, with the lines that were told.
    assert!(codes(&look(&world).await).contains(&"msi-column"));
    let lines = found.lines.join("\n");
    assert!(lines.starts_with("[msi.lead]\n") && lines.contains("priority = \"contoso_priority\""), "{lines}");
    for specs in [&mut world.options.msi.lead, &mut world.options.msi.contact] {
        for field in MsiField::ALL {
            let name = field.package_names()[0].replacen("mkt", "contoso", 1);
            assert!(lines.contains(&name), "{name}: {lines}");
            specs.insert(field, MsiSpec::Column(name));
        }
    }
    let after = look(&world).await;
    assert!(after.iter().all(|finding| finding.good), "{after:#?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_is_told_what_to_do_by_hand() {
    let mut world = World::small();
    world.sandbox.dataverse.state().options_mut().untracked_tables = ["contact".to_owned()].into();
    remove(&world, &[("lead", "mkt_urgency")]);
    world.options.keys.person = "crmId".into();
    let found = proposed(&world, None).await.fixes;
    assert_eq!(found.len(), 3, "{found:?}");
    {
        let mut state = world.sandbox.dataverse.state();
        state.options_mut().missing_privileges = ["prvWriteEntity".to_owned(), "prvCreateAttribute".to_owned()].into();
        world.sandbox.marketo.state().options_mut().permissions.remove(&Permission::SchemaCustom);
    }
    let done = fix(&world, &found).await;
    for (finding, (said, remedy)) in done.iter().zip([
        ("prvWriteEntity", "turn on Track changes for contact"),
        ("prvCreateAttribute", "add the column mkt_urgency"),
        ("603", "Read-Write Schema Custom Field"),
    ]) {
        assert!(!finding.good && finding.text.contains(said), "{said}: {finding:?}");
        assert!(finding.remedy.as_deref().is_some_and(|told| told.contains(remedy)), "{remedy}: {finding:?}");
    }
    assert!(codes(&look(&world).await).contains(&"person-key-missing"));
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_a_feature_of_marketo_is_not_made_here() {
    let world = World::small();
    world.sandbox.marketo.state().options_mut().external_person_id_described = false;
    let found = proposed(&world, None).await;
    assert!(found.fixes.is_empty() && found.left.iter().any(|left| left.contains("MSI Non-Native")), "{found:?}");
    let field = fix(&world, &[Fix::Field("lastName".into())]).await;
    assert!(!field[0].good && field[0].text.contains("1017"), "{field:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guessed_column_keeps_no_missing_one_from_being_proposed() {
    let world = World::small();
    remove(&world, &[("lead", "mkt_urgency"), ("lead", "mkt_priority")]);
    add(&world, "lead", "new_engagement", "Engagement");
    let told: Vec<String> = proposed(&world, None).await.fixes.iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("mkt_urgency"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_answered_is_looked_at_again() {
    for (effect, is_done) in [(Effect::DropAfter, true), (Effect::DropBefore, false)] {
        let mut world = World::small();
        remove(&world, &[("lead", "mkt_urgency")]);
        world.options.keys.person = "crmId".into();
        let found = proposed(&world, None).await.fixes;
        let when = When { method: Some("POST".into()), ..When::operation("metadata") };
        world.sandbox.dataverse.faults().add(Fault { when, effect, times: Some(1) });
        let done = fix(&world, &found).await;
        assert_eq!((done[0].good, done[1].good), (is_done, true), "{done:#?}");
        assert!(is_done || done[0].text.contains("is not done"), "{done:#?}");
        world.heal();
        assert_eq!(proposed(&world, None).await.fixes.is_empty(), is_done);
    }
}
