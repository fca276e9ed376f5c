//! The environment as a whole, and the methods that seed and change it from the outside.
//!
//! Seeding goes past privileges and closed rows but keeps every computed column, mirror and index true, as if the rows had come in through the API.

use std::collections::BTreeSet;

use base::{Dice, Guid, Timestamp};
use serde_json::{Map, Value as Json};

use crate::{
    error::Outcome,
    gate::Gate,
    options::Options,
    rules::{Actor, By},
    schema::{NewColumn, Schema},
    store::Store,
    token::Tokens,
};

/// Rows every environment has from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixtures {
    /// The organization row.
    pub organization: Guid,
    /// The root business unit.
    pub business_unit: Guid,
    /// The base currency.
    pub currency: Guid,
    /// The application user that stands for the client's app registration.
    pub application_user: Guid,
    /// The default team of the root business unit.
    pub team: Guid,
}

/// An emulated Dataverse environment.
#[derive(Debug)]
pub struct State {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) dice: Dice,
    pub(crate) gate: Gate,
    pub(crate) tokens: Tokens,
    pub(crate) fixtures: Fixtures,
    /// Delta tokens up to this version have expired.
    pub(crate) delta_floor: u64,
    /// What the rows about bulk messages and retention were last made from.
    pub(crate) announced: (BTreeSet<String>, u32),
    pub(crate) requests: u64,
    /// Where the last request was sent, for refusals that name the environment without seeing a request.
    pub(crate) origin: String,
    /// The row the last write made or changed, for references between the parts of a change set.
    pub(crate) touched: Option<(usize, Guid)>,
}

impl State {
    /// A fresh environment: tables, fixtures and no business rows.
    #[must_use]
    pub fn new(options: Options, now: Timestamp) -> Self {
        let mut dice = Dice::new(options.seed);
        let fixtures = Fixtures {
            organization: dice.guid(),
            business_unit: dice.guid(),
            currency: dice.guid(),
            application_user: dice.guid(),
            team: dice.guid(),
        };
        let mut state = Self {
            store: Store::new(options.msi_columns),
            dice,
            gate: Gate::default(),
            tokens: Tokens::default(),
            fixtures,
            delta_floor: 0,
            announced: (BTreeSet::new(), 0),
            requests: 0,
            origin: "https://contoso.crm.dynamics.com".to_owned(),
            touched: None,
            options,
        };
        state.furnish(now);
        state
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The settings, to change them; most take effect with the next request.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Back to a fresh environment with the same settings; tokens and limits are forgotten too.
    pub fn reset(&mut self, now: Timestamp) {
        *self = Self::new(self.options.clone(), now);
    }

    /// The rows every environment has from the start.
    #[must_use]
    pub fn fixtures(&self) -> Fixtures {
        self.fixtures
    }

    /// The tables as they are now.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.store.schema
    }

