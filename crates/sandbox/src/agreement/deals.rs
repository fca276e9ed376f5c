//! Opportunities (rules R1, R6, R7, R9).

use std::collections::BTreeMap;

use base::Guid;

use super::{
    Check,
    companies::Presence,
    dynamics::{Row, integer, lookup, truth},
    fields,
    marketo::{guid, text},
    report::{Agreement, DifferenceKind, Excuse},
};

impl Check<'_> {
    pub(super) fn opportunities(&self, companies: &BTreeMap<Guid, Presence>, report: &mut Agreement) -> BTreeMap<Guid, Presence> {
        let mut presences = BTreeMap::new();
        for (id, row) in self.dynamics.state.rows("opportunity") {
            report.compared("opportunities");
            presences.insert(id, self.opportunity(id, &row, companies, report));
        }
        for (id, record) in self.marketo.opportunities.iter().filter(|(id, _)| !presences.contains_key(id)) {
            report.add(DifferenceKind::OpportunityExtra, Some(*id), text(record, "marketoGUID").map(str::to_owned), None);
        }
        presences
    }

    fn opportunity(&self, id: Guid, row: &Row, companies: &BTreeMap<Guid, Presence>, report: &mut Agreement) -> Presence {
        let owner = self.dynamics.owner(lookup(row, "ownerid"));
        let account = self.account_of_opportunity(row);
        let waits = account.is_some_and(|account| companies.get(&account) != Some(&Presence::There));
        let Some(record) = self.marketo.opportunities.get(&id) else {
            let removed = || self.rules.removed.contains(&id).then_some(Excuse::RemovedInMarketo);
            let required = (self.rules.require_company && account.is_none()).then_some(Excuse::CompanyRequired);
            let excuse = if waits {
                Some(Excuse::WaitsForCompany)
            } else if required.is_some() {
                required
            } else {
                self.excuse_of_owner(owner).or_else(removed)
            };
            return match excuse {
                Some(excuse) => {
                    report.excuse(excuse);
                    Presence::Excused
                }
                None => {
                    report.add(DifferenceKind::OpportunityMissing, Some(id), None, None);
                    Presence::Missing
                }
            };
        };
        if let Some(excuse) = self.kept_by_owner(owner) {
            report.excuse(excuse);
            return Presence::There;
        }
        if self.owner_differs(owner, record) {
            report.add(DifferenceKind::OpportunityOwner, Some(id), None, None);
        }
        let there = guid(record, "externalCompanyId");
        match account {
            Some(_) if waits => report.excuse(Excuse::WaitsForCompany),
            Some(account) if there != Some(account) => report.add(DifferenceKind::OpportunityCompany, Some(id), None, None),
            None if there.is_some() => report.excuse(Excuse::CompanyKept),
            _ => {}
        }
        for field in fields::differing(row, record, fields::OPPORTUNITY, self.rules.blank) {
            report.add(DifferenceKind::OpportunityField, Some(id), None, Some(field));
        }
        let state = integer(row, "statecode").unwrap_or(0);
        for (field, expected) in [("isClosed", state != 0), ("isWon", state == 1)] {
            if truth(record, field) != expected {
                report.add(DifferenceKind::OpportunityField, Some(id), None, Some(field));
            }
        }
        Presence::There
    }

    /// The account it names, else its customer's, else its primary contact's.
    fn account_of_opportunity(&self, row: &Row) -> Option<Guid> {
        let is_account = |id: &Guid| self.dynamics.accounts.contains(id);
        let of_contact = |id: Guid| self.dynamics.people.get(&id).and_then(|person| self.dynamics.account_of(person));
        let customer = lookup(row, "customerid");
        lookup(row, "parentaccountid")
            .filter(is_account)
            .or_else(|| customer.filter(is_account))
            .map(|account| self.dynamics.master(account))
            .or_else(|| lookup(row, "parentcontactid").or(customer).and_then(of_contact))
    }
}
