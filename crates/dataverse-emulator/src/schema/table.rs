//! A table as a running environment has it: columns can be added, removed, renamed, shortened and secured.
//!
//! A column keeps its position for life, because stored rows refer to columns by position.

use std::collections::BTreeMap;

use super::spec::{Kind, OnDelete, Required, Spec, TableSpec};

/// One option of a choice column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The number that rows carry.
    pub value: i32,
    /// The English label.
    pub label: String,
    /// For `statuscode`: the state the reason belongs to.
    pub state: i32,
}

/// A table a lookup may point to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its logical name.
    pub table: String,
    /// The navigation name to write with (`…@odata.bind`) and to expand by; case-sensitive.
    pub nav: String,
    /// The collection-valued navigation name on the other side.
    pub many: String,
    /// The relationship's schema name.
    pub relationship: String,
    /// What becomes of this row when that one is deleted.
    pub on_delete: OnDelete,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Logical name.
    pub name: String,
    /// Schema name.
    pub schema: String,
    /// English label; internal columns have none.
    pub label: Option<String>,
    /// What it holds.
    pub kind: Kind,
    /// The options of a choice.
    pub options: Vec<Label>,
    /// The name of the global option set they come from.
    pub option_set: Option<String>,
    /// Where a lookup may point.
    pub targets: Vec<Target>,
    /// Whether it may be null.
    pub required: Required,
    /// Whether a create may set it.
    pub creatable: bool,
    /// Whether an update may set it.
    pub updatable: bool,
    /// The text format (`Email`, `Phone`, `Url`, `Text`) or, for dates, `DateOnly` display.
    pub format: String,
    /// Field security: the caller may not read it, and it is always null for them.
    pub secured: bool,
    /// Whether it can be read at all; one that can't be is no property of the Web API (Microsoft, `IsValidForRead`).
    pub readable: bool,
    /// The range of a decimal or floating number, when it was given one.
    pub range: Option<(f64, f64)>,
    /// Whether a lookup is the service's own shortcut: it has a value, but no relationship to navigate by.
    pub internal: bool,
    /// Whether it came after the environment was made.
    pub custom: bool,
    /// Whether it was removed.
    pub removed: bool,
    /// Metadata without `Consistency: Strong` shows it from this second (Unix time) on.
    pub visible_from: i64,
}

/// A column to add at run time.
#[derive(Debug, Clone)]
pub struct NewColumn {
    /// Logical name: lower case with a publisher's prefix.
    pub name: String,
    /// Schema name, which is also the navigation name of a lookup; none for the logical name.
    pub schema: Option<String>,
    /// English label.
    pub label: Option<String>,
    /// What it holds.
    pub kind: Kind,
    /// Options of a choice: value and label.
    pub options: Vec<(i32, String)>,
    /// Tables of a lookup.
    pub targets: Vec<String>,
}

/// An alternate key.
#[derive(Debug, Clone)]
pub struct AlternateKey {
    /// Its logical name.
    pub name: String,
    /// Positions of its columns, in order.
    pub columns: Vec<u16>,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Logical name: `lead`.
    pub name: String,
    /// Schema name: `Lead`.
    pub schema: String,
    /// Entity set name: `leads`.
    pub set: String,
    /// English label.
    pub label: String,
    /// English plural label.
    pub plural: String,
    /// Object type code.
    pub code: i32,
    /// Position of the primary key.
    pub key: u16,
    /// Position of the primary name column.
    pub title: Option<u16>,
    /// `UserOwned`, `BusinessOwned` or `OrganizationOwned`.
    pub ownership: String,
    /// Whether change tracking is on.
    pub tracked: bool,
    /// Whether `If-Match` with an etag is understood.
    pub concurrency: bool,
    /// Alternate keys.
    pub keys: Vec<AlternateKey>,
    /// Whether it was removed.
    pub removed: bool,
    /// Whether it keeps the pairs of a many-to-many relationship.
    pub intersect: bool,
    columns: Vec<Column>,
    by_name: BTreeMap<String, u16>,
    /// Yes-or-no columns that a new row has as "no".
    flags: Vec<u16>,
    /// Amounts with their twins in the base currency.
    amounts: Vec<(u16, u16)>,
}

impl Column {
    fn from_spec(table: &str, spec: &Spec) -> Self {
        let named = |text: &'static str, other: String| if text.is_empty() { other } else { text.to_owned() };
        let targets = spec.targets.iter().map(|to| {
            let many = named(to.many, format!("lk_{table}_{}_{}", spec.name, to.table));
            Target {
                table: to.table.to_owned(),
                nav: named(to.nav, spec.name.to_owned()),
                relationship: many.clone(),
                many,
                on_delete: to.on_delete,
            }
        });
        let options = spec.choices.iter().map(|(value, label, state)| Label { value: *value, label: (*label).to_owned(), state: *state });
        Self {
            name: spec.name.to_owned(),
            schema: spec.name.to_owned(),
            label: Some(spec.label.to_owned()),
            kind: spec.kind,
            options: options.collect(),
            option_set: None,
            targets: targets.collect(),
            required: spec.required,
            creatable: spec.creatable,
            updatable: spec.updatable,
            format: spec.format.to_owned(),
            secured: false,
            readable: true,
            range: None,
            internal: spec.internal,
            custom: spec.name.starts_with("mkt_") || spec.name.starts_with("new_"),
            removed: false,
            visible_from: i64::MIN,
        }
    }

