//! The Dynamics side: who refers to whom, and where a record ends up after merges and qualification.

use std::collections::{BTreeMap, BTreeSet};

use base::Guid;
use dataverse_emulator::State;
use serde_json::{Map, Value};

use super::Team;

/// A row as the emulator gives it.
pub(super) type Row = Map<String, Value>;

/// How many steps a chain of contacts or of merges may have.
const STEPS_MAX: usize = 5;
const MERGES_MAX: usize = 50;

/// What a person refers to.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    pub(super) is_lead: bool,
    /// 0 for open or active.
    pub(super) state: i64,
    owner: Option<Guid>,
    /// Account or contact.
    parent: Option<Guid>,
    master: Option<Guid>,
    /// A lead's contact, or a contact's lead.
    partner: Option<Guid>,
}

/// The tables in short, and the whole rows on demand.
pub(super) struct Dynamics<'a> {
    pub(super) state: &'a State,
    /// Whether they pass the sales-user filter.
    pub(super) users: BTreeMap<Guid, bool>,
    teams: BTreeMap<Guid, Option<Guid>>,
    pub(super) accounts: BTreeSet<Guid>,
    /// Accounts that were merged into others.
    masters: BTreeMap<Guid, Guid>,
    pub(super) people: BTreeMap<Guid, Person>,
    /// The contact of each lead that became one, from either side.
    contact_of: BTreeMap<Guid, Guid>,
    pub(super) role_names: BTreeMap<Guid, String>,
}

fn owner_of_team(row: &Row, team: Team) -> Option<Guid> {
    match team {
        Team::Administrator => lookup(row, "administratorid"),
        Team::Nobody => None,
        Team::User(user) => Some(user),
    }
}

/// Who owns a row, in Marketo's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// This user.
    User(Guid),
    /// A team that has no administrator.
    Nobody,
}

pub(super) fn lookup(row: &Row, name: &str) -> Option<Guid> {
    row.get(&format!("_{name}_value"))?.as_str()?.parse().ok()
}

pub(super) fn integer(row: &Row, name: &str) -> Option<i64> {
    row.get(name)?.as_i64()
}

pub(super) fn truth(row: &Row, name: &str) -> bool {
    row.get(name).and_then(Value::as_bool).unwrap_or(false)
}

impl<'a> Dynamics<'a> {
    pub(super) fn read(state: &'a State, team: Team) -> Self {
        let people =
            ["contact", "lead"].into_iter().flat_map(|table| state.rows(table).map(move |(id, row)| (id, person(&row, table == "lead"))));
        let people: BTreeMap<Guid, Person> = people.collect();
        let contact_of = contacts_of(&people);
        let name = |(id, row): (Guid, Row)| Some((id, row.get("name")?.as_str()?.to_owned()));
        Self {
            state,
            users: state.rows("systemuser").map(|(id, row)| (id, sells(&row))).collect(),
            teams: state.rows("team").map(|(id, row)| (id, owner_of_team(&row, team))).collect(),
            accounts: state.rows("account").map(|(id, _)| id).collect(),
            masters: state.rows("account").filter_map(|(id, row)| Some((id, lookup(&row, "masterid")?))).collect(),
            people,
            contact_of,
            role_names: state.rows("connectionrole").filter_map(name).collect(),
        }
    }

    /// A user, or the administrator of a team.
    pub(super) fn owner(&self, owner: Option<Guid>) -> Owner {
        let Some(owner) = owner else { return Owner::Nobody };
        match self.teams.get(&owner) {
            Some(administrator) => administrator.map_or(Owner::Nobody, Owner::User),
            None => Owner::User(owner),
        }
    }

    pub(super) fn owner_of_person(&self, person: &Person) -> Owner {
        self.owner(person.owner)
    }

