//! Changes behind a client's back: what users, marketers and other integrations do.

use base::{Guid, Timestamp};
use dataverse_emulator::Qualify;
use marketo_emulator::{DataType, FieldSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Answer, Call, rows};
use crate::{Sandbox, activity, edits};

type Row = Map<String, Value>;

/// One change. The JSON form names it in `do`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// A new Dynamics row, in the form that reads have: `_ownerid_value` and so on.
    Create {
        /// The table's logical name.
        table: String,
        /// The row.
        row: Row,
    },
    /// New values in a Dynamics row; null clears.
    Update {
        /// The table's logical name.
        table: String,
        /// The row.
        id: Guid,
        /// The columns.
        row: Row,
    },
    /// A Dynamics row is deleted.
    Delete {
        /// The table's logical name.
        table: String,
        /// The row.
        id: Guid,
    },
    /// A lead is qualified.
    Qualify {
        /// The lead.
        id: Guid,
        /// Whether an account is made.
        #[serde(default)]
        account: bool,
        /// Whether a contact is made.
        #[serde(default = "yes")]
        contact: bool,
        /// Whether an opportunity is made.
        #[serde(default)]
        opportunity: bool,
    },
    /// Two Dynamics rows of one table are merged.
    Merge {
        /// `account`, `contact` or `lead`.
        table: String,
        /// The row that stays.
        winner: Guid,
        /// The row that is deactivated.
        loser: Guid,
    },
    /// An administrator secures a Dynamics column, so that nobody without a permission of its own can read it, or frees it.
    SecureColumn {
        /// The table's logical name.
        table: String,
        /// The column's.
        column: String,
        /// Whether it is secured from now on.
        secured: bool,
    },
    /// A customizer removes a Dynamics column, and with it what it holds.
    RemoveColumn {
        /// The table's logical name.
        table: String,
        /// The column's.
        column: String,
    },
    /// A Dynamics column has another name from now on, as if it had been made anew and filled.
    RenameColumn {
        /// The table's logical name.
        table: String,
        /// The column's.
        column: String,
        /// Its new one.
        name: String,
    },
    /// A customizer shortens or lengthens a Dynamics column, or it can't be read or written any more, or again.
    ChangeColumn {
        /// The table's logical name.
        table: String,
        /// The column's.
        column: String,
        /// The longest text from now on; what is stored stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u32>,
        /// Whether it can be read from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        readable: Option<bool>,
        /// Whether it can be written from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        updatable: Option<bool>,
    },
    /// A new Marketo record: of `leads` unless `object` says another.
    MarketoCreate {
        /// `leads`, `companies`, `salespersons`, `opportunities` or `roles`.
        #[serde(default = "leads")]
        object: String,
        /// The record.
        row: Row,
    },
    /// New values in a Marketo record; null clears.
    MarketoUpdate {
        /// As above.
        #[serde(default = "leads")]
        object: String,
        /// Marketo's id: a number, or a GUID for opportunities and roles.
        id: Value,
        /// The fields.
        row: Row,
    },
    /// A Marketo record is deleted, whatever refers to it.
    MarketoDelete {
        /// As above.
        #[serde(default = "leads")]
        object: String,
        /// Marketo's id.
        id: Value,
    },
    /// An administrator adds a custom field in Marketo.
    MarketoAddField {
        /// As above.
        #[serde(default = "leads")]
        object: String,
        /// The REST name.
        name: String,
        /// The type, as "describe" spells it.
        kind: DataType,
        /// The longest text; 255 for texts unless said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u32>,
        /// Whether it can't be written.
        #[serde(default)]
        read_only: bool,
    },
    /// An administrator hides a field from Marketo's REST API.
    MarketoRemoveField {
        /// As above.
        #[serde(default = "leads")]
        object: String,
        /// The REST name.
        name: String,
    },
    /// An administrator shortens, lengthens, freezes or frees a field in Marketo.
    MarketoChangeField {
        /// As above.
        #[serde(default = "leads")]
        object: String,
        /// The REST name.
        name: String,
        /// The longest text from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u32>,
        /// The longest text that it takes from now on, whatever "describe" tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// Whether it can't be written from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read_only: Option<bool>,
    },
    /// A static list is made in Marketo; answers its id.
    MarketoList {
        /// Its name.
        name: String,
    },
    /// Other integrations have used Marketo's API today.
    MarketoUsage {
        /// How many calls they made.
        others: u64,
    },
    /// Marketo persons are merged.
    MarketoMerge {
        /// Who stays.
        winner: i64,
        /// Who go.
        losers: Vec<i64>,
    },
    /// An interesting moment.
    Moment {
        /// Marketo's id.
        id: i64,
        /// `Web`, `Email`, `Milestone` or any other word.
        kind: String,
        /// What happened.
        description: String,
        /// Where it came from.
        #[serde(default)]
        source: String,
        /// When; now by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// A change of scores.
    Score {
        /// Marketo's id.
        id: i64,
        /// Engagement.
        priority: i64,
        /// Flames, 0 to 3.
        relative_urgency: i64,
        /// Stars, 0 to 3.
        relative_score: i64,
    },
    /// The nightly re-cut of the tiers, which leaves no activities.
    Recut {
        /// Its chance.
        seed: u64,
    },
    /// Random moments; see [`activity::moments`].
    Moments {
        /// Their chance.
        seed: u64,
        /// How many.
        count: usize,
    },
    /// Random edits of people; see [`edits::edit_people`].
    EditPeople {
        /// Their chance.
        seed: u64,
        /// Of how many in a hundred.
        percent: f64,
    },
    /// Random edits of connections; see [`edits::edit_roles`].
    EditRoles {
        /// Their chance.
        seed: u64,
        /// How many.
        count: usize,
    },
    /// Random changes of owners; see [`edits::edit_owners`].
    EditOwners {
        /// Their chance.
        seed: u64,
        /// How many.
        count: usize,
    },
}

