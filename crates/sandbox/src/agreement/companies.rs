//! Sales persons and companies (rules R1, R6, R7).

use std::collections::BTreeMap;

use base::Guid;

use super::{
    Check, Team,
    dynamics::{Owner, lookup},
    fields,
    marketo::guid,
    report::{Agreement, DifferenceKind, Excuse},
};

/// Whether something is there, or why it needn't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    Excused,
    Missing,
}

impl Check<'_> {
    pub(super) fn sales_persons(&self, report: &mut Agreement) {
        for id in self.dynamics.sellers() {
            // A deleted user can't be made a sales person.
            let Some(user) = self.dynamics.state.get("systemuser", id) else { continue };
            report.compared("sales persons");
            match self.marketo.sales_persons.get(&id) {
                Some(record) => {
                    let fields = fields::differing(&user, record, fields::SALES_PERSON, self.rules.blank);
                    for field in fields.filter(|field| self.rules.email_moves || *field != "email") {
                        report.add(DifferenceKind::SalesPersonField, Some(id), None, Some(field));
                    }
                }
                None if user.get("internalemailaddress").is_none_or(|email| !email.is_string()) => report.excuse(Excuse::OwnerWithoutEmail),
                None if self.rules.removed.contains(&id) => report.excuse(Excuse::RemovedInMarketo),
                None => report.add(DifferenceKind::SalesPersonMissing, Some(id), None, None),
            }
        }
    }

    /// Why a row with this owner may be absent.
    pub(super) fn excuse_of_owner(&self, owner: Owner) -> Option<Excuse> {
        match owner {
            Owner::Nobody => Some(Excuse::TeamWithoutAdministrator),
            Owner::User(user) if !self.marketo.sales_persons.contains_key(&user) => {
                let row = self.dynamics.state.get("systemuser", user);
                let silent = row.is_none_or(|row| !row.get("internalemailaddress").is_some_and(serde_json::Value::is_string));
                silent.then_some(Excuse::OwnerWithoutEmail)
            }
            Owner::User(_) => None,
        }
    }

    /// Why a record that is there is kept as it is, because of whose it is now.
    pub(super) fn kept_by_owner(&self, owner: Owner) -> Option<Excuse> {
        self.excuse_of_owner(owner).filter(|_| matches!(owner, Owner::User(_)) || self.rules.team == Team::Nobody)
    }

    /// Whether the record's owner is the row's; a team without administrator demands none.
    pub(super) fn owner_differs(&self, owner: Owner, record: &super::marketo::Record) -> bool {
        match owner {
            Owner::User(user) => guid(record, "externalSalesPersonId") != Some(user) && self.excuse_of_owner(owner).is_none(),
            Owner::Nobody => false,
        }
    }

    pub(super) fn companies(&self, report: &mut Agreement) -> BTreeMap<Guid, Presence> {
        let mut presences = BTreeMap::new();
        for (id, row) in self.dynamics.state.rows("account") {
            report.compared("companies");
            let owner = self.dynamics.owner(lookup(&row, "ownerid"));
            let presence = match (self.marketo.companies.get(&id), self.excuse_of_owner(owner)) {
                // What is merged away is no longer kept up to date.
                (Some(_), _) if lookup(&row, "masterid").is_some() => Presence::There,
                (Some(record), _) => {
                    if let Some(excuse) = self.kept_by_owner(owner) {
                        report.excuse(excuse);
                        presences.insert(id, Presence::There);
                        continue;
                    }
                    if self.owner_differs(owner, record) {
                        report.add(DifferenceKind::CompanyOwner, Some(id), None, None);
                    }
                    for field in fields::differing(&row, record, fields::COMPANY, self.rules.blank) {
                        report.add(DifferenceKind::CompanyField, Some(id), None, Some(field));
                    }
                    Presence::There
                }
                (None, Some(excuse)) => {
                    report.excuse(excuse);
                    Presence::Excused
                }
                (None, None) if lookup(&row, "masterid").is_some() => {
                    report.excuse(Excuse::MergedAccount);
                    Presence::Excused
                }
                (None, None) if self.rules.removed.contains(&id) => {
                    report.excuse(Excuse::RemovedInMarketo);
                    Presence::Excused
                }
                (None, None) => {
                    report.add(DifferenceKind::CompanyMissing, Some(id), None, None);
                    Presence::Missing
                }
            };
            presences.insert(id, presence);
        }
        presences
    }
}