    fn from_new(table: &str, new: NewColumn, visible_from: i64) -> Self {
        let schema = new.schema.unwrap_or_else(|| new.name.clone());
        let many_targets = new.targets.len() > 1;
        let target = |to: String| Target {
            nav: if many_targets { format!("{schema}_{to}") } else { schema.clone() },
            many: format!("{table}_{}_{to}", new.name),
            relationship: format!("{table}_{}_{to}", new.name),
            table: to,
            on_delete: OnDelete::RemoveLink,
        };
        Self {
            targets: new.targets.into_iter().map(target).collect(),
            option_set: None,
            options: new.options.into_iter().map(|(value, label)| Label { value, label, state: 0 }).collect(),
            name: new.name,
            label: new.label,
            kind: new.kind,
            required: Required::None,
            creatable: true,
            updatable: true,
            format: "Text".to_owned(),
            secured: false,
            readable: true,
            range: None,
            internal: false,
            custom: true,
            removed: false,
            visible_from,
            schema,
        }
    }

    /// Whether it holds a reference to another row.
    #[must_use]
    pub fn is_lookup(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Its name in JSON rows and queries: `_ownerid_value` for a lookup, the logical name otherwise.
    #[must_use]
    pub fn property(&self) -> String {
        if self.is_lookup() { format!("_{}_value", self.name) } else { self.name.clone() }
    }
}

impl Table {
    pub(crate) fn from_spec(spec: &TableSpec) -> Self {
        let mut table = Self {
            name: spec.name.to_owned(),
            schema: spec.schema.to_owned(),
            set: spec.set.to_owned(),
            label: spec.label.to_owned(),
            plural: spec.plural.to_owned(),
            code: spec.code,
            key: 0,
            title: None,
            ownership: spec.ownership.to_owned(),
            tracked: spec.tracked,
            concurrency: spec.concurrency,
            keys: Vec::new(),
            removed: false,
            intersect: false,
            columns: Vec::new(),
            by_name: BTreeMap::new(),
            flags: Vec::new(),
            amounts: Vec::new(),
        };
        for group in spec.columns {
            table.extend(group);
        }
        table.intersect = super::association::ASSOCIATIONS.iter().any(|(_, intersect, _)| *intersect == spec.name);
        table.key = table.find(spec.key).unwrap_or_default();
        table.title = table.find(spec.title);
        for (name, columns) in spec.keys {
            let columns = columns.iter().filter_map(|column| table.find(column)).collect();
            table.keys.push(AlternateKey { name: (*name).to_owned(), columns });
        }
        table
    }

    /// A table a customer made: a primary key, a name column, an owner and the bookkeeping.
    #[must_use]
    pub fn custom(schema_name: &str, label: &str, plural: &str, code: i32) -> Self {
        let name = schema_name.to_lowercase();
        let mut table = Self {
            schema: schema_name.to_owned(),
            set: plural_of(&name),
            label: label.to_owned(),
            plural: plural.to_owned(),
            code,
            key: 0,
            title: None,
            ownership: "UserOwned".to_owned(),
            tracked: false,
            concurrency: true,
            keys: Vec::new(),
            removed: false,
            intersect: false,
            columns: Vec::new(),
            by_name: BTreeMap::new(),
            flags: Vec::new(),
            amounts: Vec::new(),
            name: name.clone(),
        };
        let key = NewColumn {
            name: format!("{name}id"),
            schema: Some(format!("{schema_name}Id")),
            label: Some(label.to_owned()),
            kind: Kind::Key,
            options: Vec::new(),
            targets: Vec::new(),
        };
        table.push(Column::from_new(&name, key, i64::MIN));
        table.extend(super::shared::OWNERSHIP);
        table.extend(super::shared::CURRENCY);
        table.extend(&[super::spec::state(super::shared::ACTIVE), super::spec::status(super::shared::ACTIVE_REASON)]);
        table.extend(super::shared::BOOKKEEPING);
        table
    }

    /// The table of a many-to-many relationship: a key of its own and the ids of both ends.
    #[must_use]
    pub fn intersect(schema_name: &str, columns: [&str; 2], code: i32) -> Self {
        let mut table = Self::custom(schema_name, schema_name, schema_name, code);
        table.set = format!("{}set", table.name);
        table.intersect = true;
        "OrganizationOwned".clone_into(&mut table.ownership);
        table.columns.truncate(1);
        table.by_name.retain(|_, at| *at == 0);
        table.amounts.clear();
        table.flags.clear();
        table.extend(&[super::spec::column("versionnumber", "Version Number", Kind::BigInt).read_only()]);
        for name in columns {
            let end =
                NewColumn { name: name.to_owned(), schema: None, label: None, kind: Kind::Guid, options: Vec::new(), targets: Vec::new() };
            let mut end = Column::from_new(&table.name, end, i64::MIN);
            (end.creatable, end.updatable) = (false, false);
            table.push(end);
        }
        table
    }

