//! What people do on both sides, as a history tells it: rows by numbers, persons by what they are known by.
//!
//! An event becomes an operation only when it happens, because ids that the emulators give depend on all that was before. One that names
//! what isn't there does nothing, so that any event can be left out of a history.

use std::collections::BTreeMap;

use base::Guid;
use sandbox::control::Operation;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::world::{World, id};

/// A JSON object.
pub type Row = Map<String, Value>;

/// The Marketo field that says which form made a person: nothing of ours reads or writes it.
const FORM_FIELD: &str = "originalSourceInfo";

/// One thing that somebody does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A new Dynamics row. A lookup is an array: table and number; an empty one clears it.
    Create { table: String, n: u64, row: Row },
    /// New values in a Dynamics row; null clears.
    Update { table: String, n: u64, row: Row },
    /// A Dynamics row is deleted.
    Delete { table: String, n: u64 },
    /// A lead is qualified. What is made of it is known by these numbers from now on.
    Qualify { lead: u64, contact: Option<u64>, account: Option<u64>, deal: Option<u64> },
    /// Two Dynamics rows of one table are merged.
    Merge { table: String, winner: u64, loser: u64 },
    /// Marketo has a new person, from a form or a list.
    Form { name: u64, row: Row },
    /// Marketing changes a person.
    Edit { person: Person, row: Row },
    /// Marketing deletes a person.
    Remove { person: Person },
    /// Marketing merges two persons.
    Join { winner: Person, loser: Person },
    /// Marketing deletes a company, sales person or opportunity.
    RemoveRecord { object: String, n: u64 },
    /// An interesting moment.
    Moment { person: Person, kind: String, description: String },
    /// Scores change.
    Score { person: Person, priority: i64, urgency: i64, score: i64 },
    /// The nightly re-cut of the tiers, which leaves no activities.
    Recut { seed: u64 },
    /// Other integrations have made so many calls today.
    UseQuota { others: u64 },
}

/// How a Marketo person is found when something happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Person {
    /// The person of a Dynamics record.
    Of(u64),
    /// The person that [`Event::Form`] made under this name.
    Form(u64),
}

/// Numbers whose rows the emulator made out of a lead: table and lead.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeMap<u64, (&'static str, u64)>);

impl Names {
    /// The numbers that these events give.
    pub fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Self {
        let mut names = BTreeMap::new();
        for event in events {
            if let Event::Qualify { lead, contact, account, deal } = event {
                let made = [("contact", contact), ("account", account), ("opportunity", deal)];
                names.extend(made.into_iter().filter_map(|(table, n)| Some(((*n)?, (table, *lead)))));
            }
        }
        Self(names)
    }

    /// The id of a number.
    #[must_use]
    pub fn row(&self, world: &World, n: u64) -> Guid {
        let Some((table, lead)) = self.0.get(&n) else { return id(n) };
        let lead = json!(id(*lead));
        let dynamics = world.sandbox.dataverse.state();
        let made = dynamics.rows(table).find(|(_, row)| row.get("_originatingleadid_value") == Some(&lead));
        made.map_or_else(|| id(n), |(id, _)| id)
    }

    fn person(&self, world: &World, person: &Person) -> Option<i64> {
        let of = match person {
            Person::Of(n) => Some(self.row(world, *n)),
            Person::Form(_) => None,
        };
        let marketo = world.sandbox.marketo.state();
        match (of, person) {
            (Some(id), _) => marketo.leads_by_person().get(&id.to_string()).and_then(|ids| ids.first().copied()),
            (None, Person::Form(name) | Person::Of(name)) => {
                let marker = json!(form(*name));
                let made = marketo.leads().find(|lead| lead.get(FORM_FIELD) == Some(&marker));
                made.and_then(|lead| lead.get("id").and_then(Value::as_i64))
            }
        }
    }

    /// A row as the emulator takes it: numbers become ids.
    fn resolved(&self, world: &World, row: &Row) -> Row {
        let mut resolved = Row::new();
        for (name, value) in row {
            match value.as_array().map(Vec::as_slice) {
                Some([table, n]) => {
                    // Dynamics has no lookups to what isn't there.
                    let is_there =
                        |id: &Guid| table.as_str().is_some_and(|table| world.sandbox.dataverse.state().get(table, *id).is_some());
                    let id = n.as_u64().map(|n| self.row(world, n)).filter(is_there);
                    resolved.insert(format!("_{name}_value"), id.map_or(Value::Null, |id| json!(id)));
                    resolved.insert(format!("_{name}_value@Microsoft.Dynamics.CRM.lookuplogicalname"), table.clone());
                }
                Some([]) => {
                    resolved.insert(format!("_{name}_value"), Value::Null);
                }
                Some(_) | None => {
                    resolved.insert(name.clone(), value.clone());
                }
            }
        }
        resolved
    }
}

