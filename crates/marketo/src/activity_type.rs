//! The types of activities that an instance has.
//!
//! From Adobe's "Activities" page. Which there are depends on the subscription: numbers are looked up by name. Well-known numbers are
//! here only as what to expect.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use wire::{CallError, Endpoint, Request, Response};

use crate::{
    envelope::{self, nullable},
    number,
};

/// A lead is new.
pub const NEW_LEAD: i64 = 12;
/// A field of a lead changed.
pub const CHANGE_DATA_VALUE: i64 = 13;
/// A score of a lead changed.
pub const CHANGE_SCORE: i64 = 22;
/// Leads were merged into this one.
pub const MERGE_LEADS: i64 = 32;
/// A lead was deleted.
pub const DELETE_LEAD: i64 = 37;
/// Something of interest to sales happened.
pub const INTERESTING_MOMENT: i64 = 46;

/// All types of activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivityTypes;

/// One type of activities.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityType {
    /// Its number.
    #[serde(deserialize_with = "whole")]
    pub id: i64,
    /// Its name: `Interesting Moment`.
    pub name: String,
    /// What its primary value is, if it has one.
    #[serde(default)]
    pub primary_attribute: Option<ActivityAttribute>,
    /// Its attributes.
    #[serde(default, deserialize_with = "nullable")]
    pub attributes: Vec<ActivityAttribute>,
}

/// One attribute of a type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityAttribute {
    /// Its name; empty where the vendor gives it none.
    #[serde(default)]
    pub name: String,
    /// Its type, as the vendor writes it.
    #[serde(default)]
    pub data_type: Option<String>,
}

impl Endpoint for ActivityTypes {
    type Reply = Vec<ActivityType>;

    fn request(&self) -> Result<Request, CallError> {
        Ok(Request::get("activities.types", "/rest/v1/activities/types.json"))
    }

    fn decode(&self, response: &Response) -> Result<Vec<ActivityType>, CallError> {
        // A type that can't be read is one that we don't know; it doesn't hide the others.
        let rows = envelope::rows::<Value>(response)?;
        Ok(rows.into_iter().filter_map(|row| ActivityType::deserialize(row).ok()).collect())
    }
}

fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    number::optional(deserializer)?.ok_or_else(|| serde::de::Error::custom("a type without a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::test::answer;

    #[test]
    fn types_are_read_with_their_attributes() {
        let body = r#"{"success":true,"result":[{"id":46,"name":"Interesting Moment","apiName":"im","description":"…",
            "primaryAttribute":{"name":"Milestone","dataType":"string"},"attributes":[{"name":"Source","dataType":"string"}]},
            {"id":"37","name":"Delete Lead","attributes":null},{"id":null,"name":"odd"},{"id":22,"name":"Change Score","attributes":[{}]}]}"#;
        let types = ActivityTypes.decode(&answer(body)).unwrap();
        assert_eq!(types.iter().map(|kind| kind.id).collect::<Vec<_>>(), [46, 37, 22]);
        assert_eq!((types[0].id, types[0].attributes[0].name.as_str(), types[1].primary_attribute.is_none()), (46, "Source", true));
    }
}
