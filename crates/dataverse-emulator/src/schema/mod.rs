//! The tables an environment has: out of the box as Microsoft's table reference lists them, changeable at run time.
//!
//! Lengths, options and navigation names are the documented ones; columns that no integration reads are left out.

pub mod association;
pub mod spec;
pub mod table;

mod neighbours;
mod people;
mod sales;
mod shared;
mod system;

use std::collections::BTreeMap;

pub use association::{Association, End};
pub use spec::{Kind, OnDelete, Required};
pub use table::{AlternateKey, Column, Label, NewColumn, Table, Target};

use spec::TableSpec;

/// Which names the Marketo Sales Insight columns of lead and contact have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MsiColumns {
    /// The names of Adobe's native package: `mkt_lastinterestingmomenttype` and so on.
    Mkt,
    /// A customer's own columns with the same labels: `new_lastinterestingmomenttype` and so on.
    New,
    /// None: the package isn't installed.
    Absent,
}

/// All tables, by position. Positions never change, so a row can keep one in a byte.
#[derive(Debug, Clone)]
pub struct Schema {
    tables: Vec<Table>,
    by_name: BTreeMap<String, usize>,
    by_set: BTreeMap<String, usize>,
    /// Many-to-many relationships.
    pub associations: Vec<Association>,
    /// Option sets that several columns may share.
    pub option_sets: Vec<OptionSet>,
    /// Answers about tables that were given before, by what was asked: they are long, and every client asks for the same ones again and again.
    /// Whatever may change a table forgets them.
    pub(crate) answers: BTreeMap<String, emulator::Response>,
}

/// An option set with a name of its own ("global choice").
#[derive(Debug, Clone)]
pub struct OptionSet {
    /// Its name.
    pub name: String,
    /// English label.
    pub label: Option<String>,
    /// Its options.
    pub options: Vec<Label>,
}

/// The way across a many-to-many relationship, by positions: the table on the other side, the intersect table, and its columns with the ids of
/// this side and of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Across {
    /// The table on the other side.
    pub table: usize,
    /// The intersect table.
    pub intersect: usize,
    /// Its column with the ids of this side.
    pub near: u16,
    /// Its column with the ids of the other side.
    pub far: u16,
}

const TABLES: &[&TableSpec] = &[
    &sales::ACCOUNT,
    &people::CONTACT,
    &people::LEAD,
    &sales::OPPORTUNITY,
    &sales::CONNECTION,
    &sales::CONNECTION_ROLE,
    &system::SYSTEM_USER,
    &system::TEAM,
    &system::BUSINESS_UNIT_TABLE,
    &system::CURRENCY_TABLE,
    &system::ORGANIZATION,
    &sales::OPPORTUNITY_CLOSE,
    &system::CAMPAIGN,
    &system::PRICE_LEVEL,
    &system::SOLUTION,
    &system::SDK_MESSAGE,
    &system::SDK_MESSAGE_FILTER,
    &neighbours::POSITION,
    &neighbours::TERRITORY,
    &neighbours::QUEUE,
    &neighbours::INCIDENT,
    &neighbours::ROLE_TABLES,
    &neighbours::TEAM_MEMBERSHIP,
    &neighbours::ROLE_ASSOCIATION,
];

impl Schema {
    /// The tables out of the box, with the MSI columns of this profile.
    #[must_use]
    pub fn new(msi: MsiColumns) -> Self {
        let mut schema = Self {
            tables: Vec::new(),
            by_name: BTreeMap::new(),
            by_set: BTreeMap::new(),
            associations: association::ASSOCIATIONS.iter().map(Association::from_spec).collect(),
            option_sets: Vec::new(),
            answers: BTreeMap::new(),
        };
        for spec in TABLES {
            let mut table = Table::from_spec(spec);
            let columns = match msi {
                MsiColumns::Mkt => shared::MSI,
                MsiColumns::New => shared::MSI_CUSTOM,
                MsiColumns::Absent => &[],
            };
            if matches!(spec.name, "lead" | "contact") {
                table.extend(columns);
            }
            schema.add(table);
        }
        schema
    }

    /// Adds a table and says at which position; a table of that name stays as it is.
    pub fn add(&mut self, table: Table) -> usize {
        if let Some(at) = self.by_name.get(&table.name) {
            return *at;
        }
        self.answers.clear();
        let at = self.tables.len();
        self.by_name.insert(table.name.clone(), at);
        self.by_set.insert(table.set.clone(), at);
        self.tables.push(table);
        at
    }

