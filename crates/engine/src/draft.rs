//! What a configuration could say, from both sides' metadata: read for whoever writes the first one. Nothing is changed and nothing kept.

use std::collections::BTreeMap;

use base::{Object, Table, Timestamp};
use futures::{FutureExt, future::BoxFuture, future::try_join_all};
use planner::{
    DataKind,
    known_msi::KnownMsis,
    msi::{MsiField, MsiMap, MsiProblem, MsiSpec},
    schema::{TargetSchema, nearest},
};
use serde::Serialize;

use crate::{
    check::{self, Finding},
    error::{Side, SyncError},
    map::{TableMap, maps},
    marketo::{ObjectSchema, key_field},
    options::Options,
    prepare::compile,
    schema_change::History,
};

/// The REST name of the person field that is proposed where there is none.
const NEW_KEY: &str = "crmId";

/// What both sides have, and what has to be decided.
#[derive(Debug, Clone, Serialize)]
pub struct Draft {
    /// The field maps as they are without a word in the configuration, and what could be sent besides.
    pub maps: Vec<TableMap>,
    /// By which field people are found.
    pub person_key: PersonKey,
    /// Sales Insight fields whose column was only guessed.
    pub guesses: Vec<Guess>,
    /// What people should know before they begin.
    pub findings: Vec<Finding>,
    /// Key fields that were given and look like a slip of the pen, in words.
    pub mistyped: Vec<String>,
}

/// Key fields that somebody has given already.
#[derive(Debug, Clone, Default)]
pub struct GivenKeys {
    /// The field of people.
    pub person: Option<String>,
    /// The field of companies.
    pub company: Option<String>,
}

/// By which Marketo field people are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PersonKey {
    /// By the standard one; nothing has to be said.
    Standard,
    /// By one that somebody has given.
    Given(String),
    /// The standard one can't be used; these custom fields are there and could be meant. What they hold belongs to somebody, so that none is taken
    /// unasked.
    Custom {
        /// All of them.
        candidates: Vec<String>,
        /// The only one whose name speaks of people.
        proposed: Option<String>,
    },
    /// The standard one can't be used, and no custom field looks like a key: one of this REST name could be made.
    New(String),
}

/// A Sales Insight field whose column has to be confirmed.
#[derive(Debug, Clone, Serialize)]
pub struct Guess {
    /// The table.
    pub table: Table,
    /// The field.
    pub field: MsiField,
    /// What is known, in words.
    pub message: String,
    /// The columns that could be meant.
    pub candidates: Vec<String>,
}

/// Reads both sides' metadata, in some hundred calls to Dynamics and five to Marketo.
pub fn draft(dynamics: dataverse::Client, marketo: ::marketo::Client, given: GivenKeys) -> BoxFuture<'static, Result<Draft, SyncError>> {
    async move {
        let mut bridge = check::open(dynamics, marketo, Options::default()).await?;
        let (tables, _) = bridge.metadata.clone().tables(&bridge).await?;
        let described = try_join_all(Object::ALL.map(|object| bridge.marketo.describe(object))).await;
        let described = described.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
        let objects: BTreeMap<Object, ObjectSchema> = Object::ALL.into_iter().zip(described).collect();
        let mut guesses = Vec::new();
        for problem in undecided(&tables, &objects, bridge.clock.now()) {
            let specs = if problem.table == Table::Lead { &mut bridge.options.msi.lead } else { &mut bridge.options.msi.contact };
            specs.insert(problem.field, MsiSpec::Off(false));
            let MsiProblem { table, field, message, candidates } = problem;
            guesses.push(Guess { table, field, message, candidates });
        }
        let plans = compile(&bridge, tables.as_ref().clone(), &objects, &mut BTreeMap::new(), &mut History::default())?;
        let person_key = given.person.clone().map_or_else(|| person_key(&objects), PersonKey::Given);
        let mut draft = Draft { maps: maps(&objects, &plans, &[], &[]), person_key, guesses, findings: Vec::new(), mistyped: Vec::new() };
        let unseen = Table::ALL.into_iter().filter(|table| !tables.contains_key(table));
        let untracked = tables.values().filter(|table| !table.tracked).map(|table| table.table);
        draft.tables(&named(unseen), &named(untracked));
        draft.key();
        draft.given(&given, &objects);
        draft.insight(plans.values().flat_map(|plan| plan.msi.notes.iter().cloned()));
        draft.fields();
        Ok(draft)
    }
    .boxed()
}

