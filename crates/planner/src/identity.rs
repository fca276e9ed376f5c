//! Which Marketo person a Dynamics record is (rules R2, R3 and R4).

use base::Guid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is done when several Marketo people could be one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ambiguous {
    /// The record is held as `ambiguous` until somebody decides.
    #[default]
    Hold,
    /// The one with the same last name is taken, then the latest updated, then the lowest id.
    Adopt,
}

/// A Marketo person that a look-up found.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Marketo's id.
    pub id: i64,
    /// Everything that was asked for.
    pub record: Map<String, Value>,
}

/// Who a Dynamics record is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Identity<'a> {
    /// This person, whose external id is the record's.
    Linked(&'a Person),
    /// This person, found under the id of a record that is an alias of ours.
    Alias(&'a Person, Guid),
    /// This person, who belongs to nobody yet.
    Adoptable(&'a Person),
    /// One of several.
    Ambiguous,
    /// Persons under our own id and under an alias's: two records of one person.
    Split,
    /// Only persons that belong to other records.
    Taken,
    /// Nobody.
    Absent,
}

impl Person {
    /// Reads one; none when it has no id.
    #[must_use]
    pub fn read(record: Map<String, Value>) -> Option<Self> {
        let id = record.get("id").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()))?;
        Some(Self { id, record })
    }

    /// A field's text, when it holds any.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.record.get(field)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// Who it is among the persons found by external id.
#[must_use]
pub fn by_external_id<'a>(own: Guid, aliases: &[Guid], found: &'a [Person], key_field: &str) -> Identity<'a> {
    let named = |id: Guid| found.iter().filter(move |person| external_id(person, key_field) == Some(id));
    let ours: Vec<&Person> = named(own).collect();
    let theirs: Vec<(&Person, Guid)> = aliases.iter().flat_map(|alias| named(*alias).map(|person| (person, *alias))).collect();
    match (ours.as_slice(), theirs.as_slice()) {
        ([], []) => Identity::Absent,
        ([person], []) => Identity::Linked(person),
        ([], [(person, alias)]) => Identity::Alias(person, *alias),
        ([_], [..]) | ([], [_, _, ..]) => Identity::Split,
        ([_, _, ..], _) => Identity::Ambiguous,
    }
}

/// Who it is among the persons found by e-mail.
#[must_use]
pub fn by_email<'a>(
    own: Guid,
    aliases: &[Guid],
    last_name: Option<&str>,
    found: &'a [Person],
    key_field: &str,
    policy: Ambiguous,
) -> Identity<'a> {
    let known = by_external_id(own, aliases, found, key_field);
    if known != Identity::Absent {
        return known;
    }
    let free: Vec<&Person> = found.iter().filter(|person| person.text(key_field).is_none()).collect();
    match (free.as_slice(), policy) {
        ([], _) if found.is_empty() => Identity::Absent,
        ([], _) => Identity::Taken,
        ([person], _) => Identity::Adoptable(person),
        ([_, _, ..], Ambiguous::Hold) => Identity::Ambiguous,
        ([_, _, ..], Ambiguous::Adopt) => best(&free, last_name).map_or(Identity::Ambiguous, Identity::Adoptable),
    }
}

fn external_id(person: &Person, key_field: &str) -> Option<Guid> {
    person.text(key_field)?.parse().ok()
}

/// Same last name first, then the latest updated, then the lowest id.
fn best<'a>(persons: &[&'a Person], last_name: Option<&str>) -> Option<&'a Person> {
    let same_name = |person: &Person| match (person.text("lastName"), last_name) {
        (Some(theirs), Some(ours)) => theirs.to_lowercase() == ours.trim().to_lowercase(),
        (_, _) => false,
    };
    let updated = |person: &Person| person.record.get("updatedAt").and_then(crate::convert::as_moment).map(|moment| moment.1);
    persons.iter().copied().max_by_key(|person| (same_name(person), updated(person), std::cmp::Reverse(person.id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWN: Guid = Guid::from_u128(0xa);
    const OLD: Guid = Guid::from_u128(0xb);

    fn person(id: i64, external: Option<&str>, last: &str, updated: &str) -> Person {
        let record = json!({"id": id, "externalPersonId": external, "lastName": last, "updatedAt": updated});
        Person { id, record: record.as_object().unwrap().clone() }
    }

    fn class(found: &[Person], policy: Ambiguous) -> String {
        match by_email(OWN, &[OLD], Some("Roth"), found, "externalPersonId", policy) {
            Identity::Linked(person) => format!("linked {}", person.id),
            Identity::Alias(person, _) => format!("alias {}", person.id),
            Identity::Adoptable(person) => format!("adoptable {}", person.id),
            Identity::Ambiguous => "ambiguous".into(),
            Identity::Split => "split".into(),
            Identity::Taken => "taken".into(),
            Identity::Absent => "absent".into(),
        }
    }

    #[test]
    fn persons_are_classed() {
        let upper = format!("{{{}}}", OWN.to_string().to_uppercase());
        let old = OLD.to_string();
        let free = |id, last: &str, updated: &str| person(id, None, last, updated);
        let other = || person(9, Some("0000000c-0000-4000-8000-000000000000"), "Roth", "");
        let cases = [
            (vec![], "absent"),
            (vec![person(1, Some(&upper), "x", "")], "linked 1"),
            (vec![person(1, Some(&upper), "x", ""), free(2, "x", "")], "linked 1"),
            (vec![person(1, Some(&upper), "x", ""), person(2, Some(&old), "x", "")], "split"),
            (vec![person(2, Some(&old), "x", "")], "alias 2"),
            (vec![person(1, Some(&upper), "x", ""), person(2, Some(&upper), "x", "")], "ambiguous"),
            (vec![free(3, "Roth", "")], "adoptable 3"),
            (vec![free(3, "Roth", ""), other()], "adoptable 3"),
            (vec![other(), person(4, Some("SAP-17"), "Roth", "")], "taken"),
            (vec![free(3, "Roth", ""), free(4, "Roth", "")], "ambiguous"),
        ];
        for (found, expected) in cases {
            assert_eq!(class(&found, Ambiguous::Hold), expected);
        }
        let found = [
            free(3, "Ruiz", "2026-05-01T00:00:00Z"),
            free(6, "roth", "2026-03-01T00:00:00Z"),
            free(5, "Roth", "2026-03-01T00:00:00Z"),
            free(4, "Roth", "2026-02-01T00:00:00Z"),
        ];
        assert_eq!(class(&found, Ambiguous::Adopt), "adoptable 5");
    }
}
