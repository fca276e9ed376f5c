//! The words in which the tables are written down: constants that read like a column list.
//!
//! Nothing here decides anything; [`super::table`] turns a specification into the table a state works with.

/// What a column holds, with its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Text of at most this many UTF-16 units, on one line.
    Text(u32),
    /// Text of at most this many UTF-16 units, on several lines.
    Memo(u32),
    /// A whole number in this range, both ends included.
    Integer(i64, i64),
    /// A 64-bit number, such as `versionnumber`.
    BigInt,
    /// A floating number rounded to this many decimals.
    Double(u8),
    /// A decimal number rounded to this many decimals.
    Decimal(u8),
    /// An amount between these two, in whole currency units; kept with four decimals.
    Money(i64, i64),
    /// True or false.
    Boolean,
    /// One of the column's options.
    Choice,
    /// `statecode`.
    State,
    /// `statuscode`: each option belongs to a state.
    Status,
    /// A moment, kept and answered in UTC and whole seconds ("UserLocal").
    DateTime,
    /// A day without a time ("DateOnly").
    DateOnly,
    /// A GUID that is no lookup.
    Guid,
    /// The primary key.
    Key,
    /// A lookup to one or more tables.
    Lookup,
    /// A lookup to an account or a contact.
    Customer,
    /// The owner: a user or a team.
    Owner,
    /// A table's logical name, as `sdkmessagefilter` keeps it.
    EntityName,
}

/// Whether a value has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// No.
    None,
    /// Forms ask for it; the API doesn't ("ApplicationRequired").
    Application,
    /// The API refuses null ("SystemRequired").
    System,
}

/// What becomes of the row that points at a deleted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// It is deleted as well.
    Cascade,
    /// Its lookup is cleared.
    RemoveLink,
    /// The deletion is refused.
    Restrict,
    /// Nothing: the lookup keeps pointing at what is gone.
    Keep,
}

/// A table that a lookup may point to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct To {
    pub table: &'static str,
    /// The navigation name on the row that points, case-sensitive; empty for the column's own name.
    pub nav: &'static str,
    /// The collection name on the row pointed at; empty for a generated one.
    pub many: &'static str,
    pub on_delete: OnDelete,
}

/// One option of a choice: value, label, and for `statuscode` the state it belongs to.
pub(crate) type Choice = (i32, &'static str, i32);

/// One column as written down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: Kind,
    pub choices: &'static [Choice],
    pub targets: &'static [To],
    pub required: Required,
    pub creatable: bool,
    pub updatable: bool,
    pub format: &'static str,
    /// Whether a lookup is the service's own shortcut: it has a value, but no relationship to navigate by.
    pub internal: bool,
}

/// One table as written down.
pub(crate) struct TableSpec {
    pub name: &'static str,
    pub schema: &'static str,
    pub set: &'static str,
    pub label: &'static str,
    pub plural: &'static str,
    pub code: i32,
    pub key: &'static str,
    pub title: &'static str,
    pub ownership: &'static str,
    pub tracked: bool,
    pub concurrency: bool,
    pub columns: &'static [&'static [Spec]],
    pub keys: &'static [(&'static str, &'static [&'static str])],
}

pub(crate) const fn column(name: &'static str, label: &'static str, kind: Kind) -> Spec {
    Spec {
        name,
        label,
        kind,
        choices: &[],
        targets: &[],
        required: Required::None,
        creatable: true,
        updatable: true,
        format: "Text",
        internal: false,
    }
}

pub(crate) const fn text(name: &'static str, label: &'static str, max: u32) -> Spec {
    column(name, label, Kind::Text(max))
}

pub(crate) const fn memo(name: &'static str, label: &'static str, max: u32) -> Spec {
    column(name, label, Kind::Memo(max))
}

pub(crate) const fn integer(name: &'static str, label: &'static str, min: i64, max: i64) -> Spec {
    column(name, label, Kind::Integer(min, max))
}

pub(crate) const fn flag(name: &'static str, label: &'static str) -> Spec {
    column(name, label, Kind::Boolean)
}

pub(crate) const fn moment(name: &'static str, label: &'static str) -> Spec {
    column(name, label, Kind::DateTime)
}

pub(crate) const fn day(name: &'static str, label: &'static str) -> Spec {
    column(name, label, Kind::DateOnly)
}

pub(crate) const fn money(name: &'static str, label: &'static str, min: i64, max: i64) -> Spec {
    column(name, label, Kind::Money(min, max))
}

pub(crate) const fn guid(name: &'static str, label: &'static str) -> Spec {
    column(name, label, Kind::Guid)
}

pub(crate) const fn choice(name: &'static str, label: &'static str, choices: &'static [Choice]) -> Spec {
    let mut spec = column(name, label, Kind::Choice);
    spec.choices = choices;
    spec
}

pub(crate) const fn state(choices: &'static [Choice]) -> Spec {
    let mut spec = choice("statecode", "Status", choices).required();
    spec.kind = Kind::State;
    spec
}

pub(crate) const fn status(choices: &'static [Choice]) -> Spec {
    let mut spec = choice("statuscode", "Status Reason", choices);
    spec.kind = Kind::Status;
    spec
}

pub(crate) const fn lookup(name: &'static str, label: &'static str, targets: &'static [To]) -> Spec {
    let mut spec = column(name, label, Kind::Lookup);
    spec.targets = targets;
    spec
}

pub(crate) const fn to(table: &'static str, nav: &'static str, many: &'static str, on_delete: OnDelete) -> To {
    To { table, nav, many, on_delete }
}

impl Spec {
    pub(crate) const fn required(mut self) -> Self {
        self.required = Required::System;
        self
    }

    pub(crate) const fn recommended(mut self) -> Self {
        self.required = Required::Application;
        self
    }

    pub(crate) const fn read_only(mut self) -> Self {
        self.creatable = false;
        self.updatable = false;
        self
    }

    pub(crate) const fn internal(mut self) -> Self {
        self.internal = true;
        self.read_only()
    }

    pub(crate) const fn create_only(mut self) -> Self {
        self.updatable = false;
        self
    }

    pub(crate) const fn format(mut self, format: &'static str) -> Self {
        self.format = format;
        self
    }

    pub(crate) const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}
