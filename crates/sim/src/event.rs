//! A line of `when`: short forms of what people do, made into a [`Step`].
//!
//! `{ update.bo = { jobtitle = "Clerk" } }`, `{ delete = "bo" }`, `{ marketo.update.bo = { phone = "7" } }`, `"cycle"`; anything else is a
//! [`Step`] in its own form.

use base::{Guid, Table};
use marketo_emulator::Object as Theirs;
use sandbox::control::Operation;
use serde_json::{Map, Value, json};

use crate::{
    given::{marketo_object, whole_row},
    names::Names,
    scenario::{members, settings},
    step::Step,
    world::World,
};

/// A step, and what gets a name when it is done.
pub struct Event {
    pub step: Step,
    pub named: Vec<Named>,
}

/// What an operation makes and somebody named.
pub enum Named {
    /// The Marketo person that this operation made, by its place.
    Person(usize, String),
    /// A row of the lead that this operation qualified.
    Qualified(usize, Table, String),
}

/// Words that begin what people do.
const DEEDS: [&str; 7] = ["create", "update", "qualify", "merge", "delete", "secure", "marketo"];

/// Reads one line.
///
/// # Errors
/// In words, when it isn't one, or names what isn't there.
pub fn read(line: Value, world: &World, names: &mut Names) -> Result<Event, String> {
    let line = match line.as_str() {
        Some("heal") => return Ok(Event { step: Step::Heal, named: Vec::new() }),
        Some(word) => Map::from_iter([(word.to_owned(), json!({}))]),
        None => members(line, "a step")?,
    };
    if line.keys().all(|word| DEEDS.contains(&word.as_str())) {
        let (operations, named) = deeds(line, world, names)?;
        return Ok(Event { step: Step::Do(operations), named });
    }
    if let Some(asked) = line.get("pass") {
        return Ok(Event { step: Step::Pass(seconds(asked)?), named: Vec::new() });
    }
    if let Some(asked) = line.get("emulators") {
        return Ok(Event { step: Step::Emulators(settings(asked.clone())?), named: Vec::new() });
    }
    let mut line = Value::Object(line);
    names.resolve(&mut line)?;
    if let Some(entries) = line.pointer_mut("/cycle/meanwhile").and_then(Value::as_array_mut) {
        for entry in entries {
            let mut deed = members(entry.take(), "what happens meanwhile")?;
            let at = deed.remove("at");
            if let Some(mut operations) = deed.remove("do") {
                empty_to_null(&mut operations);
                *entry = json!({ "at": at, "do": operations });
                continue;
            }
            if let Some(word) = deed.keys().find(|word| !DEEDS.contains(&word.as_str())) {
                return Err(format!("nobody does {word:?} meanwhile"));
            }
            let (operations, _) = deeds(deed, world, names)?;
            *entry = json!({ "at": at, "do": operations });
        }
    }
    if let Some(operations) = line.get_mut("do") {
        empty_to_null(operations);
    }
    let step: Step = serde_json::from_value(line.clone()).map_err(|error| format!("{line}: {error}"))?;
    Ok(Event { step, named: Vec::new() })
}

/// In rows of operations that are written in their own form, an empty text stands for null, which TOML doesn't have.
fn empty_to_null(operations: &mut Value) {
    for row in operations.as_array_mut().into_iter().flatten().filter_map(|operation| operation.get_mut("row")?.as_object_mut()) {
        row.values_mut().filter(|value| value.as_str() == Some("")).for_each(|value| *value = Value::Null);
    }
}

/// Gives names to what was made.
///
/// # Errors
/// When it wasn't made.
pub fn meet(made: &[Value], named: Vec<Named>, names: &mut Names) -> Result<(), String> {
    for name in named {
        match name {
            Named::Person(at, name) => {
                let id = made.get(at).and_then(Value::as_i64).ok_or_else(|| format!("{name} wasn't made"))?;
                names.add_person(&name, id);
            }
            Named::Qualified(at, table, name) => {
                let pairs = made.get(at).and_then(Value::as_array).cloned().unwrap_or_default();
                let pair = pairs.iter().find(|pair| pair[0] == json!(table.name()));
                let id: Guid =
                    pair.and_then(|pair| pair[1].as_str()).and_then(|id| id.parse().ok()).ok_or_else(|| format!("{name} wasn't made"))?;
                names.add_as(&name, table, id);
            }
        }
    }
    Ok(())
}

