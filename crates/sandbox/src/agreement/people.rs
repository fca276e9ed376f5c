//! One person for each lead and contact that is no alias (rules R2 to R7).

use std::collections::BTreeMap;

use base::Guid;

use super::{
    Check,
    companies::Presence,
    dynamics::{Person, Row, truth},
    fields,
    marketo::{Record, guid, text},
    report::{Agreement, DifferenceKind, Excuse},
};

/// Who is in Marketo: id there, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    There(i64),
    Excused,
    Missing,
}

/// By Dynamics id; aliases aren't among them.
pub(super) type People = BTreeMap<Guid, Found>;

impl Check<'_> {
    pub(super) fn people(&self, companies: &BTreeMap<Guid, Presence>, report: &mut Agreement) -> People {
        let mut aliases: BTreeMap<Guid, Vec<Guid>> = BTreeMap::new();
        for id in self.dynamics.people.keys() {
            let survivor = self.dynamics.survivor(*id);
            if survivor != *id {
                aliases.entry(survivor).or_default().push(*id);
            }
        }
        let mut people = People::new();
        for table in ["contact", "lead"] {
            for (id, row) in self.dynamics.state.rows(table) {
                let Some(person) = self.dynamics.people.get(&id) else { continue };
                if self.dynamics.survivor(id) == id {
                    report.compared("people");
                    let known = aliases.get(&id).map_or(&[][..], Vec::as_slice);
                    people.insert(id, self.person(id, person, &row, known, companies, report));
                }
            }
        }
        people
    }

    fn person(
        &self,
        id: Guid,
        person: &Person,
        row: &Row,
        aliases: &[Guid],
        companies: &BTreeMap<Guid, Presence>,
        report: &mut Agreement,
    ) -> Found {
        if self.rules.out.contains(&id) {
            report.excuse(Excuse::OutOfScope);
            return Found::Excused;
        }
        let under_aliases: Vec<i64> = aliases.iter().flat_map(|alias| self.marketo.people(*alias)).copied().collect();
        let under_alias = under_aliases.first().copied();
        let own = self.marketo.people(id);
        if self.is_ambiguous(own) {
            report.excuse(Excuse::Ambiguous);
            return Found::Excused;
        }
        if own.len() > 1 {
            report.add(DifferenceKind::PersonTwice, Some(id), own.first().map(i64::to_string), None);
        }
        // One that others made under another spelling, and that wasn't asked for in it, or wasn't taken because its record is held.
        let record = own.first().and_then(|own| Some((*own, self.marketo.state.lead(*own)?)));
        if record.as_ref().is_some_and(|record| self.is_unknown(id, record)) {
            let excuse = self.kept(person, companies).or_else(|| self.excuse_of_person(id, person, row, companies));
            if let Some(excuse) = under_alias.map(|_| Excuse::BesideAlias).or(excuse) {
                report.excuse(excuse);
                return Found::Excused;
            }
        }
        let Some(record) = record else {
            if under_aliases.len() > 1 && self.rules.joins_held {
                report.excuse(Excuse::BesideAlias);
                return Found::Excused;
            }
            // Two persons under one GUID, of which we made one at most: which of them it is, a person decides.
            if aliases.iter().map(|alias| self.marketo.people(*alias)).any(|twice| self.is_ambiguous(twice)) {
                report.excuse(Excuse::Ambiguous);
                return Found::Excused;
            }
            return match self.excuse_of_person(id, person, row, companies) {
                Some(excuse) if under_alias.is_none() || !matches!(excuse, Excuse::Ambiguous | Excuse::NoEmailOfItsOwn) => {
                    report.excuse(excuse);
                    Found::Excused
                }
                Some(_) | None if under_alias.is_some() => {
                    report.add(DifferenceKind::PersonUnderAlias, Some(id), under_alias.map(|id| id.to_string()), None);
                    Found::Missing
                }
                Some(_) | None => {
                    report.add(DifferenceKind::PersonMissing, Some(id), None, None);
                    Found::Missing
                }
            };
        };
        if under_alias.is_some() {
            // Found under both is held where it was so from the start, and then keeps what it has.
            report.excuse(Excuse::BesideAlias);
        } else if self.dynamics.is_reopened(id, person) {
            report.excuse(Excuse::Reopened);
        } else if let Some(excuse) = self.kept(person, companies) {
            // What is held or waits keeps what it has, and what waits for it isn't there.
            report.excuse(excuse);
            return Found::Excused;
        } else {
            self.compare(id, person, row, &record, companies, report);
        }
        self.msi(id, person, row, record.0, &record.1, report);
        Found::There(record.0)
    }

    /// Whether several persons have one GUID, and not all of them by our doing.
    fn is_ambiguous(&self, persons: &[i64]) -> bool {
        persons.len() > 1 && persons.iter().any(|person| self.rules.foreign.contains(person))
    }

    /// Whether it is a person that others made with this id in a spelling of theirs.
    fn is_unknown(&self, id: Guid, (person, record): &(i64, Record)) -> bool {
        self.rules.foreign.contains(person) && text(record, "externalPersonId") != Some(id.to_string().as_str())
    }

    /// Why a person that is there is kept as it is.
    fn kept(&self, person: &Person, companies: &BTreeMap<Guid, Presence>) -> Option<Excuse> {
        match self.dynamics.account_of(person) {
            None if self.rules.require_company => Some(Excuse::CompanyRequired),
            Some(account) if companies.get(&account) != Some(&Presence::There) => Some(Excuse::WaitsForCompany),
            Some(_) | None => self.kept_by_owner(self.dynamics.owner_of_person(person)),
        }
    }

    fn excuse_of_person(&self, id: Guid, person: &Person, row: &Row, companies: &BTreeMap<Guid, Presence>) -> Option<Excuse> {
        if self.dynamics.is_reopened(id, person) {
            return Some(Excuse::Reopened);
        }
        // It may have been qualified into the contact that it names, and opened or closed otherwise since: held as one that was opened again.
        if person.is_lead && person.state != 1 && self.dynamics.names_contact(person) {
            return Some(Excuse::Reopened);
        }
        if truth(row, "merged") {
            return Some(Excuse::MergedIntoNobody);
        }
        let company = self.dynamics.account_of(person).and_then(|account| companies.get(&account));
        if let Some(Presence::Excused | Presence::Missing) = company {
            return Some(Excuse::WaitsForCompany);
        }
        if row.get("emailaddress1").and_then(serde_json::Value::as_str).is_some_and(|email| self.marketo.is_ambiguous(email)) {
            return Some(Excuse::Ambiguous);
        }
        if self.rules.require_company && self.dynamics.account_of(person).is_none() {
            return Some(Excuse::CompanyRequired);
        }
        let email = text(row, "emailaddress1");
        if email.is_some_and(|email| self.marketo.with_email(email) > self.rules.matches_max) {
            return Some(Excuse::Ambiguous);
        }
        if !self.rules.external_lookup && email.is_none_or(|email| self.marketo.with_email(email) > 0) {
            return Some(Excuse::NoEmailOfItsOwn);
        }
        self.excuse_of_owner(self.dynamics.owner_of_person(person))
    }

    fn compare(
        &self,
        id: Guid,
        person: &Person,
        row: &Row,
        record: &(i64, Record),
        companies: &BTreeMap<Guid, Presence>,
        report: &mut Agreement,
    ) {
        let (number, record) = record;
        let mut differs = |kind, field| report.add(kind, Some(id), Some(number.to_string()), field);
        if text(record, "externalPersonId") != Some(id.to_string().as_str()) {
            differs(DifferenceKind::PersonSpelling, None);
        }
        if self.owner_differs(self.dynamics.owner_of_person(person), record) {
            differs(DifferenceKind::PersonOwner, None);
        }
        let is_ours = |field: &&'static str| !self.rules.edited.contains(&(*number, *field));
        for field in fields::differing(row, record, fields::PERSON, self.rules.blank).filter(is_ours) {
            differs(DifferenceKind::PersonField, Some(field));
        }
        for (columns, field) in fields::CONSENT {
            if columns.iter().any(|column| truth(row, column)) && !truth(record, field) && is_ours(field) {
                differs(DifferenceKind::PersonField, Some(field));
            }
        }
        let there = guid(record, "externalCompanyId");
        match (self.dynamics.account_of(person), there) {
            (None, None) => {}
            (None, Some(_)) => report.excuse(Excuse::CompanyKept),
            (Some(account), _) if there == Some(account) => {}
            (Some(account), _) if companies.get(&account) != Some(&Presence::There) => report.excuse(Excuse::WaitsForCompany),
            (Some(_), _) => differs(DifferenceKind::PersonCompany, None),
        }
    }
}