    /// Makes it a table of the organization's: its rows have no owner.
    pub fn disown(&mut self) {
        "OrganizationOwned".clone_into(&mut self.ownership);
        for name in ["ownerid", "owninguser", "owningteam", "owningbusinessunit"] {
            // A column that isn't there needs no removing.
            let _ = self.remove_column(name);
        }
    }

    pub(crate) fn extend(&mut self, specs: &[Spec]) {
        for spec in specs {
            self.push(Column::from_spec(&self.name, spec));
        }
    }

    fn push(&mut self, column: Column) {
        if let Ok(index) = u16::try_from(self.columns.len()) {
            if column.kind == Kind::Boolean && !column.custom {
                self.flags.push(index);
            }
            if let Some(amount) = column.name.strip_suffix("_base").and_then(|name| self.find(name)) {
                self.amounts.push((amount, index));
            }
            self.by_name.insert(column.name.clone(), index);
            self.columns.push(column);
        }
    }

    /// The columns that exist, with their positions.
    pub fn columns(&self) -> impl Iterator<Item = (u16, &Column)> {
        (0u16..).zip(&self.columns).filter(|(_, column)| !column.removed)
    }

    /// The column at a position.
    #[must_use]
    pub fn column(&self, at: u16) -> Option<&Column> {
        self.columns.get(usize::from(at)).filter(|column| !column.removed)
    }

    /// The column at a position, to change it.
    pub fn column_mut(&mut self, at: u16) -> Option<&mut Column> {
        self.columns.get_mut(usize::from(at)).filter(|column| !column.removed)
    }

    /// The position of the column with this logical name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }

    /// The position of the column with this property name: `subject`, `_ownerid_value`.
    #[must_use]
    pub fn find_property(&self, name: &str) -> Option<u16> {
        let (name, lookup) = match name.strip_prefix('_').and_then(|rest| rest.strip_suffix("_value")) {
            Some(inner) => (inner, true),
            None => (name, false),
        };
        let at = self.find(name)?;
        (self.column(at)?.is_lookup() == lookup).then_some(at)
    }

    /// The lookup column and the table behind a single-valued navigation name, which is case-sensitive.
    #[must_use]
    pub fn find_nav(&self, nav: &str) -> Option<(u16, &Target)> {
        let known = self.columns().filter(|(_, column)| !column.internal);
        known.into_iter().find_map(|(at, column)| Some((at, column.targets.iter().find(|target| target.nav == nav)?)))
    }

    /// Yes-or-no columns that a new row has as "no".
    pub(crate) fn flags(&self) -> &[u16] {
        &self.flags
    }

    /// Amounts with their twins in the base currency.
    pub(crate) fn amounts(&self) -> &[(u16, u16)] {
        &self.amounts
    }

    /// The name of the primary key column.
    #[must_use]
    pub fn key_name(&self) -> &str {
        self.column(self.key).map_or("", |column| column.name.as_str())
    }

    /// Adds a column.
    ///
    /// # Errors
    /// When the name is taken or the table is full.
    pub fn add_column(&mut self, new: NewColumn, visible_from: i64) -> Result<u16, String> {
        if self.find(&new.name).is_some() {
            return Err(format!("{} already has a column {}", self.name, new.name));
        }
        let at = u16::try_from(self.columns.len()).map_err(|_| format!("{} has too many columns", self.name))?;
        self.push(Column::from_new(&self.name, new, visible_from));
        Ok(at)
    }

    /// Removes a column; its values are no longer seen.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn remove_column(&mut self, name: &str) -> Result<(), String> {
        let at = self.find(name).ok_or_else(|| format!("{} has no column {name}", self.name))?;
        self.by_name.remove(name);
        if let Some(column) = self.column_mut(at) {
            column.removed = true;
        }
        self.keys.retain(|key| !key.columns.contains(&at));
        Ok(())
    }

    /// Gives a column another name; its values stay.
    ///
    /// # Errors
    /// When there is no such column or the new name is taken.
    pub fn rename_column(&mut self, from: &str, to: &str) -> Result<(), String> {
        if self.find(to).is_some() {
            return Err(format!("{} already has a column {to}", self.name));
        }
        let at = self.by_name.remove(from).ok_or_else(|| format!("{} has no column {from}", self.name))?;
        self.by_name.insert(to.to_owned(), at);
        if let Some(column) = self.column_mut(at) {
            to.clone_into(&mut column.name);
            to.clone_into(&mut column.schema);
        }
        Ok(())
    }
}

/// A table's set name, as the service makes it from the logical name.
fn plural_of(name: &str) -> String {
    let vowel = |text: &str| text.ends_with(['a', 'e', 'i', 'o', 'u']);
    match name.strip_suffix('y') {
        Some(stem) if !vowel(stem) => format!("{stem}ies"),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| name.ends_with(end)) => format!("{name}es"),
        _ => format!("{name}s"),
    }
}