    /// A record's survivor: the end of the chain of merges, and a qualified lead's contact. Itself, when it is no alias, or when the
    /// chain leads back to it.
    pub(super) fn survivor(&self, id: Guid) -> Guid {
        let mut at = id;
        for _ in 0..MERGES_MAX {
            let Some(person) = self.people.get(&at) else { return at };
            let next = match person.master.filter(|master| self.people.contains_key(master)) {
                Some(master) => Some(master),
                None if person.is_lead && person.state == 1 => self.contact_of.get(&at).copied(),
                None => None,
            };
            match next {
                Some(next) if next == id => return id,
                Some(next) => at = next,
                None => return at,
            }
        }
        at
    }

    /// Whether a lead names a contact that is there.
    pub(super) fn names_contact(&self, lead: &Person) -> bool {
        lead.partner.and_then(|contact| self.people.get(&contact)).is_some_and(|contact| !contact.is_lead)
    }

    /// Whether a lead that isn't qualified has a contact that came from it: it was qualified and opened again, whatever it is now.
    pub(super) fn is_reopened(&self, id: Guid, person: &Person) -> bool {
        person.is_lead && person.state != 1 && self.contact_of.contains_key(&id)
    }

    /// The account that an account ended up in; itself, when it wasn't merged.
    pub(super) fn master(&self, account: Guid) -> Guid {
        let mut at = account;
        for _ in 0..MERGES_MAX {
            match self.masters.get(&at).filter(|master| self.accounts.contains(master)) {
                Some(master) => at = *master,
                None => break,
            }
        }
        at
    }

    /// The account of a person: a lead's, or a contact's, through at most five contacts above.
    pub(super) fn account_of(&self, person: &Person) -> Option<Guid> {
        let mut parent = person.parent?;
        for _ in 0..=STEPS_MAX {
            if self.accounts.contains(&parent) {
                return Some(self.master(parent));
            }
            parent = self.people.get(&parent)?.parent?;
        }
        None
    }

    /// Users who have to be sales persons: those who pass the filter, and those who own something in scope.
    pub(super) fn sellers(&self) -> BTreeSet<Guid> {
        let mut sellers: BTreeSet<Guid> = self.users.iter().filter(|(_, sells)| **sells).map(|(id, _)| *id).collect();
        let rows = ["account", "opportunity"].into_iter().flat_map(|table| self.state.rows(table)).map(|(_, row)| lookup(&row, "ownerid"));
        let people = self.people.iter().filter(|(id, _)| self.survivor(**id) == **id).map(|(_, person)| person.owner);
        sellers.extend(rows.chain(people).filter_map(|owner| match self.owner(owner) {
            Owner::User(user) => Some(user),
            Owner::Nobody => None,
        }));
        sellers
    }
}

/// Microsoft's "System User" page names the columns; which of them make a seller is the design's choice.
fn sells(user: &Row) -> bool {
    !truth(user, "isdisabled")
        && !matches!(integer(user, "accessmode"), Some(3 | 5))
        && user.get("applicationid").is_none_or(Value::is_null)
        && user.get("internalemailaddress").is_some_and(Value::is_string)
        && !truth(user, "isintegrationuser")
}

fn person(row: &Row, is_lead: bool) -> Person {
    let (parent, partner) = if is_lead { ("parentaccountid", "parentcontactid") } else { ("parentcustomerid", "originatingleadid") };
    Person {
        is_lead,
        state: integer(row, "statecode").unwrap_or(0),
        owner: lookup(row, "ownerid"),
        parent: lookup(row, parent),
        master: lookup(row, "masterid"),
        partner: lookup(row, partner),
    }
}

fn contacts_of(people: &BTreeMap<Guid, Person>) -> BTreeMap<Guid, Guid> {
    let is_contact = |id: &Guid| people.get(id).is_some_and(|person| !person.is_lead);
    let mut contact_of = BTreeMap::new();
    for (id, person) in people {
        match person.partner {
            // An open lead may name an existing contact without having become it.
            Some(contact) if person.is_lead && person.state == 1 && is_contact(&contact) => drop(contact_of.insert(*id, contact)),
            Some(lead) if !person.is_lead => drop(contact_of.entry(lead).or_insert(*id)),
            _ => {}
        }
    }
    contact_of
}
