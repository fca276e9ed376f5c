//! Connections and primary contacts as opportunity roles (rule R8).

use std::collections::BTreeMap;

use base::{Guid, Table};

use crate::{Row, convert::cut_chars};

/// The longest role text, in characters (Adobe, "Opportunity roles": the sample describe).
pub const ROLE_MAX_CHARS: u32 = 50;

/// The text for the primary contact where no connection says more.
pub const PRIMARY_CONTACT: &str = "Primary Contact";

/// Columns of a connection that [`connection`] reads.
pub const CONNECTION_COLUMNS: [&str; 8] = [
    "_record1id_value",
    "_record2id_value",
    "_record1roleid_value",
    "_record2roleid_value",
    "record1objecttypecode",
    "record2objecttypecode",
    "statecode",
    "_relatedconnectionid_value",
];

/// Type codes of the two tables (Microsoft, "Connection entity").
const OPPORTUNITY_CODE: i64 = 3;
const CONTACT_CODE: i64 = 2;

/// A connection between an opportunity and a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionRow {
    /// The opportunity.
    pub opportunity: Guid,
    /// The contact.
    pub contact: Guid,
    /// The role that the contact plays.
    pub role: Option<Guid>,
    /// What it is to the role.
    pub kind: Kind,
    /// The reciprocal row.
    pub related: Option<Guid>,
}

/// Reads a connection; none when it joins other tables.
#[must_use]
pub fn connection(row: Row<'_>) -> Option<ConnectionRow> {
    let active = row.integer("statecode").is_none_or(|state| state == 0);
    let kind = |kind| if active { kind } else { Kind::Inactive };
    let side = |number: u8| -> Option<(Guid, Option<Table>)> {
        let (id, named) = row.lookup(&format!("record{number}id"))?;
        let code = row.integer(&format!("record{number}objecttypecode"));
        let table = match (named, code) {
            (Some(named), _) => Table::of_name(named),
            (None, Some(OPPORTUNITY_CODE)) => Some(Table::Opportunity),
            (None, Some(CONTACT_CODE)) => Some(Table::Contact),
            (None, _) => None,
        };
        Some((id, table))
    };
    let role = |number: u8| row.lookup(&format!("record{number}roleid")).map(|(id, _)| id);
    let related = row.lookup("relatedconnectionid").map(|(id, _)| id);
    match (side(1)?, side(2)?) {
        ((opportunity, Some(Table::Opportunity)), (contact, Some(Table::Contact))) => {
            Some(ConnectionRow { opportunity, contact, kind: kind(Kind::Connection), role: role(2), related })
        }
        ((contact, Some(Table::Contact)), (opportunity, Some(Table::Opportunity))) => {
            Some(ConnectionRow { opportunity, contact, kind: kind(Kind::Mirror), role: role(1), related })
        }
        (_, _) => None,
    }
}

/// Texts of connection roles, as Marketo takes them.
#[derive(Debug, Clone, Default)]
pub struct RoleTexts(BTreeMap<Guid, String>);