/// The Sales Insight fields of leads and contacts whose column isn't certain.
fn undecided(
    tables: &BTreeMap<Table, crate::dynamics::DynamicsTable>,
    objects: &BTreeMap<Object, ObjectSchema>,
    now: Timestamp,
) -> Vec<MsiProblem> {
    let nobody = TargetSchema::default();
    let person = objects.get(&Object::Lead).map_or(&nobody, |schema| &schema.fields);
    let of_table = |table: Table| {
        let columns = &tables.get(&table)?.columns;
        MsiMap::find(table, columns, person, &BTreeMap::new(), &KnownMsis::new(), now).err()
    };
    [Table::Lead, Table::Contact].into_iter().filter_map(of_table).flatten().collect()
}

fn person_key(objects: &BTreeMap<Object, ObjectSchema>) -> PersonKey {
    let Some(schema) = objects.get(&Object::Lead) else { return PersonKey::Standard };
    let is_searchable = |name: &str| schema.searchable.iter().any(|field| field.eq_ignore_ascii_case(name));
    let standard = key_field(Object::Lead);
    if schema.fields.field(standard).is_some() && is_searchable(standard) {
        return PersonKey::Standard;
    }
    let looks_like_it = |name: &str| {
        let name = name.to_lowercase();
        let name = name.strip_suffix("__c").unwrap_or(&name);
        (name.contains("crm") || name.contains("dynamics")) && (name.ends_with("id") || name.ends_with("guid"))
    };
    let custom = schema
        .fields
        .fields()
        .filter(|field| field.kind == DataKind::String && field.updateable && is_searchable(&field.name) && looks_like_it(&field.name));
    let candidates: Vec<String> = custom.map(|field| field.name.clone()).collect();
    if candidates.is_empty() {
        return PersonKey::New(NEW_KEY.into());
    }
    let speaks_of_people = |name: &&String| ["person", "lead", "contact"].iter().any(|word| name.to_lowercase().contains(word));
    let proposed = match candidates.iter().filter(speaks_of_people).collect::<Vec<_>>().as_slice() {
        [only] => Some((*only).clone()),
        [] | [_, ..] => None,
    };
    PersonKey::Custom { candidates, proposed }
}

fn named(tables: impl Iterator<Item = Table>) -> String {
    tables.map(Table::name).collect::<Vec<_>>().join(", ")
}

impl Draft {
    /// Tables that can't be seen, and those whose changes aren't tracked.
    fn tables(&mut self, unseen: &str, untracked: &str) {
        let what = "Dynamics: tables";
        if !unseen.is_empty() {
            let text = format!("not there, or the application user may not see them: {unseen}");
            let remedy = "give the application user's role Read on them at organization level, or have Dynamics Sales installed";
            self.findings.push(Finding::red(what, text, remedy).coded("dynamics-table-missing"));
        }
        if !untracked.is_empty() {
            let text = format!("without change tracking: {untracked}");
            let finding = Finding::amber(what, text, "turn it on, or have `insight-bridge check --fix` do it");
            self.findings.push(finding.explained("not-tracked", check::TRACKING));
        }
        if unseen.is_empty() && untracked.is_empty() {
            self.findings.push(Finding::green(what, "all there, and their changes are tracked"));
        }
    }

    fn key(&mut self) {
        let what = "Marketo: people are found by";
        let remedy = "have Marketo enable the feature \"MSI Non-Native\", or";
        self.findings.push(match &self.person_key {
            PersonKey::Standard => Finding::green(what, key_field(Object::Lead)),
            // It is compared with Marketo's fields.
            PersonKey::Given(_) => return,
            PersonKey::Custom { candidates, .. } => {
                let text = format!("externalPersonId can't be used; custom fields that could be meant: {}", candidates.join(", "));
                let remedy = format!("{remedy} write one that nothing else uses, such as keys.person = \"{}\"", candidates[0]);
                Finding::amber(what, text, remedy).coded("person-key-missing")
            }
            PersonKey::New(field) => {
                let remedy = format!("{remedy} write keys.person = \"{field}\" and have `insight-bridge check --fix` make that field");
                Finding::red(what, "externalPersonId can't be used, and no custom field looks like a key", remedy)
                    .coded("person-key-missing")
            }
        });
    }

