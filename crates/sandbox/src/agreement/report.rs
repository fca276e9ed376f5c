//! What the comparison found.

use std::{collections::BTreeMap, fmt};

use base::Guid;
use serde::Serialize;

/// In what a row disagrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// A user who owns something or passes the sales-user filter has no sales person.
    SalesPersonMissing,
    /// A sales person's field differs from the user's; `email` breaks Sales Insight.
    SalesPersonField,
    /// An account has no company.
    CompanyMissing,
    /// The company has another owner.
    CompanyOwner,
    /// A company's field differs.
    CompanyField,
    /// A lead or contact has no person.
    PersonMissing,
    /// A lead or contact has more than one person.
    PersonTwice,
    /// A person is known by an alias: a qualified lead's or a merged record's id instead of the survivor's.
    PersonUnderAlias,
    /// The external id isn't in lower case with hyphens.
    PersonSpelling,
    /// The person has another owner.
    PersonOwner,
    /// The person is at another company.
    PersonCompany,
    /// A person's field differs.
    PersonField,
    /// An opportunity is missing.
    OpportunityMissing,
    /// Marketo has an opportunity that Dynamics doesn't.
    OpportunityExtra,
    /// The opportunity has another owner.
    OpportunityOwner,
    /// The opportunity is at another company.
    OpportunityCompany,
    /// An opportunity's field differs.
    OpportunityField,
    /// A contact's role is missing.
    RoleMissing,
    /// Marketo has a role that nothing in Dynamics yields.
    RoleExtra,
    /// The primary contact's role isn't marked, or another is.
    RolePrimary,
    /// A Sales Insight column in Dynamics differs from Marketo.
    Insight,
}

/// Why something needn't be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Excuse {
    /// Its owner is a team without administrator.
    TeamWithoutAdministrator,
    /// Its owner has no e-mail address, and no sales person.
    OwnerWithoutEmail,
    /// An account that was merged into another, and to which nothing belongs.
    MergedAccount,
    /// Several persons in Marketo have its e-mail address and no external id.
    Ambiguous,
    /// A filter or its state keeps it out.
    OutOfScope,
    /// It has no account, and people without one are held.
    CompanyRequired,
    /// It has no e-mail that nobody else has, and Marketo creates people by their e-mail only.
    NoEmailOfItsOwn,
    /// Somebody removed it in Marketo, and nothing has named it since.
    RemovedInMarketo,
    /// Marketo has a person under its id and another under its alias's.
    BesideAlias,
    /// It was merged into a row that is gone: it is nobody of its own.
    MergedIntoNobody,
    /// A qualified lead that was opened again.
    Reopened,
    /// Its company isn't there, with an excuse of its own.
    WaitsForCompany,
    /// Its contact isn't there, with an excuse of its own.
    WaitsForPerson,
    /// Its opportunity isn't there, with an excuse of its own.
    WaitsForOpportunity,
    /// Dynamics names no company any more, and Marketo can't take a person out of one.
    CompanyKept,
    /// A closed lead, which Dynamics may refuse to write to.
    ClosedLead,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// In what.
    pub kind: DifferenceKind,
    /// The Dynamics row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamics: Option<Guid>,
    /// Marketo's id, number or GUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marketo: Option<String>,
    /// The field, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
}

/// All differences, counted by kind, and the first of them.
///
/// It holds ids and field names, no values: `Display` and the JSON form can be shown to anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// How many rows were compared, by what they are.
    pub compared: BTreeMap<&'static str, u64>,
    /// How many differences there are.
    pub counts: BTreeMap<DifferenceKind, u64>,
    /// How many things were excused.
    pub excused: BTreeMap<Excuse, u64>,
    /// The first differences of each kind.
    pub differences: Vec<Difference>,
    #[serde(skip)]
    listed_max: usize,
}

impl Agreement {
    pub(super) fn new(listed_max: usize) -> Self {
        Self { listed_max, ..Self::default() }
    }

    /// Whether both sides agree in everything.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many differences of this kind there are.
    #[must_use]
    pub fn count(&self, kind: DifferenceKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// How many differences there are in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(super) fn compared(&mut self, what: &'static str) {
        *self.compared.entry(what).or_default() += 1;
    }

    pub(super) fn excuse(&mut self, excuse: Excuse) {
        *self.excused.entry(excuse).or_default() += 1;
    }

    pub(super) fn add(&mut self, kind: DifferenceKind, dynamics: Option<Guid>, marketo: Option<String>, field: Option<&'static str>) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        // Some of each kind say more than many of one.
        if self.differences.len() < self.listed_max && *count <= 20 {
            self.differences.push(Difference { kind, dynamics, marketo, field });
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SalesPersonMissing => "sales person missing",
            Self::SalesPersonField => "sales person's field differs",
            Self::CompanyMissing => "company missing",
            Self::CompanyOwner => "company has another owner",
            Self::CompanyField => "company's field differs",
            Self::PersonMissing => "person missing",
            Self::PersonTwice => "several persons for one record",
            Self::PersonUnderAlias => "person still under an alias",
            Self::PersonSpelling => "external id not in canonical spelling",
            Self::PersonOwner => "person has another owner",
            Self::PersonCompany => "person at another company",
            Self::PersonField => "person's field differs",
            Self::OpportunityMissing => "opportunity missing",
            Self::OpportunityExtra => "opportunity unknown to Dynamics",
            Self::OpportunityOwner => "opportunity has another owner",
            Self::OpportunityCompany => "opportunity at another company",
            Self::OpportunityField => "opportunity's field differs",
            Self::RoleMissing => "role missing",
            Self::RoleExtra => "role that nothing yields",
            Self::RolePrimary => "primary contact not marked, or another",
            Self::Insight => "Sales Insight column differs",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(field) = self.field {
            write!(f, " ({field})")?;
        }
        if let Some(id) = self.dynamics {
            write!(f, ", Dynamics {id}")?;
        }
        match &self.marketo {
            Some(id) => write!(f, ", Marketo {id}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_full() {
            f.write_str("both sides agree:")?;
            for (index, (what, count)) in self.compared.iter().enumerate() {
                write!(f, "{} {count} {what}", if index == 0 { "" } else { "," })?;
            }
            return Ok(());
        }
        writeln!(f, "{} differences:", self.total())?;
        for (kind, count) in &self.counts {
            writeln!(f, "  {count} × {kind}")?;
        }
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        Ok(())
    }
}