impl RoleTexts {
    /// The text of each role: its name cut to 50 characters; where two different names would then be equal, the second, by id, ends in
    /// `~` and the first 8 hex digits of its id.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = (Guid, String)>) -> Self {
        let names: BTreeMap<Guid, String> = names.into_iter().collect();
        let mut first: BTreeMap<String, &str> = BTreeMap::new();
        let mut texts = BTreeMap::new();
        for (id, name) in &names {
            let cut = cut_chars(name, ROLE_MAX_CHARS).unwrap_or(name);
            let holder = *first.entry(cut.to_lowercase()).or_insert(name);
            let either_was_cut = cut.len() < name.len() || cut.len() < holder.len();
            let text = if holder != name && either_was_cut {
                let suffix = format!("~{:.8}", id.to_string());
                let keep = ROLE_MAX_CHARS - u32::try_from(suffix.len()).unwrap_or(ROLE_MAX_CHARS);
                format!("{}{suffix}", cut_chars(cut, keep).unwrap_or(cut))
            } else {
                cut.to_owned()
            };
            texts.insert(*id, text);
        }
        Self(texts)
    }

    /// The roles whose text differs from what it is in `other`.
    pub fn changed_since<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Guid> + 'a {
        let ids: std::collections::BTreeSet<Guid> = self.0.keys().chain(other.0.keys()).copied().collect();
        ids.into_iter().filter(|id| self.0.get(id) != other.0.get(id))
    }

    /// The text of a role; `default_role` when there is none or it has no name.
    #[must_use]
    pub fn text<'a>(&'a self, role: Option<Guid>, default_role: &'a str) -> &'a str {
        let default_role = cut_chars(default_role, ROLE_MAX_CHARS).unwrap_or(default_role);
        role.and_then(|role| self.0.get(&role)).map(String::as_str).filter(|text| !text.trim().is_empty()).unwrap_or(default_role)
    }
}

/// Something that yields a role of one opportunity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The row's id.
    pub id: Guid,
    /// The contact.
    pub contact: Guid,
    /// What kind.
    pub kind: Kind,
    /// The connection role.
    pub role: Option<Guid>,
    /// The reciprocal row.
    pub related: Option<Guid>,
}

/// Kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From the opportunity to the contact.
    Connection,
    /// From the contact to the opportunity.
    Mirror,
    /// One of the two that is inactive: it yields nothing, but it is there.
    Inactive,
    /// The primary contact.
    Primary,
}

/// A role that an opportunity shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleWanted {
    /// The contact.
    pub contact: Guid,
    /// The text.
    pub name: String,
    /// Whether it is the primary contact's.
    pub is_primary: bool,
}