    /// Key fields that were given, compared with what Marketo has.
    fn given(&mut self, given: &GivenKeys, objects: &BTreeMap<Object, ObjectSchema>) {
        let make = "correct it, or have `insight-bridge check --fix` make that field";
        let by_hand = "correct it, or have somebody make that field in Marketo (Admin, Field Management)";
        for (object, name, what, code, remedy) in [
            (Object::Lead, &given.person, "Marketo: people are found by", "person-key-missing", make),
            (Object::Company, &given.company, "Marketo: companies get the GUID in", "company-key-missing", by_hand),
        ] {
            let (Some(name), Some(schema)) = (name, objects.get(&object)) else { continue };
            let is_searchable = object != Object::Lead || schema.searchable.iter().any(|field| field.eq_ignore_ascii_case(name));
            let near = || nearest(name, schema.fields.fields().map(|field| field.name.as_str()));
            match schema.fields.field(name) {
                Some(field) if is_searchable => self.findings.push(Finding::green(what, field.name.clone())),
                Some(field) => {
                    let text = format!("Marketo can't look people up by {}", field.name);
                    let finding = Finding::red(what, text, "give a custom field of type string");
                    self.findings.push(finding.coded("person-key-not-searchable"));
                }
                None => match near().filter(|_| !name.eq_ignore_ascii_case(key_field(object))) {
                    Some(near) => self.mistyped.push(format!("Marketo's {} has no field {name}; did you mean {near}?", object.name())),
                    None => {
                        let text = format!("Marketo's {} has no field {name}", object.name());
                        self.findings.push(Finding::red(what, text, remedy).coded(code));
                    }
                },
            }
        }
    }

    /// Columns of the Sales Insight fields.
    fn insight(&mut self, lacking: impl Iterator<Item = String>) {
        let what = "Dynamics: Sales Insight columns";
        let mut lacking: Vec<String> = lacking.collect();
        // What Marketo lacks is said of leads and contacts alike.
        lacking.sort();
        lacking.dedup();
        for guess in &self.guesses {
            let finding = Finding::red(what, guess.message.clone(), format!("decide it under [msi.{}]", guess.table));
            self.findings.push(finding.coded("msi-column"));
        }
        if !lacking.is_empty() {
            let remedy = "install Adobe's package, name your own columns under [msi], or have `insight-bridge check --fix` make them";
            self.findings.push(Finding::amber(what, lacking.join("; "), remedy).explained("msi-column-missing", check::COLUMNS));
        }
        if self.guesses.is_empty() && lacking.is_empty() {
            self.findings.push(Finding::green(what, "all seven, of lead and contact"));
        }
    }

    /// What the maps send, what they cut, and what they could send besides.
    fn fields(&mut self) {
        for map in &self.maps {
            let what = format!("field map: {} → {}", map.table, map.object.name());
            let by_label = map.fields.iter().filter(|shown| shown.source.starts_with("label of ")).map(|shown| shown.field.as_str());
            let by_label: Vec<&str> = by_label.collect();
            let mut text = format!("{} fields", map.fields.len());
            if !by_label.is_empty() {
                text.push_str(&format!("; choices as labels in the application user's language: {}", by_label.join(", ")));
            }
            if !map.suggestions.is_empty() {
                text.push_str(&format!("; {} more could be sent", map.suggestions.len()));
            }
            let cut = map.fields.iter().filter(|shown| shown.may_be_cut);
            let cut: Vec<String> = cut.map(|shown| format!("{} ({} from {})", shown.field, shown.marketo, shown.dynamics)).collect();
            self.findings.push(match cut.is_empty() {
                true => Finding::green(what, text),
                false => {
                    let text = format!("{text}; longer texts are cut: {}", cut.join(", "));
                    let remedy = "nothing if that may be so; else change the field's entry, or the column or field itself";
                    Finding::amber(what, text, remedy).explained("field-note", "docs/guide/fields.md")
                }
            });
        }
    }
}
