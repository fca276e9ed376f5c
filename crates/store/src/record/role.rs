//! Roles that Marketo has, and what in Dynamics yields them.

use base::Guid;
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    record::{Family, Record, guid_at, json, of_json},
};

/// A role that Marketo has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The opportunity.
    pub opportunity: Guid,
    /// The contact.
    pub contact: Guid,
    /// The role's text, as sent.
    pub name: String,
    /// The Marketo lead id under which it was sent.
    pub lead_id: i64,
    /// Whether it was sent as the primary one.
    pub is_primary: bool,
    /// Whether Marketo may have lost it, or never got it: its opportunity or its person was gone or merged meanwhile.
    pub in_doubt: bool,
}

#[derive(Serialize, Deserialize)]
struct RoleBody {
    contact: Guid,
    lead: i64,
    primary: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    doubt: bool,
}

impl Role {
    /// The key prefix of an opportunity's roles.
    #[must_use]
    pub fn of_opportunity(opportunity: Guid) -> Vec<u8> {
        opportunity.to_bytes().to_vec()
    }

    /// The key of one role. The lead is part of it, because a role sent for an earlier lead is another role.
    #[must_use]
    pub fn key_of(opportunity: Guid, lead_id: i64, name: &str) -> Vec<u8> {
        let mut key = Self::of_opportunity(opportunity);
        key.extend_from_slice(&lead_id.to_be_bytes());
        key.extend_from_slice(name.as_bytes());
        key
    }
}

impl Record for Role {
    const FAMILY: Family = Family::Role;

    fn key(&self) -> Vec<u8> {
        Self::key_of(self.opportunity, self.lead_id, &self.name)
    }

    fn value(&self) -> Vec<u8> {
        json(&RoleBody { contact: self.contact, lead: self.lead_id, primary: self.is_primary, doubt: self.in_doubt })
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let opportunity = guid_at(Self::FAMILY, key, 0)?;
        let name = key.get(24..).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let name = name.ok_or_else(|| StoreError::Unreadable { what: Self::FAMILY.name(), why: "its name is not text".into() })?;
        let body: RoleBody = of_json(Self::FAMILY, value)?;
        Ok(Self {
            opportunity,
            contact: body.contact,
            name: name.to_owned(),
            lead_id: body.lead,
            is_primary: body.primary,
            in_doubt: body.doubt,
        })
    }
}

/// What yields a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A connection from the opportunity to the contact.
    Connection,
    /// A connection from the contact to the opportunity: the mirror of another, or one entered that way.
    Mirror,
    /// One of the two that is inactive.
    Inactive,
    /// The opportunity's primary contact.
    Primary,
}

/// A row of Dynamics that yields a role as long as it is there and active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSource {
    /// The connection's id, or the opportunity's for its primary contact.
    pub id: Guid,
    /// What kind of row.
    pub kind: SourceKind,
    /// The opportunity.
    pub opportunity: Guid,
    /// The contact.
    pub contact: Guid,
    /// The connection role, if it names one.
    pub role: Option<Guid>,
    /// The connection's reciprocal row, if it names one.
    pub related: Option<Guid>,
}

#[derive(Serialize, Deserialize)]
struct SourceBody {
    kind: SourceKind,
    opportunity: Guid,
    contact: Guid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Guid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    related: Option<Guid>,
}

impl RoleSource {
    /// The key of a source.
    #[must_use]
    pub fn key_of(id: Guid) -> Vec<u8> {
        id.to_bytes().to_vec()
    }
}

impl Record for RoleSource {
    const FAMILY: Family = Family::RoleSource;

    fn key(&self) -> Vec<u8> {
        Self::key_of(self.id)
    }

    fn value(&self) -> Vec<u8> {
        let Self { kind, opportunity, contact, role, related, .. } = self.clone();
        json(&SourceBody { kind, opportunity, contact, role, related })
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let SourceBody { kind, opportunity, contact, role, related } = of_json(Self::FAMILY, value)?;
        Ok(Self { id: guid_at(Self::FAMILY, key, 0)?, kind, opportunity, contact, role, related })
    }
}

/// By what role sources are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceBy {
    /// Their opportunity.
    Opportunity,
    /// Their contact.
    Contact,
    /// Their connection role.
    Role,
}

/// Index entry: a source under its opportunity, contact or role. It can be stale: the source itself decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceIndex {
    /// By what.
    pub by: SourceBy,
    /// The opportunity, contact or role.
    pub of: Guid,
    /// The source.
    pub source: Guid,
}

impl SourceIndex {
    /// The key prefix of all sources of `of`.
    #[must_use]
    pub fn prefix(by: SourceBy, of: Guid) -> Vec<u8> {
        let mut key = vec![match by {
            SourceBy::Opportunity => 1,
            SourceBy::Contact => 2,
            SourceBy::Role => 3,
        }];
        key.extend_from_slice(&of.to_bytes());
        key
    }

    /// All entries of a source.
    #[must_use]
    pub fn all(source: &RoleSource) -> Vec<Self> {
        let entry = |by, of| Self { by, of, source: source.id };
        let mut entries = vec![entry(SourceBy::Opportunity, source.opportunity), entry(SourceBy::Contact, source.contact)];
        entries.extend(source.role.map(|role| entry(SourceBy::Role, role)));
        entries
    }
}

impl Record for SourceIndex {
    const FAMILY: Family = Family::RoleSourceIndex;

    fn key(&self) -> Vec<u8> {
        let mut key = Self::prefix(self.by, self.of);
        key.extend_from_slice(&self.source.to_bytes());
        key
    }

    fn value(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(key: &[u8], _: &[u8]) -> Result<Self, StoreError> {
        let by = match key.first() {
            Some(1) => SourceBy::Opportunity,
            Some(2) => SourceBy::Contact,
            Some(3) => SourceBy::Role,
            _ => return Err(StoreError::Unreadable { what: Self::FAMILY.name(), why: "its key names no index".into() }),
        };
        Ok(Self { by, of: guid_at(Self::FAMILY, key, 1)?, source: guid_at(Self::FAMILY, key, 17)? })
    }
}

/// The name of a connection role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName {
    /// The connection role.
    pub id: Guid,
    /// Its name.
    pub name: String,
}

impl Record for RoleName {
    const FAMILY: Family = Family::RoleName;

    fn key(&self) -> Vec<u8> {
        self.id.to_bytes().to_vec()
    }

    fn value(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let name = String::from_utf8(value.to_vec());
        let name = name.map_err(|_| StoreError::Unreadable { what: Self::FAMILY.name(), why: "its name is not text".into() })?;
        Ok(Self { id: guid_at(Self::FAMILY, key, 0)?, name })
    }
}