/// The roles that one opportunity's sources yield, in the order of contact and text.
///
/// Of two reciprocal rows the one from the opportunity decides, whatever the other says; when one of them has been deleted, neither
/// yields anything, because Dynamics may take a while, or another page, to tell of the second. Texts that differ only in case are one
/// role, because Marketo may compare them so.
#[must_use]
pub fn derive(sources: &[Source], texts: &RoleTexts, default_role: &str) -> Vec<RoleWanted> {
    let is_there = |id: Guid| sources.iter().any(|other| other.id == id);
    let yields = |source: &Source| match (source.kind, source.related) {
        (Kind::Connection, related) => related.is_none_or(is_there),
        // Entered from the contact's side, without a row of the other direction.
        (Kind::Mirror, related) => related.is_none(),
        (Kind::Inactive | Kind::Primary, _) => false,
    };
    let mut roles: BTreeMap<(Guid, String), RoleWanted> = BTreeMap::new();
    for source in sources.iter().filter(|source| yields(source)) {
        let name = texts.text(source.role, default_role);
        let role = RoleWanted { contact: source.contact, name: name.to_owned(), is_primary: false };
        roles.entry((source.contact, name.to_lowercase())).or_insert(role);
    }
    for source in sources.iter().filter(|source| source.kind == Kind::Primary) {
        match roles.iter_mut().find(|((contact, _), _)| *contact == source.contact) {
            Some((_, role)) => role.is_primary = true,
            None => {
                let role = RoleWanted { contact: source.contact, name: PRIMARY_CONTACT.to_owned(), is_primary: true };
                roles.insert((source.contact, PRIMARY_CONTACT.to_lowercase()), role);
            }
        }
    }
    roles.into_values().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(n: u128) -> Guid {
        Guid::from_u128(n)
    }

    fn source(n: u128, contact: u128, kind: Kind, role: Option<u128>, related: Option<u128>) -> Source {
        Source { id: id(n), contact: id(contact), kind, role: role.map(id), related: related.map(id) }
    }

    fn derived(sources: &[Source]) -> Vec<String> {
        let texts = RoleTexts::new([(id(100), "Champion".into()), (id(101), "champion".into()), (id(102), "Decision Maker".into())]);
        derive(sources, &texts, "Stakeholder")
            .into_iter()
            .map(|role| format!("{:x} {}{}", role.contact.as_u128(), role.name, if role.is_primary { " primary" } else { "" }))
            .collect()
    }

    #[test]
    fn reciprocal_connections_make_one_role() {
        let pair = [source(1, 7, Kind::Connection, Some(100), Some(2)), source(2, 7, Kind::Mirror, None, Some(1))];
        assert_eq!(derived(&pair), ["7 Champion"]);
        assert_eq!(derived(&[source(2, 7, Kind::Mirror, None, None)]), ["7 Stakeholder"], "there is no other row");
    }

    #[test]
    fn one_row_of_two_doesnt_outlive_the_other() {
        let pair = [source(1, 7, Kind::Connection, Some(100), Some(2)), source(2, 7, Kind::Mirror, None, Some(1))];
        assert_eq!((derived(&pair[..1]).len(), derived(&pair[1..]).len()), (0, 0));
        let inactive = |n: usize| Source { kind: Kind::Inactive, ..pair[n] };
        assert_eq!(derived(&[inactive(0), pair[1]]).len(), 0, "the row from the opportunity decides");
        assert_eq!(derived(&[pair[0], inactive(1)]), ["7 Champion"]);
    }

    #[test]
    fn the_primary_contact_takes_its_connections_role() {
        let primary = source(9, 7, Kind::Primary, None, None);
        assert_eq!(derived(&[primary]), ["7 Primary Contact primary"]);
        assert_eq!(derived(&[primary, source(1, 7, Kind::Connection, Some(102), None)]), ["7 Decision Maker primary"]);
        assert_eq!(derived(&[primary, source(1, 8, Kind::Connection, None, None)]), ["7 Primary Contact primary", "8 Stakeholder"]);
    }

    #[test]
    fn texts_that_differ_in_case_are_one_role() {
        let sources = [source(1, 7, Kind::Connection, Some(100), None), source(2, 7, Kind::Connection, Some(101), None)];
        assert_eq!(derived(&sources).len(), 1);
    }

    #[test]
    fn long_texts_are_cut_and_told_apart() {
        let long = "Regional procurement steering committee chairperson";
        let texts = RoleTexts::new([
            (id(1), format!("{long} (North)")),
            (id(0xabcd_ef01 << 96), format!("{long} (South)")),
            (id(3 << 120), format!("{long} (North)")),
        ]);
        let cut: String = long.chars().take(50).collect();
        assert_eq!(texts.text(Some(id(1)), "x"), cut);
        assert_eq!(texts.text(Some(id(3 << 120)), "x"), cut, "the same name is the same role");
        let second = texts.text(Some(id(0xabcd_ef01 << 96)), "x");
        assert_eq!((second.chars().count(), &second[41..]), (50, "~abcdef01"));
    }

    #[test]
    fn connections_are_read_either_way() {
        let row = json!({"_record1id_value": id(5).to_string(), "record1objecttypecode": 2, "_record1roleid_value": id(100).to_string(),
            "_record2id_value": id(6).to_string(), "record2objecttypecode": 3, "statecode": 0});
        let read = connection(Row(&row.as_object().unwrap().clone().into())).unwrap();
        assert_eq!((read.opportunity, read.contact, read.role, read.kind), (id(6), id(5), Some(id(100)), Kind::Mirror));
        let mut closed = row.clone();
        closed["statecode"] = json!(1);
        assert_eq!(connection(Row(&closed.as_object().unwrap().clone().into())).map(|read| read.kind), Some(Kind::Inactive));
        let mut other = row;
        other["record2objecttypecode"] = json!(1);
        assert_eq!(connection(Row(&other.as_object().unwrap().clone().into())), None);
    }
}
