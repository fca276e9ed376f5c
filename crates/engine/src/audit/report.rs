//! What an audit came to: differences, and how much of what each salesperson owns is whole.

use std::collections::BTreeMap;

use base::{Guid, Object, RecordId, Table};
use serde::{Serialize, Serializer};

use crate::repair::Extent;

/// Differences that are listed one by one; more are counted.
pub const LISTED_MAX: usize = 100_000;

/// How a Marketo record differs from what Dynamics asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Marketo doesn't have it.
    Missing,
    /// Marketo has it several times.
    Duplicate,
    /// Marketo has the person, without its key or with another.
    KeyDiffers,
    /// Its key is written otherwise than it should be.
    KeySpelling,
    /// It belongs to another sales person.
    Owner,
    /// It belongs to another company.
    Company,
    /// Fields hold other values.
    Fields,
    /// A role that Dynamics asks for isn't there.
    RoleMissing,
    /// A role is there that Dynamics doesn't ask for.
    RoleExtra,
    /// Dynamics holds other values in Sales Insight columns than Marketo.
    WriteBack,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::KeyDiffers => "key-differs",
            Self::KeySpelling => "key-spelling",
            Self::Owner => "owner",
            Self::Company => "company",
            Self::Fields => "fields",
            Self::RoleMissing => "role-missing",
            Self::RoleExtra => "role-extra",
            Self::WriteBack => "write-back",
        }
    }

    /// Whether sending everything anew mends it. Of people who are there twice, the key is taken from the others instead.
    #[must_use]
    pub const fn is_sent_anew(self) -> bool {
        !matches!(self, Self::Duplicate)
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How it differs.
    pub kind: Kind,
    /// What kind of record.
    pub object: Object,
    /// The Dynamics record; of a role, its opportunity.
    #[serde(serialize_with = "as_text")]
    pub record: RecordId,
    /// Marketo's id of the person, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marketo_id: Option<i64>,
    /// Fields, columns or the role; never values.
    pub detail: String,
    /// The user who owns the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Guid>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn as_text<S: Serializer>(record: &RecordId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(record)
}

/// Records of one table: how many, and how many of them are whole: there, with their owner and account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Share {
    /// All.
    pub records: u64,
    /// Those that are whole.
    pub whole: u64,
}

/// What one user owns.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Score {
    /// The user's business unit.
    pub business_unit: Option<Guid>,
    /// By table.
    pub tables: BTreeMap<Table, Share>,
}

/// What an audit came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Records that were compared, by object.
    pub compared: BTreeMap<Object, u64>,
    /// Records that are still to be sent, wait or are held, which are no differences: `held list` tells of them.
    pub pending: BTreeMap<Object, u64>,
    /// Differences by kind.
    pub counts: BTreeMap<Kind, u64>,
    /// The differences, up to [`LISTED_MAX`].
    pub differences: Vec<Difference>,
    /// By user; records without one are under none.
    pub scores: BTreeMap<String, Score>,
    /// Records that are to be sent anew, where that was asked for.
    pub repaired: Option<u64>,
    /// Persons from whom the key of another person's record was taken, where a repair was asked for.
    pub unlinked: Vec<i64>,
    /// Persons who still hold such a key: there were too many for the brake, they are another record's, or Marketo refused.
    pub not_unlinked: Vec<i64>,
    #[serde(skip)]
    pub(super) to_repair: BTreeMap<RecordId, Extent>,
    #[serde(skip)]
    pub(super) extra_roles: Vec<(Guid, i64, String)>,
    #[serde(skip)]
    pub(super) surplus: Vec<(i64, Vec<String>)>,
}

impl Report {
    /// All differences.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(super) fn add(&mut self, difference: Difference) {
        *self.counts.entry(difference.kind).or_default() += 1;
        if difference.kind.is_sent_anew() {
            // Whose it is counts as a move for the brake, and is sent again only where it differs.
            let extent = match difference.kind {
                Kind::Owner | Kind::Missing | Kind::KeyDiffers => Extent::Whole,
                Kind::Duplicate
                | Kind::KeySpelling
                | Kind::Company
                | Kind::Fields
                | Kind::RoleMissing
                | Kind::RoleExtra
                | Kind::WriteBack => Extent::ButOwner,
            };
            let known = self.to_repair.entry(difference.record).or_insert(extent);
            *known = extent.max(*known);
        }
        if self.differences.len() < LISTED_MAX {
            self.differences.push(difference);
        }
    }

    pub(super) fn score(&mut self, owner: Option<Guid>, table: Table, is_whole: bool) {
        let name = owner.map_or_else(|| "none".to_owned(), |owner| owner.to_string());
        let share = self.scores.entry(name).or_default().tables.entry(table).or_default();
        share.records += 1;
        share.whole += u64::from(is_whole);
    }
}
