//! Roles that Marketo has, and what in Dynamics yields them.

use base::Guid;
use serde::Deserialize;

use crate::{
    StoreError,
    record::{
        Family, Record,
        bytes::{Bytes, is_json},
        guid_at, of_json,
    },
};

/// The version of both formats below. In the first release values were JSON.
const VERSION: u8 = 2;

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

/// The value in the first release.
#[derive(Deserialize)]
struct RoleBody {
    contact: Guid,
    primary: bool,
    #[serde(default)]
    doubt: bool,
}

const PRIMARY: u8 = 1;
const IN_DOUBT: u8 = 2;

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

    /// Version, flags and the contact; the rest is in the key.
    fn value(&self) -> Vec<u8> {
        let flags = if self.is_primary { PRIMARY } else { 0 } | if self.in_doubt { IN_DOUBT } else { 0 };
        let mut out = vec![VERSION, flags];
        out.extend_from_slice(&self.contact.to_bytes());
        out
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let unreadable = |why: &str| StoreError::Unreadable { what: Self::FAMILY.name(), why: why.into() };
        let opportunity = guid_at(Self::FAMILY, key, 0)?;
        let lead_id = key.get(16..24).and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
        let lead_id = lead_id.ok_or_else(|| unreadable("its key holds no lead"))?;
        let name = key.get(24..).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let name = name.ok_or_else(|| unreadable("its name is not text"))?.to_owned();
        if is_json(value) {
            let RoleBody { contact, primary, doubt } = of_json(Self::FAMILY, value)?;
            return Ok(Self { opportunity, contact, name, lead_id, is_primary: primary, in_doubt: doubt });
        }
        let mut rest = Bytes(value);
        match (rest.byte(), rest.byte(), rest.guid()) {
            (Some(VERSION), Some(flags), Some(contact)) => {
                let has = |flag| flags & flag != 0;
                Ok(Self { opportunity, contact, name, lead_id, is_primary: has(PRIMARY), in_doubt: has(IN_DOUBT) })
            }
            _ => Err(unreadable("its format is unknown")),
        }
    }
}

/// What yields a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
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

impl SourceKind {
    const ALL: [Self; 4] = [Self::Connection, Self::Mirror, Self::Inactive, Self::Primary];

    /// Its saved number.
    const fn code(self) -> u8 {
        match self {
            Self::Connection => 0,
            Self::Mirror => 1,
            Self::Inactive => 2,
            Self::Primary => 3,
        }
    }
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

/// The value in the first release.
#[derive(Deserialize)]
struct SourceBody {
    kind: SourceKind,
    opportunity: Guid,
    contact: Guid,
    #[serde(default)]
    role: Option<Guid>,
    #[serde(default)]
    related: Option<Guid>,
}

/// Bits beside the kind's number: which of the two that may be missing are there.
const HAS_ROLE: u8 = 0x40;
const HAS_RELATED: u8 = 0x80;

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

    /// Version, kind, opportunity, contact, and the other two where there are any.
    fn value(&self) -> Vec<u8> {
        let role = if self.role.is_some() { HAS_ROLE } else { 0 };
        let related = if self.related.is_some() { HAS_RELATED } else { 0 };
        let mut out = vec![VERSION, self.kind.code() | role | related];
        for id in [Some(self.opportunity), Some(self.contact), self.role, self.related].into_iter().flatten() {
            out.extend_from_slice(&id.to_bytes());
        }
        out
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let id = guid_at(Self::FAMILY, key, 0)?;
        if is_json(value) {
            let SourceBody { kind, opportunity, contact, role, related } = of_json(Self::FAMILY, value)?;
            return Ok(Self { id, kind, opportunity, contact, role, related });
        }
        let unreadable = || StoreError::Unreadable { what: Self::FAMILY.name(), why: "its format is unknown".into() };
        let mut rest = Bytes(value);
        if rest.byte() != Some(VERSION) {
            return Err(unreadable());
        }
        let kind = rest.byte().ok_or_else(unreadable)?;
        let known = SourceKind::ALL.into_iter().find(|known| known.code() == kind & !(HAS_ROLE | HAS_RELATED));
        let kind_of = known.ok_or_else(unreadable)?;
        let mut guid = || rest.guid().ok_or_else(unreadable);
        let (opportunity, contact) = (guid()?, guid()?);
        let role = (kind & HAS_ROLE != 0).then(&mut guid).transpose()?;
        let related = (kind & HAS_RELATED != 0).then(&mut guid).transpose()?;
        Ok(Self { id, kind: kind_of, opportunity, contact, role, related })
    }
}

/// By what role sources are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceBy {
    /// Their opportunity.
    Opportunity,
    /// Their contact.
    Contact,
}

/// Index entry: a source under its opportunity or contact. It can be stale: the source itself decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceIndex {
    /// By what.
    pub by: SourceBy,
    /// The opportunity or contact.
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
        }];
        key.extend_from_slice(&of.to_bytes());
        key
    }

    /// All entries of a source.
    #[must_use]
    pub fn all(source: &RoleSource) -> [Self; 2] {
        let entry = |by, of| Self { by, of, source: source.id };
        [entry(SourceBy::Opportunity, source.opportunity), entry(SourceBy::Contact, source.contact)]
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
