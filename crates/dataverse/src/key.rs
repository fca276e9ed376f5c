//! Addresses of rows: by primary key or by alternate key, in paths, in bodies and in answers.

use base::Guid;
use serde_json::Value;
use wire::{CallError, Response};

use crate::{
    literal::Literal,
    odata::{encoded, name},
};

/// Which row.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// By its primary key.
    Id(Guid),
    /// By the columns of an alternate key and their values. Values that hold one of `/ < > * % & : \ ? +` can't be addressed so, says
    /// Microsoft's "Use alternate keys" page.
    Alternate(Vec<(String, Literal)>),
}

impl Key {
    /// The row's path below the Web API's root.
    pub(crate) fn path(&self, set: &str) -> Result<String, CallError> {
        Ok(format!("/{}({})", name(set)?, self.within(encoded)?))
    }

    /// What stands between the parentheses, values passed through `write`.
    fn within(&self, write: impl Fn(&str) -> String) -> Result<String, CallError> {
        match self {
            Self::Id(id) => Ok(id.to_string()),
            Self::Alternate(columns) if columns.is_empty() => Err(CallError::Unwritable("an alternate key without columns".into())),
            Self::Alternate(columns) => {
                let mut parts = Vec::with_capacity(columns.len());
                for (column, value) in columns {
                    if let Literal::Text(text) = value
                        && text.contains(['/', '<', '>', '*', '%', '&', ':', '\\', '?', '+'])
                    {
                        return Err(CallError::Unwritable(format!("the value of {column} holds a character that a key can't")));
                    }
                    parts.push(format!("{}={}", name(column)?, write(&value.to_string())));
                }
                Ok(parts.join(","))
            }
        }
    }

    /// The row as `@odata.id` and `@odata.bind` name it, without a slash in front.
    pub(crate) fn reference(&self, set: &str) -> Result<String, CallError> {
        Ok(format!("{}({})", name(set)?, self.within(str::to_owned)?))
    }
}

/// The entry of a body that makes a lookup point to a row: `ownerid@odata.bind` and `/systemusers(…)`. The navigation's case matters, and
/// it is not always the column's name: take it from [`crate::Relations`].
///
/// # Errors
/// [`CallError::Unwritable`] when the set's name is none.
pub fn bind(navigation: &str, set: &str, id: Guid) -> Result<(String, Value), CallError> {
    Ok((format!("{navigation}@odata.bind"), Value::String(format!("/{}", Key::Id(id).reference(set)?))))
}

/// The key that a write's answer names: in `OData-EntityId`, else in `Location`. None after an upsert by alternate key, whose answer
/// repeats that key.
pub(crate) fn written_id(response: &Response) -> Option<Guid> {
    ["odata-entityid", "location"].into_iter().find_map(|header| guid_at_end(response.header(header)?))
}

/// The GUID in the last parentheses of an address, or the text as a GUID.
pub(crate) fn guid_at_end(text: &str) -> Option<Guid> {
    match (text.rfind('('), text.rfind(')')) {
        (Some(open), Some(close)) if open < close => text[open + 1..close].parse().ok(),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_documented() {
        let id = Guid::from_u128(0xc1b2);
        assert_eq!(Key::Id(id).path("accounts").unwrap(), "/accounts(00000000-0000-0000-0000-00000000c1b2)");
        let key = Key::Alternate(vec![("k1".into(), "O'A 1".into()), ("_parentid_value".into(), id.into())]);
        assert_eq!(key.path("accounts").unwrap(), "/accounts(k1=%27O%27%27A%201%27,_parentid_value=00000000-0000-0000-0000-00000000c1b2)");
        assert_eq!(key.reference("accounts").unwrap(), "accounts(k1='O''A 1',_parentid_value=00000000-0000-0000-0000-00000000c1b2)");
        assert!(Key::Alternate(vec![("k1".into(), "a/b".into())]).path("accounts").is_err());
        assert!(Key::Alternate(vec![]).path("accounts").is_err());
        let (name, value) = bind("parentcustomerid_account", "accounts", id).unwrap();
        assert_eq!(
            (name.as_str(), value.as_str().unwrap()),
            ("parentcustomerid_account@odata.bind", "/accounts(00000000-0000-0000-0000-00000000c1b2)")
        );
    }

    #[test]
    fn a_key_is_found_in_an_address() {
        let address = "https://contoso.crm.dynamics.com/api/data/v9.2/leads(0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415)";
        assert_eq!(guid_at_end(address), "0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415".parse().ok());
        for odd in ["", ")(", "accounts(accountnumber='A-1')", "é(é)"] {
            assert_eq!(guid_at_end(odd), None);
        }
    }
}