fn yes() -> bool {
    true
}

fn leads() -> String {
    "leads".to_owned()
}

/// Does a list of changes in its order. One that fails doesn't stop the others; each has its own answer.
pub(super) fn mutate(call: &Call) -> Answer {
    let operations: Vec<Operation> = call.json()?;
    let results = operations.into_iter().map(|operation| match operation.apply(&call.sandbox) {
        Ok(result) => json!({ "ok": true, "result": result }),
        Err(error) => json!({ "ok": false, "error": error }),
    });
    Ok(json!({ "results": results.collect::<Vec<_>>() }))
}

fn done(outcome: Result<(), String>) -> Answer {
    outcome.map(|()| Value::Null)
}

fn there(found: bool) -> Answer {
    if found { Ok(Value::Null) } else { Err("no such record".to_owned()) }
}

impl Operation {
    /// Does it, and answers what the control interface answers: the id of what was made, or null.
    ///
    /// # Errors
    /// In words, when there is no such row or it doesn't fit.
    pub fn apply(self, sandbox: &Sandbox) -> Result<Value, String> {
        let now = sandbox.now();
        let dataverse = || sandbox.dataverse.state();
        let marketo = || sandbox.marketo.state();
        match self {
            Self::Create { table, row } => dataverse().insert(&table, row, now).map(|id| json!(id)),
            Self::Update { table, id, row } => done(dataverse().update(&table, id, row, now)),
            Self::Delete { table, id } => done(dataverse().delete(&table, id, now)),
            Self::Qualify { id, account, contact, opportunity } => {
                let how = Qualify { account, contact, opportunity, ..Qualify::default() };
                dataverse().qualify_lead(id, how, now).map(|made| json!(made))
            }
            Self::Merge { table, winner, loser } => done(dataverse().merge(&table, winner, loser, Row::new(), now)),
            Self::SecureColumn { table, column, secured } => done(dataverse().secure_column(&table, &column, secured)),
            Self::RemoveColumn { table, column } => done(dataverse().remove_column(&table, &column)),
            Self::RenameColumn { table, column, name } => done(dataverse().rename_column(&table, &column, &name)),
            Self::ChangeColumn { table, column, length, readable, updatable } => {
                let mut dataverse = dataverse();
                if let Some(length) = length {
                    dataverse.resize_column(&table, &column, length)?;
                }
                done(dataverse.edit_column(&table, &column, |column| {
                    column.readable = readable.unwrap_or(column.readable);
                    column.updatable = updatable.unwrap_or(column.updatable);
                }))
            }
            Self::MarketoCreate { object, row } => rows::insert(sandbox, rows::object(&object)?, row, now),
            Self::MarketoUpdate { object, id, row } => there(marketo().update(rows::object(&object)?, &id, row, now)),
            Self::MarketoDelete { object, id } => there(marketo().delete(rows::object(&object)?, &id, now)),
            Self::MarketoAddField { object, name, kind, length, read_only } => {
                let spec = FieldSpec::new(&name, kind);
                let spec = FieldSpec { length: length.or(spec.length), read_only, ..spec };
                let added = marketo().add_field(rows::object(&object)?, spec);
                if added { Ok(Value::Null) } else { Err(format!("there is a field {name} already")) }
            }
            Self::MarketoRemoveField { object, name } => there(marketo().remove_field(rows::object(&object)?, &name)),
            Self::MarketoChangeField { object, name, length, limit, read_only } => {
                let (object, mut marketo) = (rows::object(&object)?, marketo());
                let shortened = length.is_none_or(|length| marketo.set_field_length(object, &name, Some(length)));
                let limited = limit.is_none_or(|limit| marketo.set_field_limit(object, &name, Some(limit)));
                let frozen = read_only.is_none_or(|read_only| marketo.set_field_read_only(object, &name, read_only));
                there(shortened && limited && frozen)
            }
            Self::MarketoList { name } => Ok(json!(marketo().add_list(&name, now))),
            Self::MarketoUsage { others } => {
                marketo().set_usage(others, now);
                Ok(Value::Null)
            }
            Self::MarketoMerge { winner, losers } => there(marketo().merge_leads(winner, &losers, now)),
            Self::Moment { id, kind, description, source, at } => {
                there(marketo().interesting_moment_of(id, &kind, &description, &source, at.unwrap_or(now), now))
            }
            Self::Score { id, priority, relative_urgency, relative_score } => {
                there(marketo().change_score(id, priority, relative_urgency, relative_score, now))
            }
            Self::Recut { seed } => Ok(json!(activity::recut(&mut marketo(), seed, now))),
            Self::Moments { seed, count } => Ok(json!(activity::moments(&mut marketo(), seed, count, now))),
            Self::EditPeople { seed, percent } => edits::edit_people(&mut dataverse(), seed, percent, now).map(|edits| json!(edits)),
            Self::EditRoles { seed, count } => edits::edit_roles(&mut dataverse(), seed, count, now).map(|edits| json!(edits)),
            Self::EditOwners { seed, count } => edits::edit_owners(&mut dataverse(), seed, count, now).map(|edits| json!(edits)),
        }
    }
}