/// The row and those that it was merged into, one after the other.
fn masters(world: &World, table: &str, row: Guid) -> Vec<Guid> {
    let dynamics = world.sandbox.dataverse.state();
    let mut chain = vec![row];
    while let Some(master) = chain.last().and_then(|at| dynamics.get(table, *at)?.get("_masterid_value")?.as_str()?.parse().ok())
        && !chain.contains(&master)
    {
        chain.push(master);
    }
    chain
}

fn form(name: u64) -> String {
    format!("form {name}")
}

impl Event {
    /// The operation that it is now; none where what it names isn't there.
    #[must_use]
    pub fn resolve(&self, world: &World, names: &Names) -> Option<Operation> {
        let row = |n: &u64| names.row(world, *n);
        let person = |person: &Person| names.person(world, person);
        Some(match self {
            Self::Create { table, n, row: columns } => {
                let mut columns = names.resolved(world, columns);
                columns.insert(format!("{table}id"), json!(id(*n)));
                Operation::Create { table: table.clone(), row: columns }
            }
            Self::Update { table, n, row: columns } => {
                Operation::Update { table: table.clone(), id: row(n), row: names.resolved(world, columns) }
            }
            Self::Delete { table, n } => Operation::Delete { table: table.clone(), id: row(n) },
            Self::Qualify { lead, contact, account, deal } => {
                Operation::Qualify { id: row(lead), account: account.is_some(), contact: contact.is_some(), opportunity: deal.is_some() }
            }
            Self::Merge { table, winner, loser } => {
                let (winner, loser) = (row(winner), row(loser));
                // Two that stand for each other say nothing, and what is right then nobody knows.
                (!masters(world, table, winner).contains(&loser)).then(|| Operation::Merge { table: table.clone(), winner, loser })?
            }
            Self::Form { name, row } => {
                let mut fields = row.clone();
                fields.insert(FORM_FIELD.into(), json!(form(*name)));
                Operation::MarketoCreate { object: "leads".into(), row: fields }
            }
            Self::Edit { person: who, row } => {
                Operation::MarketoUpdate { object: "leads".into(), id: json!(person(who)?), row: row.clone() }
            }
            Self::Remove { person: who } => Operation::MarketoDelete { object: "leads".into(), id: json!(person(who)?) },
            Self::Join { winner, loser } => {
                let (winner, loser) = (person(winner)?, person(loser)?);
                (winner != loser).then_some(Operation::MarketoMerge { winner, losers: vec![loser] })?
            }
            Self::RemoveRecord { object, n } => {
                Operation::MarketoDelete { object: object.clone(), id: own_id(world, object, names.row(world, *n))? }
            }
            Self::Moment { person: who, kind, description } => Operation::Moment {
                id: person(who)?,
                kind: kind.clone(),
                description: description.clone(),
                source: "Simulation".into(),
                at: None,
            },
            Self::Score { person: who, priority, urgency, score } => {
                Operation::Score { id: person(who)?, priority: *priority, relative_urgency: *urgency, relative_score: *score }
            }
            Self::Recut { seed } => Operation::Recut { seed: *seed },
            Self::UseQuota { others } => Operation::MarketoUsage { others: *others },
        })
    }
}

/// Marketo's own id of the record with this key.
fn own_id(world: &World, object: &str, key: Guid) -> Option<Value> {
    use marketo_emulator::Object as Theirs;
    let (object, field) = match object {
        "companies" => (Theirs::Companies, "externalCompanyId"),
        "salespersons" => (Theirs::SalesPersons, "externalSalesPersonId"),
        _ => (Theirs::Opportunities, "externalOpportunityId"),
    };
    let marketo = world.sandbox.marketo.state();
    let is_meant = |row: &Row| row.get(field).and_then(Value::as_str).and_then(|text| text.parse::<Guid>().ok()) == Some(key);
    let row = marketo.rows(object).find(is_meant)?;
    row.get("id").or_else(|| row.get("marketoGUID")).cloned()
}
