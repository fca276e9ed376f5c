//! The tables of Dynamics and the objects of Marketo that the bridge joins.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Dataverse table that is captured, in the order in which capture reads them: what others refer to first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// `systemuser`
    SystemUser,
    /// `team`
    Team,
    /// `connectionrole`
    ConnectionRole,
    /// `account`
    Account,
    /// `lead`
    Lead,
    /// `contact`
    Contact,
    /// `opportunity`
    Opportunity,
    /// `connection`
    Connection,
}

impl Table {
    /// All, in capture order.
    pub const ALL: [Self; 8] =
        [Self::SystemUser, Self::Team, Self::ConnectionRole, Self::Account, Self::Lead, Self::Contact, Self::Opportunity, Self::Connection];

    /// The logical name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemUser => "systemuser",
            Self::Team => "team",
            Self::ConnectionRole => "connectionrole",
            Self::Account => "account",
            Self::Lead => "lead",
            Self::Contact => "contact",
            Self::Opportunity => "opportunity",
            Self::Connection => "connection",
        }
    }

    /// The table of a logical name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Its number in saved state; never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::SystemUser => 1,
            Self::Team => 2,
            Self::ConnectionRole => 3,
            Self::Account => 4,
            Self::Lead => 5,
            Self::Contact => 6,
            Self::Opportunity => 7,
            Self::Connection => 8,
        }
    }

    /// The table of a saved number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.code() == code)
    }

    /// The Marketo object that its rows become one to one; none for tables that only feed others.
    #[must_use]
    pub const fn object(self) -> Option<Object> {
        match self {
            Self::SystemUser => Some(Object::SalesPerson),
            Self::Account => Some(Object::Company),
            Self::Lead | Self::Contact => Some(Object::Lead),
            Self::Opportunity => Some(Object::Opportunity),
            Self::Team | Self::ConnectionRole | Self::Connection => None,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Marketo object, in the order in which they are sent (rule R1): nothing before what it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A sales person: a Dynamics user.
    SalesPerson,
    /// A company: a Dynamics account.
    Company,
    /// A lead, which is what Marketo calls every person: a Dynamics lead or contact.
    Lead,
    /// An opportunity.
    Opportunity,
    /// An opportunity role: a contact's part in an opportunity.
    Role,
}

impl Object {
    /// All, in sending order.
    pub const ALL: [Self; 5] = [Self::SalesPerson, Self::Company, Self::Lead, Self::Opportunity, Self::Role];

    /// What people read: `sales person`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SalesPerson => "sales person",
            Self::Company => "company",
            Self::Lead => "person",
            Self::Opportunity => "opportunity",
            Self::Role => "role",
        }
    }

    /// What people read of several: `sales persons`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::SalesPerson => "sales persons",
            Self::Company => "companies",
            Self::Lead => "people",
            Self::Opportunity => "opportunities",
            Self::Role => "roles",
        }
    }

    /// Its number in saved state; never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::SalesPerson => 1,
            Self::Company => 2,
            Self::Lead => 3,
            Self::Opportunity => 4,
            Self::Role => 5,
        }
    }

    /// The object of a saved number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.code() == code)
    }

    /// The tables whose rows become it.
    #[must_use]
    pub const fn tables(self) -> &'static [Table] {
        match self {
            Self::SalesPerson => &[Table::SystemUser],
            Self::Company => &[Table::Account],
            Self::Lead => &[Table::Lead, Table::Contact],
            Self::Opportunity => &[Table::Opportunity],
            Self::Role => &[],
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One record of Dynamics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// Its table.
    pub table: Table,
    /// Its primary key.
    pub id: crate::Guid,
}

impl RecordId {
    /// The record of this table and key.
    #[must_use]
    pub const fn new(table: Table, id: crate::Guid) -> Self {
        Self { table, id }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_numbers_come_back() {
        for table in Table::ALL {
            assert_eq!(Table::of_code(table.code()), Some(table));
            assert_eq!(Table::of_name(table.name()), Some(table));
            assert!(table.object().is_none_or(|object| object.tables().contains(&table)));
        }
        for object in Object::ALL {
            assert_eq!(Object::of_code(object.code()), Some(object));
        }
    }
}