/// `25h`, `90m`, `30s` or `2d`.
fn seconds(value: &Value) -> Result<u64, String> {
    let wrong = || format!("{value} is no time: 30s, 90m, 25h or 2d");
    let text = value.as_str().ok_or_else(wrong)?;
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "s" => Ok(number),
        "m" => Ok(number * 60),
        "h" => Ok(number * 3600),
        "d" => Ok(number * 86_400),
        _ => Err(wrong()),
    }
}

/// What people do at one moment, in the order of [`DEEDS`] whatever that of the line is: TOML keeps none.
fn deeds(line: Map<String, Value>, world: &World, names: &mut Names) -> Result<(Vec<Operation>, Vec<Named>), String> {
    let mut reading = Reading { world, names, operations: Vec::new(), named: Vec::new() };
    for word in DEEDS {
        let Some(value) = line.get(word).cloned() else { continue };
        match word {
            "create" => reading.create(value)?,
            "update" => reading.update(value)?,
            "qualify" => reading.qualify(value)?,
            "merge" => reading.merge(&value)?,
            "delete" => reading.delete(&value)?,
            "secure" => reading.secure(value)?,
            _ => reading.marketo(value)?,
        }
    }
    Ok((reading.operations, reading.named))
}

/// What has been read of one line.
struct Reading<'a> {
    world: &'a World,
    names: &'a mut Names,
    operations: Vec<Operation>,
    named: Vec<Named>,
}

impl Reading<'_> {
    fn create(&mut self, value: Value) -> Result<(), String> {
        for (table, rows) in members(value, "create")? {
            let table = Table::of_name(&table).ok_or_else(|| format!("no table {table}"))?;
            let rows = members(rows, "rows")?;
            for name in rows.keys() {
                self.names.add(name, table);
            }
            for (name, row) in rows {
                let row = whole_row(table, &name, &members(row, "a row")?, self.names)?;
                self.operations.push(Operation::Create { table: table.name().to_owned(), row });
            }
        }
        Ok(())
    }

    fn update(&mut self, value: Value) -> Result<(), String> {
        for (name, row) in members(value, "update")? {
            let (table, id) = self.names.row(&name)?;
            let row = self.names.dynamics_row(table, &members(row, "a row")?)?;
            self.operations.push(Operation::Update { table: table.name().to_owned(), id, row });
        }
        Ok(())
    }

    fn qualify(&mut self, value: Value) -> Result<(), String> {
        for (name, made) in members(value, "qualify")? {
            let (_, id) = self.names.row(&name)?;
            let made = members(made, "what is made")?;
            for (word, name) in &made {
                let table = Table::of_name(word).ok_or_else(|| format!("{word} isn't made of a lead"))?;
                self.named.push(Named::Qualified(self.operations.len(), table, name.as_str().unwrap_or_default().to_owned()));
            }
            let has = |word: &str| made.contains_key(word);
            let (account, contact, opportunity) = (has("account"), has("contact"), has("opportunity"));
            self.operations.push(Operation::Qualify { id, account, contact, opportunity });
        }
        Ok(())
    }

    fn merge(&mut self, value: &Value) -> Result<(), String> {
        let (table, winner) = self.names.row(text(value, "winner")?)?;
        for loser in texts(&value["loser"])? {
            let (_, loser) = self.names.row(loser)?;
            self.operations.push(Operation::Merge { table: table.name().to_owned(), winner, loser });
        }
        Ok(())
    }

    fn delete(&mut self, value: &Value) -> Result<(), String> {
        for name in texts(value)? {
            let (table, id) = self.names.row(name)?;
            self.operations.push(Operation::Delete { table: table.name().to_owned(), id });
        }
        Ok(())
    }

    fn secure(&mut self, value: Value) -> Result<(), String> {
        for (place, secured) in members(value, "secure")? {
            let (table, column) = place.split_once('.').ok_or("secure takes \"table.column\"")?;
            let secured = secured == json!(true);
            self.operations.push(Operation::SecureColumn { table: table.to_owned(), column: column.to_owned(), secured });
        }
        Ok(())
    }

    /// What happens on Marketo's side.
    fn marketo(&mut self, value: Value) -> Result<(), String> {
        for (word, mut value) in members(value, "marketo")? {
            self.names.resolve(&mut value)?;
            match word.as_str() {
                "create" => self.marketo_create(value)?,
                "update" => self.marketo_update(value)?,
                "delete" => {
                    for name in texts(&value)? {
                        let (object, id) = place(name, self.world, self.names)?;
                        self.operations.push(Operation::MarketoDelete { object, id });
                    }
                }
                "merge" => {
                    let person = |name: &str| self.names.person(name, self.world);
                    let winner = person(text(&value, "winner")?)?;
                    let losers = texts(&value["loser"])?.into_iter().map(person).collect::<Result<Vec<i64>, String>>()?;
                    self.operations.push(Operation::MarketoMerge { winner, losers });
                }
                "moment" => self.moment(value)?,
                "score" => self.score(value)?,
                _ => {
                    // An operation in its own words: `{ marketo.change-field = { name = "title", length = 5 } }`.
                    let mut whole = members(value, &word)?;
                    whole.insert("do".into(), json!(format!("marketo-{word}")));
                    let operation = serde_json::from_value(Value::Object(whole));
                    self.operations.push(operation.map_err(|error| format!("marketo.{word}: {error}"))?);
                }
            }
        }
        Ok(())
    }

    fn marketo_create(&mut self, value: Value) -> Result<(), String> {
        for (object, records) in members(value, "create")? {
            let object = path(marketo_object(&object)?);
            for (name, record) in members(records, "records")? {
                if object == "leads" {
                    self.named.push(Named::Person(self.operations.len(), name));
                }
                self.operations.push(Operation::MarketoCreate { object: object.to_owned(), row: members(record, "a record")? });
            }
        }
        Ok(())
    }

    fn marketo_update(&mut self, value: Value) -> Result<(), String> {
        for (name, record) in members(value, "update")? {
            let (object, id) = place(&name, self.world, self.names)?;
            let mut row = members(record, "a record")?;
            row.values_mut().filter(|value| value.as_str() == Some("")).for_each(|value| *value = Value::Null);
            self.operations.push(Operation::MarketoUpdate { object, id, row });
        }
        Ok(())
    }

    fn moment(&mut self, value: Value) -> Result<(), String> {
        for (name, what) in members(value, "moment")? {
            let (id, description) = (self.names.person(&name, self.world)?, what.as_str().unwrap_or_default().to_owned());
            self.operations.push(Operation::Moment { id, kind: "Web".into(), description, source: "Website".into(), at: None });
        }
        Ok(())
    }

    fn score(&mut self, value: Value) -> Result<(), String> {
        for (name, scores) in members(value, "score")? {
            let score = |at: usize| scores.get(at).and_then(Value::as_i64).unwrap_or(0);
            let id = self.names.person(&name, self.world)?;
            let (priority, relative_urgency, relative_score) = (score(0), score(1), score(2));
            self.operations.push(Operation::Score { id, priority, relative_urgency, relative_score });
        }
        Ok(())
    }
}

