//! How both sides and the bridge are set: every open question of both vendors one way or another.

use base::Dice;
use emulator::Latency;
use sandbox::control::Settings;
use serde_json::{Map, Value, json};

use super::cast;
use crate::{step::Step, world};

/// Questions about Marketo and their answers. Each keeps its default in most histories.
const MARKETO: &[(&str, &[&str])] = &[
    ("empty_text", &["\"clears\"", "\"ignored\""]),
    ("company_unlink", &["\"skip\"", "\"ignore\""]),
    ("company_fields", &["\"refused-when-linked\"", "\"spread\"", "\"refused\""]),
    ("external_person_id_lookup", &["false"]),
    ("sales_person_email_frozen", &["true"]),
    ("sales_person_email_refused", &["true"]),
    ("unknown_parent", &["\"invalid\""]),
    ("unknown_owner", &["\"record\""]),
    ("relative_score", &["\"score\"", "\"scoring\""]),
    ("urgency", &["\"relative\""]),
    ("overlong", &["\"truncate\""]),
    ("read_only", &["\"ignore\""]),
    ("msi_in_lead_changes", &["true"]),
    ("merge_losers_deleted", &["true"]),
    ("merge_ids", &["\"plain\"", "\"array\""]),
    ("activity_delay_s", &["5", "120"]),
    ("unknown_lead", &["\"empty\""]),
    ("page_size_max", &["2", "5"]),
    ("empty_pages", &["true"]),
    ("nulls", &["\"omitted\"", "\"never\""]),
    ("codes", &["\"number\""]),
    ("empty_result", &["\"absent\"", "\"no-data\""]),
    ("warnings", &["\"texts\"", "\"objects\""]),
    ("padded_guids", &["true"]),
    ("ids_as_text", &["true"]),
    ("omit_seq", &["true"]),
    ("activity_tokens", &["\"dates\""]),
    ("currency_as_text", &["true"]),
    ("offset_datetimes", &["true"]),
    ("case_sensitive_keys", &["true"]),
    ("matches_max", &["1", "3"]),
    ("throttle", &["\"plain\""]),
    ("throttle_status", &["429"]),
    ("token_life_s", &["2", "30"]),
];

/// The same for Dynamics.
const DATAVERSE: &[(&str, &[&str])] = &[
    ("track_connections", &["false"]),
    ("track_connection_roles", &["false"]),
    ("untracked_tables", &["[\"contact\"]", "[\"lead\", \"account\"]", "[\"systemuser\", \"team\"]", "[\"opportunity\"]"]),
    ("delta_stamp", &["\"start\""]),
    ("omit_delta_link_with_annotations", &["true"]),
    ("repeat_between_delta_pages", &["true"]),
    ("repeat_between_pages", &["true"]),
    ("page_max", &["3", "7"]),
    ("closed_leads", &["\"accept\""]),
    ("closed_others", &["\"accept\""]),
    ("merged_lead", &["\"canceled\""]),
    ("delete_mirrors", &["false"]),
    ("cascades_move_modifiedon", &["false"]),
    ("no_bulk", &["[\"connection\", \"systemuser\", \"lead\", \"contact\"]"]),
    ("retry_after", &["\"date\"", "\"absent\""]),
    ("token_life_s", &["30"]),
];

/// Fields of persons that may be marketing's, with their columns.
const OWNED: [(&str, &str); 4] = [("title", "jobtitle"), ("phone", "telephone1"), ("city", "address1_city"), ("firstName", "firstname")];

/// The job title of contacts that the drawn filter keeps out.
pub(super) const OUT_OF_SCOPE: &str = "CEO";

/// Of a hundred questions, so many are answered otherwise than by default.
const OTHERWISE_PERCENT: f64 = 8.0;

/// The steps that set everything up.
pub(super) fn draw(dice: &mut Dice) -> Vec<Step> {
    let settings = Settings { marketo: answers(dice, MARKETO), dataverse: answers(dice, DATAVERSE) };
    let mut steps = vec![Step::Emulators(settings)];
    if dice.percent(70.0) {
        let latency = match dice.percent(50.0) {
            true => Latency::fixed(40.0),
            false => Latency::Spread { median_ms: 60.0, p99_ms: 900.0 },
        };
        steps.push(Step::Latency(Some(latency)));
    }
    let policy = policy(dice);
    if !policy.is_empty() {
        steps.push(Step::Configure(policy));
    }
    if dice.percent(25.0) {
        // Everybody goes by import, few in a file.
        let bootstrap = json!({ "bulk_above": 1, "bulk": "always", "bulk_rows": 1 + dice.below(5) });
        steps.push(Step::Configure(Map::from_iter([("bootstrap".to_owned(), bootstrap)])));
        if dice.percent(10.0) {
            let marketo = Map::from_iter([("bulk_import_fails".to_owned(), json!(true))]);
            steps.push(Step::Emulators(Settings { marketo, dataverse: Map::new() }));
        }
    }
    steps
}

fn answers(dice: &mut Dice, questions: &[(&str, &[&str])]) -> Map<String, Value> {
    let mut answers = Map::new();
    for (name, others) in questions {
        // The dice fall for every question, so that one answer doesn't shift the others.
        let (otherwise, answer) = (dice.percent(OTHERWISE_PERCENT), dice.pick(others).copied());
        if otherwise && let Some(answer) = answer.and_then(|text| serde_json::from_str(text).ok()) {
            answers.insert((*name).to_owned(), answer);
        }
    }
    answers
}

/// What people decided about the bridge.
fn policy(dice: &mut Dice) -> Map<String, Value> {
    let mut policy = Map::new();
    if dice.percent(20.0) {
        policy.insert("ambiguous".into(), json!("adopt"));
    }
    if dice.percent(10.0) {
        policy.insert("send_company_name".into(), json!(true));
    }
    if dice.percent(10.0) {
        policy.insert("require_company".into(), json!(true));
    }
    for (name, other) in [("on_qualify", "hold"), ("on_merge", "hold"), ("on_first_load", "merge")] {
        if dice.percent(8.0) {
            policy.insert(name.into(), json!(other));
        }
    }
    let mut options = Map::new();
    if dice.percent(25.0) {
        options.insert("brake".into(), json!({ "percent": 0.0, "count": dice.below(4) }));
    }
    if dice.percent(30.0) {
        let person = if dice.percent(50.0) { "keep" } else { "delete" };
        options.insert("on_delete".into(), json!({ "person": person }));
    }
    if dice.percent(12.0) {
        // The first user there is.
        let team = if dice.percent(50.0) { json!("hold") } else { json!(world::id(cast::FIRST_NUMBER).to_string()) };
        options.insert("owners".into(), json!({ "team": team }));
    }
    if dice.percent(8.0) {
        options.insert("where".into(), json!({ "contact": format!("jobtitle != '{OUT_OF_SCOPE}'") }));
        options.insert("on_leave".into(), json!({ "person": dice.pick(&["unlink", "keep", "delete"]) }));
    }
    if dice.percent(8.0) {
        options.insert("on_inactive".into(), json!({ "person": dice.pick(&["unlink", "keep", "delete"]) }));
    }
    let mut fields = Map::new();
    for (field, column) in OWNED {
        let (percent, owner) = (dice.percent(6.0), dice.pick(&["marketo", "fill"]).copied());
        if percent {
            fields.insert(field.into(), json!({ "column": column, "owner": owner }));
        }
    }
    if !fields.is_empty() {
        options.insert("fields".into(), json!({ "lead": fields, "contact": fields }));
    }
    if !policy.is_empty() {
        options.insert("policy".into(), Value::Object(policy));
    }
    options
}