    /// The version of the newest change in the environment.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.store.version()
    }

    /// Adds a row. Keys are logical names; a lookup is `_x_value`, with `_x_value@Microsoft.Dynamics.CRM.lookuplogicalname` where it may point to
    /// several tables; the primary key, `createdon`, `modifiedon` and their users are taken over when given. A connection brings its mirror along.
    ///
    /// # Errors
    /// In words, when a column is unknown, a value doesn't fit it, or the id or an alternate key is taken.
    pub fn insert(&mut self, table: &str, row: Map<String, Json>, now: Timestamp) -> Result<Guid, String> {
        let at = self.position(table)?;
        let actor = self.seeder(now);
        let (id, cells) = self.read_seed(at, &row)?;
        self.transact(|state| state.create(at, id, cells, actor, By::Seed)).map_err(|refusal| refusal.message)
    }

    /// Changes columns of a row; `null` clears.
    ///
    /// # Errors
    /// In words, when the row or a column is unknown or a value doesn't fit.
    pub fn update(&mut self, table: &str, id: Guid, patch: Map<String, Json>, now: Timestamp) -> Result<(), String> {
        let at = self.position(table)?;
        let actor = self.seeder(now);
        let (_, cells) = self.read_seed(at, &patch)?;
        self.transact(|state| state.modify(at, id, cells, actor, By::Seed)).map_err(|refusal| refusal.message)
    }

    /// Deletes a row with everything that goes with it.
    ///
    /// # Errors
    /// In words, when there is no such row or its table refuses.
    pub fn delete(&mut self, table: &str, id: Guid, now: Timestamp) -> Result<(), String> {
        let at = self.position(table)?;
        let actor = self.seeder(now);
        self.transact(|state| state.remove(at, id, actor, By::Seed)).map_err(|refusal| refusal.message)
    }

    /// A row in the form [`insert`](Self::insert) takes, with `versionnumber`; columns without value are absent.
    #[must_use]
    pub fn get(&self, table: &str, id: Guid) -> Option<Map<String, Json>> {
        let at = self.store.schema.find(table)?;
        self.store.row(at, id).map(|row| self.seed_form(at, id, row))
    }

    /// All rows of a table by ascending id; none for an unknown table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (Guid, Map<String, Json>)> + '_ {
        let at = self.store.schema.find(table);
        at.into_iter().flat_map(move |at| self.store.table(at).rows.iter().map(move |(id, row)| (*id, self.seed_form(at, *id, row))))
    }

    /// How many rows a table has.
    #[must_use]
    pub fn count(&self, table: &str) -> usize {
        self.store.schema.find(table).map_or(0, |at| self.store.table(at).rows.len())
    }

    /// Makes every delta link handed out so far answer `0x80044352`.
    pub fn expire_delta_tokens(&mut self) {
        self.delta_floor = self.store.version();
        self.store.next_version();
    }

    /// Forgets every access token handed out so far: the next call with one gets 401.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Adds a column; metadata shows it after the configured lag.
    ///
    /// # Errors
    /// When the table is unknown or the name taken.
    pub fn add_column(&mut self, table: &str, column: NewColumn, now: Timestamp) -> Result<(), String> {
        let visible = now.as_second().saturating_add(i64::from(self.options.metadata_lag_s));
        let at = self.position(table)?;
        self.store.schema.get_mut(at).ok_or("no such table")?.add_column(column, visible).map(|_| ())
    }

    /// Removes a column and its values.
    ///
    /// # Errors
    /// When the table or column is unknown.
    pub fn remove_column(&mut self, table: &str, column: &str) -> Result<(), String> {
        let at = self.position(table)?;
        self.store.schema.get_mut(at).ok_or("no such table")?.remove_column(column)
    }

    /// Gives a column another name.
    ///
    /// # Errors
    /// When the table or column is unknown or the new name taken.
    pub fn rename_column(&mut self, table: &str, from: &str, to: &str) -> Result<(), String> {
        let at = self.position(table)?;
        self.store.schema.get_mut(at).ok_or("no such table")?.rename_column(from, to)
    }

    /// Changes a column in place: its length, label, options, field security, kind.
    ///
    /// # Errors
    /// When the table or column is unknown.
    pub fn edit_column(&mut self, table: &str, column: &str, edit: impl FnOnce(&mut crate::schema::Column)) -> Result<(), String> {
        let at = self.position(table)?;
        let table = self.store.schema.get_mut(at).ok_or("no such table")?;
        let position = table.find(column).ok_or_else(|| format!("{} has no column {column}", table.name))?;
        edit(table.column_mut(position).ok_or("no such column")?);
        Ok(())
    }

    /// Gives a text column another length; what is stored stays.
    ///
    /// # Errors
    /// When the table or column is unknown.
    pub fn resize_column(&mut self, table: &str, column: &str, max: u32) -> Result<(), String> {
        self.edit_column(table, column, |column| {
            if let crate::schema::Kind::Text(length) | crate::schema::Kind::Memo(length) = &mut column.kind {
                *length = max;
            }
        })
    }

    /// Switches field security of a column on or off.
    ///
    /// # Errors
    /// When the table or column is unknown.
    pub fn secure_column(&mut self, table: &str, column: &str, secured: bool) -> Result<(), String> {
        self.edit_column(table, column, |column| column.secured = secured)
    }

    /// Adds a table; an existing one of the name stays.
    pub fn add_table(&mut self, table: crate::schema::Table) {
        self.store.add_table(table);
    }

    /// Defines an alternate key over these columns.
    ///
    /// # Errors
    /// When the table or a column is unknown.
    pub fn add_key(&mut self, table: &str, name: &str, columns: &[&str]) -> Result<(), String> {
        let at = self.position(table)?;
        let definition = self.store.schema.get_mut(at).ok_or("no such table")?;
        let positions: Option<Vec<_>> = columns.iter().map(|column| definition.find(column)).collect();
        let columns = positions.ok_or_else(|| format!("{} lacks a column of the key", definition.name))?;
        definition.keys.push(crate::schema::AlternateKey { name: name.to_owned(), columns });
        self.store.index_keys(at);
        Ok(())
    }

    pub(crate) fn position(&self, table: &str) -> Result<usize, String> {
        self.store.schema.find(table).ok_or_else(|| format!("no table {table}"))
    }

    pub(crate) fn seeder(&self, now: Timestamp) -> Actor {
        Actor { user: self.fixtures.application_user, behalf: None, now: now.as_second() }
    }

    /// Runs `work` all or nothing.
    pub(crate) fn transact<T>(&mut self, work: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        let opened = self.store.begin();
        let outcome = work(self);
        if opened {
            self.store.finish(outcome.is_ok());
        }
        outcome
    }
}
