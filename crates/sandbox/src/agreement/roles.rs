//! Opportunity roles follow connections and primary contacts (rule R8).

use std::collections::{BTreeMap, BTreeSet};

use base::Guid;

use super::{
    Check,
    companies::Presence,
    dynamics::{Row, integer, lookup, truth},
    marketo::{Record, number, text},
    people::{Found, People},
    report::{Agreement, DifferenceKind, Excuse},
};

/// Marketo's length of a role, in characters.
const ROLE_MAX_CHARS: usize = 50;
/// A role that was told apart ends in `~` and eight hex digits.
const SUFFIX_CHARS: usize = 9;
const PRIMARY: &str = "Primary Contact";

/// What one opportunity's roles shall be: by surviving contact, the full texts.
#[derive(Default)]
struct Wanted {
    roles: BTreeMap<Guid, BTreeSet<String>>,
    primary: Option<Guid>,
}

impl Check<'_> {
    pub(super) fn roles(&self, people: &People, opportunities: &BTreeMap<Guid, Presence>, report: &mut Agreement) {
        let mut wanted = self.wanted_of_connections();
        for (id, row) in self.dynamics.state.rows("opportunity") {
            let wanted = wanted.remove(&id).unwrap_or_default();
            let wanted = self.with_primary(wanted, &row);
            if opportunities.get(&id) == Some(&Presence::There) {
                self.compare_roles(id, &wanted, people, report);
            } else {
                for _ in wanted.roles.values().flatten() {
                    report.excuse(Excuse::WaitsForOpportunity);
                }
            }
        }
    }

    /// Active connections from an opportunity to a contact; the reciprocal rows say nothing new.
    fn wanted_of_connections(&self) -> BTreeMap<Guid, Wanted> {
        let opportunities: BTreeSet<Guid> = self.dynamics.state.rows("opportunity").map(|(id, _)| id).collect();
        let mut wanted: BTreeMap<Guid, Wanted> = BTreeMap::new();
        for (_, row) in self.dynamics.state.rows("connection") {
            if integer(&row, "statecode").is_some_and(|state| state != 0) {
                continue;
            }
            let (Some(one), Some(two)) = (lookup(&row, "record1id"), lookup(&row, "record2id")) else { continue };
            // A row whose twin has been deleted says nothing any more; one entered from the contact's side without a twin speaks for itself.
            let related = lookup(&row, "relatedconnectionid");
            let (opportunity, contact, role) = match (opportunities.contains(&one), opportunities.contains(&two)) {
                (true, false) if related.is_none_or(|id| self.is_there(id)) => (one, two, "record2roleid"),
                (false, true) if related.is_none() => (two, one, "record1roleid"),
                _ => continue,
            };
            if self.dynamics.people.get(&contact).is_none_or(|person| person.is_lead) {
                continue;
            }
            let name = lookup(&row, role).and_then(|role| self.dynamics.role_names.get(&role));
            let name = name.map(|name| name.trim()).filter(|name| !name.is_empty()).unwrap_or(&self.rules.default_role);
            let contact = self.dynamics.survivor(contact);
            wanted.entry(opportunity).or_default().roles.entry(contact).or_default().insert(name.to_owned());
        }
        wanted
    }

    fn is_there(&self, connection: Guid) -> bool {
        self.dynamics.state.get("connection", connection).is_some()
    }

    fn with_primary(&self, mut wanted: Wanted, row: &Row) -> Wanted {
        let is_contact = |id: &Guid| self.dynamics.people.get(id).is_some_and(|person| !person.is_lead);
        let primary = lookup(row, "parentcontactid").or_else(|| lookup(row, "customerid")).filter(is_contact);
        wanted.primary = primary.map(|contact| self.dynamics.survivor(contact));
        if let Some(primary) = wanted.primary {
            wanted.roles.entry(primary).or_insert_with(|| BTreeSet::from([PRIMARY.to_owned()]));
        }
        wanted
    }

    fn compare_roles(&self, opportunity: Guid, wanted: &Wanted, people: &People, report: &mut Agreement) {
        let mut actual: BTreeMap<i64, Vec<&Record>> = BTreeMap::new();
        for role in self.marketo.roles.get(&opportunity).into_iter().flatten() {
            actual.entry(number(role, "leadId").unwrap_or(0)).or_default().push(role);
        }
        for (contact, texts) in &wanted.roles {
            let Some(Found::There(lead)) = people.get(contact) else {
                texts.iter().for_each(|_| report.excuse(Excuse::WaitsForPerson));
                // One that is held may have been there before, and then keeps its roles.
                self.marketo.people(*contact).iter().for_each(|lead| drop(actual.remove(lead)));
                continue;
            };
            let mut there = actual.remove(lead).unwrap_or_default();
            let is_primary = wanted.primary == Some(*contact);
            let marked = there.iter().filter(|role| truth(role, "isPrimary")).count();
            let mut missing = false;
            for text in folded(texts) {
                report.compared("opportunity roles");
                match there.iter().position(|role| fits(text, role)) {
                    Some(at) => drop(there.swap_remove(at)),
                    None => {
                        missing = true;
                        report.add(DifferenceKind::RoleMissing, Some(opportunity), Some(lead.to_string()), None);
                    }
                }
            }
            if !missing && (marked > 0) != is_primary {
                report.add(DifferenceKind::RolePrimary, Some(opportunity), Some(lead.to_string()), None);
            }
            extra(opportunity, &there, report);
        }
        actual.values().for_each(|there| extra(opportunity, there, report));
    }
}

fn extra(opportunity: Guid, roles: &[&Record], report: &mut Agreement) {
    for role in roles {
        report.add(DifferenceKind::RoleExtra, Some(opportunity), text(role, "marketoGUID").map(str::to_owned), None);
    }
}

/// Texts that differ in case only are one role, since Marketo compares keys so.
fn folded(texts: &BTreeSet<String>) -> impl Iterator<Item = &String> {
    let mut seen = BTreeSet::new();
    texts.iter().filter(move |text| seen.insert(text.to_lowercase()))
}

/// Whether the role's text is this one, cut to 50 characters, or cut further and told apart.
fn fits(wanted: &str, role: &Record) -> bool {
    let Some(actual) = text(role, "role") else { return false };
    let cut = |chars: usize| wanted.chars().take(chars).collect::<String>();
    let told_apart = || {
        let tail: Vec<char> = actual.chars().skip(ROLE_MAX_CHARS - SUFFIX_CHARS).collect();
        let is_suffix = tail.first() == Some(&'~') && tail.len() == SUFFIX_CHARS && tail.iter().skip(1).all(char::is_ascii_hexdigit);
        is_suffix && actual.to_lowercase().starts_with(&cut(ROLE_MAX_CHARS - SUFFIX_CHARS).to_lowercase())
    };
    cut(ROLE_MAX_CHARS).trim().to_lowercase() == actual.to_lowercase() || (wanted.chars().count() > ROLE_MAX_CHARS && told_apart())
}
