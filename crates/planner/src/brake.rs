//! When to stop and ask: changes that hurt, counted by kind (rule R9).

use std::{collections::BTreeMap, fmt};

use base::Object;

/// A kind of change that hurts when there are many of it by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harm {
    /// Roles removed.
    RoleRemovals,
    /// Opportunities deleted.
    OpportunityDeletions,
    /// People deleted.
    PersonDeletions,
    /// Companies deleted.
    CompanyDeletions,
    /// Sales persons deleted.
    SalesPersonDeletions,
    /// People whose external id is cleared.
    Unlinks,
    /// Records of which a field is emptied.
    BlankedFields,
    /// People merged into others.
    Merges,
    /// People who get the key of another Dynamics record.
    ReKeys,
    /// Records that get another owner.
    OwnerMoves,
}

impl Harm {
    /// All, in the order in which people read them.
    pub const ALL: [Self; 10] = [
        Self::RoleRemovals,
        Self::OpportunityDeletions,
        Self::PersonDeletions,
        Self::CompanyDeletions,
        Self::SalesPersonDeletions,
        Self::Unlinks,
        Self::BlankedFields,
        Self::Merges,
        Self::ReKeys,
        Self::OwnerMoves,
    ];

    /// Its name, as `--allow` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoleRemovals => "role-removals",
            Self::OpportunityDeletions => "opportunity-deletions",
            Self::PersonDeletions => "person-deletions",
            Self::CompanyDeletions => "company-deletions",
            Self::SalesPersonDeletions => "sales-person-deletions",
            Self::Unlinks => "unlinks",
            Self::BlankedFields => "blanked-fields",
            Self::Merges => "merges",
            Self::ReKeys => "re-keys",
            Self::OwnerMoves => "owner-moves",
        }
    }

    /// What would be done, after a number and "of" a number of: "roles would be removed".
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::RoleRemovals => "roles would be removed from Marketo",
            Self::OpportunityDeletions => "opportunities would be deleted in Marketo",
            Self::PersonDeletions => "people would be deleted in Marketo",
            Self::CompanyDeletions => "companies would be deleted in Marketo",
            Self::SalesPersonDeletions => "sales persons would be deleted in Marketo",
            Self::Unlinks => "people would be unlinked in Marketo",
            Self::BlankedFields => "records would have fields emptied in Marketo",
            Self::Merges => "people would be merged into others in Marketo",
            Self::ReKeys => "people would get the key of another Dynamics record",
            Self::OwnerMoves => "records would get another owner in Marketo",
        }
    }

    /// Deletions of an object.
    #[must_use]
    pub const fn deletions(object: Object) -> Self {
        match object {
            Object::SalesPerson => Self::SalesPersonDeletions,
            Object::Company => Self::CompanyDeletions,
            Object::Lead => Self::PersonDeletions,
            Object::Opportunity => Self::OpportunityDeletions,
            Object::Role => Self::RoleRemovals,
        }
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many records one cycle would change in each harmful way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Harms(pub BTreeMap<Harm, u64>);

impl Harms {
    /// Adds one.
    pub fn add(&mut self, harm: Harm) {
        *self.0.entry(harm).or_default() += 1;
    }
}

/// Whether a kind of change is small enough to go through: at most `percent` of `total`, or `count`, whichever is larger.
#[must_use]
pub fn allows(harmful: u64, total: u64, percent: f64, count: u64) -> bool {
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    let (share, harmful_share) = (total as f64 * percent / 100.0, harmful as f64);
    harmful <= count || harmful_share <= share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_limit_counts() {
        for (harmful, total, expected) in [(500, 600, true), (501, 600, false), (501, 20_000, true), (1_001, 20_000, false), (0, 0, true)] {
            assert_eq!(allows(harmful, total, 5.0, 500), expected, "{harmful} of {total}");
        }
    }

    #[test]
    fn names_are_different() {
        let names: std::collections::BTreeSet<_> = Harm::ALL.map(Harm::name).into();
        assert_eq!(names.len(), Harm::ALL.len());
    }
}