/// The Marketo record of a name: its object and Marketo's id.
fn place(name: &str, world: &World, names: &Names) -> Result<(String, Value), String> {
    let table = names.row(name).ok().map(|(table, _)| table);
    let (object, key) = match table {
        Some(Table::Account) => (Theirs::Companies, "externalCompanyId"),
        Some(Table::SystemUser) => (Theirs::SalesPersons, "externalSalesPersonId"),
        Some(Table::Opportunity) => (Theirs::Opportunities, "externalOpportunityId"),
        Some(Table::Lead | Table::Contact | Table::Team | Table::ConnectionRole | Table::Connection) | None => {
            return Ok(("leads".to_owned(), json!(names.person(name, world)?)));
        }
    };
    let (_, id) = names.row(name)?;
    let state = world.sandbox.marketo.state();
    let mut rows = state.rows(object);
    let found = rows.find(|row| row.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok()) == Some(id));
    let found = found.ok_or_else(|| format!("Marketo has no {name}"))?;
    let own = found.get("marketoGUID").or_else(|| found.get("id")).cloned();
    Ok((path(object).to_owned(), own.ok_or_else(|| format!("Marketo's {name} has no id"))?))
}

/// An object by the name that the control interface has for it.
fn path(object: Theirs) -> &'static str {
    match object {
        Theirs::Leads => "leads",
        Theirs::Companies => "companies",
        Theirs::SalesPersons => "salespersons",
        Theirs::Opportunities => "opportunities",
        Theirs::Roles => "roles",
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, String> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is missing"))
}

/// One text or several.
fn texts(value: &Value) -> Result<Vec<&str>, String> {
    let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let texts = values.iter().map(|value| value.as_str().ok_or_else(|| format!("{value} is no name")));
    texts.collect()
}
