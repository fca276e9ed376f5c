//! The list of rules and policies is whole: nothing that the configuration takes is missing, nothing is without a scenario, the page is current.

use std::{env, fs};

use engine::Options;
use serde_json::{Map, Value, json};
use sim::{
    rules::{self, POLICIES},
    scenario,
    step::merge_patch,
};

/// Options in the same tables that are numbers or switches of the machinery, and no decisions about data.
const NO_POLICIES: [&str; 5] =
    ["write_back.rows_per_message", "write_back.sweep_hours", "write_back.sweep_calls", "brake.percent", "brake.count"];

/// Tables of the configuration that hold policies.
const TABLES: [&str; 7] = ["policy", "owners", "on_delete", "on_leave", "on_inactive", "write_back", "brake"];

#[test]
fn every_rule_and_policy_value_has_a_scenario() {
    let gaps = rules::gaps(&scenario::all().unwrap());
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

#[test]
fn the_page_of_rules_is_current() {
    let page = rules::page(&scenario::all().unwrap());
    if env::var_os("SCENARIOS_ACCEPT").is_some() {
        fs::write(rules::page_path(), page).unwrap();
        return;
    }
    assert!(fs::read_to_string(rules::page_path()).unwrap_or_default() == page, "docs/rules.md is old: cargo xtask scenarios --accept");
}

#[test]
fn every_option_is_a_policy_or_none() {
    let options = serde_json::to_value(Options::default()).unwrap();
    let mut unknown = Vec::new();
    for table in TABLES {
        for name in options[table].as_object().unwrap().keys() {
            let place = format!("{table}.{name}");
            if !NO_POLICIES.contains(&place.as_str()) && !POLICIES.iter().any(|(policy, _)| *policy == place) {
                unknown.push(place);
            }
        }
    }
    assert!(unknown.is_empty(), "list them in crates/sim/src/rules.rs: {unknown:?}");
}

/// The default options with one value changed.
fn with(place: &str, value: Value) -> Result<Options, String> {
    let mut patch = value;
    for part in place.rsplit('.') {
        patch = Value::Object(Map::from_iter([(part.to_owned(), patch)]));
    }
    let mut options = serde_json::to_value(Options::default()).unwrap();
    merge_patch(&mut options, patch);
    serde_json::from_value(options).map_err(|error| error.to_string())
}

fn place_of(policy: &str) -> &str {
    match policy {
        "fields.owner" => "fields.contact.title.owner",
        other => other,
    }
}

#[test]
fn the_configuration_takes_the_listed_values_and_no_others() {
    let named = |values: &[&'static str]| values.iter().copied().filter(|value| !value.starts_with('<')).collect::<Vec<_>>();
    for (policy, values) in POLICIES.iter().filter(|(policy, _)| !["brake", "where", "fields.owner"].contains(policy)) {
        let place = place_of(policy);
        for value in named(values) {
            let value = value.parse::<bool>().map_or_else(|_| json!(value), |value| json!(value));
            with(place, value.clone()).unwrap_or_else(|error| panic!("{policy} = {value}: {error}"));
        }
        // What it says about a wrong value names all right ones.
        let Err(said) = with(place, json!("nonsense")) else {
            assert!(values.iter().any(|value| value.starts_with('<')), "{policy} takes any text");
            continue;
        };
        // `unknown variant `x`, expected …`, or in our own words.
        let said = said.split_once(", expected").map_or(said.replace("`nonsense`", ""), |(_, expected)| expected.to_owned());
        let words: Vec<&str> = said.split(['`', '"']).skip(1).step_by(2).filter(|word| !word.is_empty()).collect();
        let missing: Vec<&&str> = words.iter().filter(|word| !values.contains(word)).collect();
        assert!(missing.is_empty(), "{policy} also takes {missing:?}: list them in crates/sim/src/rules.rs ({said})");
        assert!(!words.is_empty() || said.contains("boolean"), "{policy}: {said}");
    }
}

#[test]
fn every_kind_of_harm_that_the_brake_knows_is_listed() {
    let listed = POLICIES.iter().find(|(policy, _)| *policy == "brake").map(|(_, values)| *values).unwrap_or_default();
    assert_eq!(listed, engine::Harm::ALL.map(engine::Harm::name));
}
