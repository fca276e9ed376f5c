//! A Sales Insight column, once it was looked for, beside what it was before.

use std::collections::{BTreeMap, BTreeSet};

use base::{Table, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    known::{Became, KnownColumn, SchemaNews, Stop, lengths},
    msi::{MsiField, MsiMap, MsiSpec, usable},
    schema::{Column, ColumnKind, Columns},
};

/// A column as it was when it was last written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMsi {
    /// How it is configured; none where it was found by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<MsiSpec>,
    /// Marketo's field.
    pub field: String,
    /// Its name.
    pub name: String,
    /// What it was.
    pub column: KnownColumn,
    /// Greater lengths than now under which values may have been written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<u32>,
    /// Since when it is shorter than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shorter_since: Option<Timestamp>,
    /// Why it is left out now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
}

/// The columns of one table by their field.
pub type KnownMsis = BTreeMap<MsiField, KnownMsi>;

/// What came of looking for the columns of a table.
#[derive(Debug, Default)]
pub struct Found {
    /// Where each field goes.
    pub map: MsiMap,
    /// The columns as they were last written to, those that are stopped among them.
    pub known: KnownMsis,
    /// What has changed since: Marketo's field, and what became of it or of its column.
    pub news: Vec<(String, SchemaNews)>,
}

impl Found {
    /// A column that can be written.
    pub(crate) fn take(
        &mut self,
        field: MsiField,
        spec: Option<&MsiSpec>,
        name: &str,
        column: &Column,
        was: Option<&KnownMsi>,
        now: Timestamp,
    ) {
        let mut fresh = KnownMsi {
            spec: spec.cloned(),
            field: name.to_owned(),
            name: column.name.clone(),
            column: KnownColumn::of(column),
            lengths: Vec::new(),
            shorter_since: None,
            stopped: None,
        };
        if let Some(was) = was {
            if let Some(stop) = &was.stopped {
                self.tell(name, SchemaNews { became: Became::Back, perhaps: None, ..stop.why.clone() });
            }
            if was.name == fresh.name {
                let (before, after) = (was.column.max_length, fresh.column.max_length);
                if (was.column.kind, fresh.column.kind) == (ColumnKind::Text, ColumnKind::Text) {
                    fresh.lengths = lengths(was.lengths.clone(), before, after);
                    fresh.shorter_since = was.shorter_since.or(Some(now)).filter(|_| !fresh.lengths.is_empty());
                }
                if was.column.type_text() != fresh.column.type_text() {
                    let became = match (was.column.kind == fresh.column.kind, before.unwrap_or(u32::MAX) > after.unwrap_or(u32::MAX)) {
                        (true, true) => Became::Shorter,
                        (true, false) => Became::Longer,
                        (false, _) => Became::OtherType,
                    };
                    let news = SchemaNews::of_column(became, &fresh.name);
                    self.tell(name, news.types(was.column.type_text(), fresh.column.type_text()));
                }
            }
        }
        if !fresh.lengths.is_empty() {
            self.map.lengths.insert(field.slot(), fresh.lengths.clone());
        }
        self.map.targets.push((field, name.to_owned(), column.clone()));
        self.known.insert(field, fresh);
    }

    /// One that was written to before and can't be any more: it alone is left out.
    pub(crate) fn stop(&mut self, field: MsiField, was: &KnownMsi, mut why: SchemaNews, now: Timestamp) {
        let same = was.stopped.as_ref().filter(|stop| stop.why.is_as(&why));
        let since = same.map_or(now, |stop| stop.since);
        why.perhaps = why.perhaps.or_else(|| same.and_then(|stop| stop.why.perhaps.clone()));
        if same.is_none() {
            self.tell(&was.field, why.clone());
        }
        self.known.insert(field, KnownMsi { stopped: Some(Stop { since, why }), ..was.clone() });
    }

    fn tell(&mut self, field: &str, news: SchemaNews) {
        self.news.push((field.to_owned(), news));
    }
}

impl KnownMsi {
    /// The column, where it can still be written, whatever else could be meant now.
    pub(crate) fn still<'a>(&self, table: Table, field: MsiField, columns: &'a Columns) -> Option<&'a Column> {
        columns.get(&self.name).filter(|column| usable(table, field, column).is_ok())
    }

    /// Why it can't be written any more.
    pub(crate) fn lost(&self, field: MsiField, columns: &Columns, there: bool, why: &str) -> SchemaNews {
        if !there {
            return SchemaNews::of_field(Became::Removed, &self.field);
        }
        let news = |became| SchemaNews::of_column(became, &self.name);
        match columns.get(&self.name) {
            None => SchemaNews { perhaps: self.column.perhaps_now(&self.name, columns, &BTreeSet::new()), ..news(Became::Removed) },
            Some(column) if !field.fits(column.kind) => {
                news(Became::OtherType).types(self.column.type_text(), column.kind.type_text(column.max_length))
            }
            Some(column) if !column.readable => news(Became::Unreadable),
            Some(column) if !column.updatable => news(Became::ReadOnly),
            Some(_) => news(Became::Unfit).types(String::new(), why.to_owned()),
        }
    }
}
