//! Whose record it is, and which company it belongs to (rules R6 and R7).
//!
//! A lookup that may point to several tables is believed when its annotation names the table, else when a typed column agrees.

use base::{Guid, RecordId, Table};

use crate::Row;

/// Whose record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerRef {
    /// A user: the sales person.
    User(Guid),
    /// A team: resolved by policy.
    Team(Guid),
    /// Nobody that we can see.
    Nobody,
}

/// Which account it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompanyRef {
    /// This account.
    Account(Guid),
    /// The account of this contact, which is its parent.
    ViaContact(Guid),
    /// None at all.
    None,
}

/// Columns that [`owner`] reads.
pub const OWNER_COLUMNS: [&str; 3] = ["_ownerid_value", "_owninguser_value", "_owningteam_value"];

/// Who owns a row.
#[must_use]
pub fn owner(row: Row<'_>) -> OwnerRef {
    if let Some((user, _)) = row.lookup("owninguser") {
        return OwnerRef::User(user);
    }
    if let Some((team, _)) = row.lookup("owningteam") {
        return OwnerRef::Team(team);
    }
    match row.lookup("ownerid") {
        Some((id, Some("team"))) => OwnerRef::Team(id),
        Some((id, Some("systemuser"))) => OwnerRef::User(id),
        Some(_) | None => OwnerRef::Nobody,
    }
}

/// Columns that [`company`] reads for a table.
#[must_use]
pub fn company_columns(table: Table) -> &'static [&'static str] {
    match table {
        Table::Lead => &["_parentaccountid_value", "_customerid_value", "_accountid_value"],
        Table::Contact => &["_parentcustomerid_value", "_accountid_value", "_parentcontactid_value"],
        Table::Opportunity => {
            &["_parentaccountid_value", "_customerid_value", "_parentcontactid_value", "_accountid_value", "_contactid_value"]
        }
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Account | Table::Connection => &[],
    }
}

/// Which account a row belongs to.
///
/// Lead: its parent account, else a customer that is an account. Contact: its parent customer when that is an account, else what that
/// contact has. Opportunity: its account, else a customer that is an account, else what its contact has.
#[must_use]
pub fn company(table: Table, row: Row<'_>) -> CompanyRef {
    let account = |name, typed: &[&str]| row.lookup_to(name, Table::Account, typed).map(CompanyRef::Account);
    let plain = |name| row.lookup(name).map(|(id, _)| id);
    let found = match table {
        Table::Lead => plain("parentaccountid").map(CompanyRef::Account).or_else(|| account("customerid", &["accountid"])),
        Table::Contact => account("parentcustomerid", &["accountid"])
            .or_else(|| row.lookup_to("parentcustomerid", Table::Contact, &["parentcontactid"]).map(CompanyRef::ViaContact)),
        Table::Opportunity => plain("parentaccountid")
            .map(CompanyRef::Account)
            .or_else(|| account("customerid", &["accountid"]))
            .or_else(|| primary_contact(row).map(CompanyRef::ViaContact)),
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Account | Table::Connection => None,
    };
    found.unwrap_or(CompanyRef::None)
}

/// An opportunity's primary contact: its parent contact, else a customer that is a contact (rule R8).
#[must_use]
pub fn primary_contact(row: Row<'_>) -> Option<Guid> {
    row.lookup("parentcontactid").map(|(id, _)| id).or_else(|| row.lookup_to("customerid", Table::Contact, &["contactid"]))
}

/// Whether a row holds a customer of which it doesn't say, in any way, whether it is an account or a contact.
#[must_use]
pub fn is_untold(table: Table, row: Row<'_>) -> bool {
    let (name, accounts, contacts): (_, &[&str], &[&str]) = match table {
        Table::Lead => ("customerid", &["accountid"], &["contactid"]),
        Table::Contact => ("parentcustomerid", &["accountid"], &["parentcontactid"]),
        Table::Opportunity => ("customerid", &["accountid"], &["contactid"]),
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Account | Table::Connection => return false,
    };
    row.lookup(name).is_some_and(|(_, told)| told.is_none())
        && row.lookup_to(name, Table::Account, accounts).is_none()
        && row.lookup_to(name, Table::Contact, contacts).is_none()
}

/// What a row is an alias of (rule R4): the record it was merged into, or, for a qualified lead, its contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasRef {
    /// Merged into this record of the same table.
    Merged(RecordId),
    /// Qualified into this contact.
    Qualified(RecordId),
}

/// Columns that [`alias`] and [`origin`] read for a table.
#[must_use]
pub fn alias_columns(table: Table) -> &'static [&'static str] {
    match table {
        Table::Account => &["merged", "_masterid_value"],
        Table::Lead => &["merged", "_masterid_value", "statecode", "_parentcontactid_value"],
        Table::Contact => &["merged", "_masterid_value", "_originatingleadid_value"],
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Opportunity | Table::Connection => &[],
    }
}

