//! One write, as data: what it asks for, so that it can be told, compared with a planned one, and recognised when it is due.

use std::collections::BTreeMap;

use base::{Object, RecordId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::{Map, Value, json};

use crate::marketo::key_field;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A write to Marketo that is about to be made.
#[derive(Debug, Clone)]
pub(crate) struct Asks {
    /// Of which object.
    pub(crate) object: Object,
    /// For which record.
    pub(crate) record: RecordId,
    /// Of a role: which of the opportunity's.
    pub(crate) part: String,
    /// What.
    pub(crate) what: What,
    /// Marketo's id of the person that is written, or whose role it is; none for one that is created, and for other objects.
    pub(crate) person: Option<i64>,
    /// What is sent, the person's id not included.
    pub(crate) fields: Map<String, Value>,
}

/// What a write asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Marketo shall hold these fields.
    Send,
    /// The same, of a person that was in Marketo before Dynamics knew it.
    Adopt,
    /// The same, of a person that was another record's.
    ReKey,
    /// The person is merged into this one.
    Merge(i64),
    /// The person loses our key.
    Unlink,
    /// It is deleted.
    Remove,
}

/// What something is recognised by: a hash that tells nothing without its seed. In files 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Print(pub(super) u64);

impl Serialize for Print {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Print {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(D::Error::custom)
    }
}

/// What a write does, in people's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// A record comes to Marketo.
    Create,
    /// A record changes.
    Update,
    /// A person that was in Marketo before Dynamics knew it becomes a record's.
    Adopt,
    /// A person gets the key of the record that stands for it now.
    Rekey,
    /// A person is merged into another.
    Merge,
    /// A person loses our key.
    Unlink,
    /// A record is deleted.
    Remove,
}

impl Act {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Adopt => "adopt",
            Self::Rekey => "rekey",
            Self::Merge => "merge",
            Self::Unlink => "unlink",
            Self::Remove => "remove",
        }
    }
}

impl Asks {
    /// What it does, once Marketo has said whether that was new.
    pub(crate) fn act(&self, created: bool) -> Act {
        match self.what {
            What::Send if created => Act::Create,
            What::Send => Act::Update,
            What::Adopt => Act::Adopt,
            What::ReKey => Act::Rekey,
            What::Merge(_) => Act::Merge,
            What::Unlink => Act::Unlink,
            What::Remove => Act::Remove,
        }
    }

    /// Under what Marketo holds the record: a person's id, a role's parts, or the key in lower case. None for a person that is created.
    pub(crate) fn place(&self) -> Option<String> {
        let text = |field: &str| self.fields.get(field).and_then(Value::as_str).map(str::to_lowercase);
        match self.object {
            Object::Lead => self.person.map(|id| id.to_string()),
            Object::Role => role_place(&self.fields, self.person?),
            Object::SalesPerson | Object::Company | Object::Opportunity => text(key_field(self.object)),
        }
    }

    /// By field, what Marketo would hold instead of `before`.
    pub(crate) fn values(&self, before: &Map<String, Value>) -> BTreeMap<String, [Value; 2]> {
        let is = |name: &str| before.get(name).cloned().unwrap_or_default();
        match self.what {
            What::Send | What::Adopt | What::ReKey | What::Unlink => {
                self.fields.iter().map(|(name, value)| (name.clone(), [is(name), value.clone()])).collect()
            }
            What::Remove => self.fields.iter().map(|(name, value)| (name.clone(), [value.clone(), Value::Null])).collect(),
            What::Merge(winner) => BTreeMap::from([("merged into".to_owned(), [Value::Null, winner.into()])]),
        }
    }

    /// What it is recognised by: the same write, asked for again, has the same. A person that is new in the pass has another id in every pass; `is_new` tells.
    pub(crate) fn print(&self, seed: u64, is_new: impl Fn(i64) -> bool) -> Print {
        let known = |person: i64| if is_new(person) { Value::from("new") } else { person.into() };
        // Who is created is written by key, and afterwards by id: either is the same person.
        let person = self.person.map_or(Value::Null, known);
        let what = match self.what {
            What::Send => json!("send"),
            What::Adopt => json!("adopt"),
            What::ReKey => json!("rekey"),
            What::Merge(winner) => json!({ "merge": known(winner) }),
            What::Unlink => json!("unlink"),
            What::Remove => json!("remove"),
        };
        let text = json!([self.object.name(), self.record.to_string(), what, person, self.fields]).to_string();
        print_of_text(&text, seed)
    }
}

/// What a role is known by besides its contact: opportunity, person and text.
pub(crate) fn role_place(record: &Map<String, Value>, lead: i64) -> Option<String> {
    let text = |field: &str| record.get(field).and_then(Value::as_str).map(str::to_lowercase);
    Some(format!("{} {lead} {}", text("externalOpportunityId")?, text("role")?))
}

/// What an outbox record is recognised by.
pub(super) fn print_of_key(key: &[u8], seed: u64) -> Print {
    Print(xxh3_64_with_seed(key, seed))
}

/// What is recognised by what is asked for in an outbox record, or in a row.
pub(super) fn print_of_text(text: &str, seed: u64) -> Print {
    Print(xxh3_64_with_seed(text.as_bytes(), seed))
}