    /// All tables in their order, with their positions.
    pub fn tables(&self) -> impl Iterator<Item = (usize, &Table)> {
        self.tables.iter().enumerate().filter(|(_, table)| !table.removed)
    }

    /// Removes a table; its position stays taken, because rows elsewhere may refer to it.
    pub fn remove(&mut self, at: usize) {
        self.answers.clear();
        if let Some(table) = self.tables.get_mut(at) {
            table.removed = true;
            self.by_name.remove(&table.name);
            self.by_set.remove(&table.set);
        }
    }

    /// The position of the table with this logical name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The position of the table with this entity set name, which is case-sensitive.
    #[must_use]
    pub fn find_set(&self, set: &str) -> Option<usize> {
        self.by_set.get(set).copied()
    }

    /// The table at a position.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Table> {
        self.tables.get(at).filter(|table| !table.removed)
    }

    /// The table at a position, to change it.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Table> {
        self.answers.clear();
        self.tables.get_mut(at).filter(|table| !table.removed)
    }

    /// The way from `table` through a many-to-many relationship's navigation name.
    #[must_use]
    pub fn across(&self, table: &str, nav: &str) -> Option<Across> {
        let (association, (near, far)) = self.directions(table).find(|(_, (near, _))| near.nav == nav)?;
        let intersect = self.find(&association.intersect)?;
        let definition = self.get(intersect)?;
        Some(Across { table: self.find(&far.table)?, intersect, near: definition.find(&near.column)?, far: definition.find(&far.column)? })
    }

    /// The many-to-many relationships of `table`: each with the end at this table and the other one.
    pub fn directions(&self, table: &str) -> impl Iterator<Item = (&Association, (&End, &End))> {
        let all = self.associations.iter().flat_map(|association| association.directions().map(|ends| (association, ends)));
        all.filter(move |(_, (near, _))| near.table == table)
    }

    /// The collections of rows that point at `table`: the name of the collection, the table it holds, and the lookup column there.
    pub fn collections(&self, table: &str) -> impl Iterator<Item = (&str, usize, u16)> {
        self.tables().flat_map(move |(at, other)| {
            other.columns().filter(|(_, column)| !column.internal).flat_map(move |(index, column)| {
                column.targets.iter().filter(move |target| target.table == table).map(move |target| (target.many.as_str(), at, index))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lookup_leads_to_a_table_and_every_name_is_unique() {
        let schema = Schema::new(MsiColumns::Mkt);
        for (_, table) in schema.tables() {
            assert!(table.column(table.key).is_some(), "{}", table.name);
            let mut names = std::collections::BTreeSet::new();
            for (_, column) in table.columns() {
                assert!(names.insert(column.name.clone()), "{}.{}", table.name, column.name);
                for target in &column.targets {
                    assert!(schema.find(&target.table).is_some(), "{}.{} points to {}", table.name, column.name, target.table);
                }
            }
            let mut collections = std::collections::BTreeSet::new();
            for (many, ..) in schema.collections(&table.name) {
                assert!(collections.insert(many.to_owned()), "{}: {many} twice", table.name);
            }
            for (_, (near, _)) in schema.directions(&table.name) {
                assert!(collections.insert(near.nav.clone()), "{}: {} twice", table.name, near.nav);
                assert!(schema.across(&table.name, &near.nav).is_some(), "{}: {}", table.name, near.nav);
            }
        }
    }

    #[test]
    fn the_msi_columns_have_the_documented_labels_in_both_profiles() {
        let labels = |profile| {
            let schema = Schema::new(profile);
            let lead = schema.find("lead").and_then(|at| schema.get(at)).unwrap();
            let own = |name: &str| name.starts_with("mkt_") || name.starts_with("new_");
            let mut labels: Vec<_> = lead.columns().filter(|(_, c)| own(&c.name)).map(|(_, c)| c.label.clone().unwrap()).collect();
            labels.sort();
            labels
        };
        assert_eq!(labels(MsiColumns::Mkt), labels(MsiColumns::New));
        assert_eq!(labels(MsiColumns::Mkt).len(), 7);
        assert!(labels(MsiColumns::Absent).is_empty());
    }
}