/// What a row is an alias of, if it is one.
#[must_use]
pub fn alias(table: Table, row: Row<'_>) -> Option<AliasRef> {
    if let Some((master, _)) = row.lookup("masterid")
        && alias_columns(table).contains(&"_masterid_value")
    {
        return Some(AliasRef::Merged(RecordId::new(table, master)));
    }
    if table == Table::Lead && is_qualified(row) {
        let (contact, _) = row.lookup("parentcontactid")?;
        return Some(AliasRef::Qualified(RecordId::new(Table::Contact, contact)));
    }
    None
}

/// Whether a lead is in the state Qualified.
#[must_use]
pub fn is_qualified(row: Row<'_>) -> bool {
    row.integer("statecode") == Some(1)
}

/// Whether a lead is closed (qualified or disqualified): Dynamics may refuse to write to it.
#[must_use]
pub fn is_closed_lead(table: Table, row: Row<'_>) -> bool {
    table == Table::Lead && row.integer("statecode").is_some_and(|state| state != 0)
}

/// Whether a row is deactivated: a contact or account in the state Inactive, a lead in the state Disqualified.
#[must_use]
pub fn is_inactive(table: Table, row: Row<'_>) -> bool {
    match table {
        Table::Account | Table::Contact => row.integer("statecode") == Some(1),
        Table::Lead => row.integer("statecode") == Some(2),
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Opportunity | Table::Connection => false,
    }
}

/// The lead that a contact came from.
#[must_use]
pub fn origin(table: Table, row: Row<'_>) -> Option<Guid> {
    (table == Table::Contact).then(|| row.lookup("originatingleadid").map(|(id, _)| id)).flatten()
}

/// Columns that [`is_sales_user`] reads.
pub const USER_COLUMNS: [&str; 5] = ["isdisabled", "accessmode", "applicationid", "internalemailaddress", "isintegrationuser"];

/// Whether a user is a sales person on its own account: enabled, a person, with an e-mail. Others are sent when something refers to them.
#[must_use]
pub fn is_sales_user(row: Row<'_>) -> bool {
    !row.is_true("isdisabled")
        && !matches!(row.integer("accessmode"), Some(3 | 5))
        && row.value("applicationid").is_none()
        && row.value("internalemailaddress").is_some()
        && !row.is_true("isintegrationuser")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "0000000a-0000-4000-8000-000000000000";
    const B: &str = "0000000b-0000-4000-8000-000000000000";

    fn check<T: PartialEq + std::fmt::Debug>(row: serde_json::Value, read: impl Fn(Row<'_>) -> T, expected: &T) {
        assert_eq!(&read(Row(&row.as_object().unwrap().clone().into())), expected, "{row}");
    }

    #[test]
    fn owners() {
        let id: Guid = A.parse().unwrap();
        check(json!({"_owninguser_value": A, "_owningteam_value": null}), owner, &OwnerRef::User(id));
        check(json!({"_ownerid_value": A, "_owningteam_value": A}), owner, &OwnerRef::Team(id));
        check(json!({"_ownerid_value": A, "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "team"}), owner, &OwnerRef::Team(id));
        check(json!({"_ownerid_value": A}), owner, &OwnerRef::Nobody);
    }

    #[test]
    fn companies() {
        let (a, b): (Guid, Guid) = (A.parse().unwrap(), B.parse().unwrap());
        let of = |table| move |row: Row<'_>| company(table, row);
        let annotated = "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname";
        check(json!({"_parentcustomerid_value": A, annotated: "account"}), of(Table::Contact), &CompanyRef::Account(a));
        check(json!({"_parentcustomerid_value": A, annotated: "contact"}), of(Table::Contact), &CompanyRef::ViaContact(a));
        check(json!({"_parentcustomerid_value": A, "_accountid_value": A}), of(Table::Contact), &CompanyRef::Account(a));
        check(json!({"_parentcustomerid_value": A}), of(Table::Contact), &CompanyRef::None);
        check(json!({"_parentaccountid_value": A, "_customerid_value": B}), of(Table::Opportunity), &CompanyRef::Account(a));
        check(json!({"_parentcontactid_value": B}), of(Table::Opportunity), &CompanyRef::ViaContact(b));
    }

    #[test]
    fn aliases() {
        let (a, b): (Guid, Guid) = (A.parse().unwrap(), B.parse().unwrap());
        let lead = |row: Row<'_>| alias(Table::Lead, row);
        check(json!({"statecode": 0, "_parentcontactid_value": A}), lead, &None);
        check(json!({"statecode": 1, "_parentcontactid_value": A}), lead, &Some(AliasRef::Qualified(RecordId::new(Table::Contact, a))));
        check(
            json!({"statecode": 1, "_parentcontactid_value": A, "_masterid_value": B}),
            lead,
            &Some(AliasRef::Merged(RecordId::new(Table::Lead, b))),
        );
    }
}
