//! How much of the day's calls is used, by all integrations of the instance together.
//!
//! From Adobe's "Usage" page. The quota itself is not told, only what is used of it; how late the numbers are is not documented. These
//! calls count like any other.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;
use wire::{CallError, Endpoint, Request, Response};

use crate::{envelope, number};

/// Which days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Days {
    /// Today, in the vendor's time (US Central).
    Today,
    /// The last seven.
    Last7,
}

/// Calls per day and per user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Which days.
    pub days: Days,
}

/// Errors per day and per code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageErrors {
    /// Which days.
    pub days: Days,
}

/// One day's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUsage {
    /// The day, in the vendor's time (US Central).
    pub date: Date,
    /// Of all together.
    pub total: u64,
    /// Of each: by user for calls, by code for errors.
    pub each: BTreeMap<String, u64>,
}

impl Endpoint for Usage {
    /// One element per day that the vendor tells of.
    type Reply = Vec<DayUsage>;

    fn request(&self) -> Result<Request, CallError> {
        Ok(Request::get("usage.calls", path("usage", self.days)))
    }

    fn decode(&self, response: &Response) -> Result<Vec<DayUsage>, CallError> {
        days(response)
    }
}

impl Endpoint for UsageErrors {
    /// One element per day that the vendor tells of.
    type Reply = Vec<DayUsage>;

    fn request(&self) -> Result<Request, CallError> {
        Ok(Request::get("usage.errors", path("errors", self.days)))
    }

    fn decode(&self, response: &Response) -> Result<Vec<DayUsage>, CallError> {
        days(response)
    }
}

fn path(what: &str, days: Days) -> String {
    match days {
        Days::Today => format!("/rest/v1/stats/{what}.json"),
        Days::Last7 => format!("/rest/v1/stats/{what}/last7days.json"),
    }
}

#[derive(Deserialize)]
struct Row {
    date: String,
    #[serde(default, deserialize_with = "number::count")]
    total: u64,
    #[serde(default)]
    users: Option<Vec<User>>,
    #[serde(default)]
    errors: Option<Vec<Kind>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    #[serde(default)]
    user_id: Value,
    #[serde(default, deserialize_with = "number::count")]
    count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    error_code: Value,
    #[serde(default, deserialize_with = "number::count")]
    count: u64,
}

fn days(response: &Response) -> Result<Vec<DayUsage>, CallError> {
    envelope::rows::<Row>(response)?
        .into_iter()
        .map(|row| {
            // A date, or (says the OpenAPI file) a date with a time behind it.
            let date = row.date.get(..10).and_then(|day| day.parse().ok());
            let users = row.users.into_iter().flatten().map(|user| (name(&user.user_id), user.count));
            let errors = row.errors.into_iter().flatten().map(|error| (name(&error.error_code), error.count));
            Ok(DayUsage {
                date: date.ok_or_else(|| CallError::Garbled("a day's usage without a readable date".into()))?,
                total: row.total,
                each: users.chain(errors).collect(),
            })
        })
        .collect()
}

fn name(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::test::answer;

    #[test]
    fn a_day_is_read_with_or_without_its_time() {
        let body = r#"{"requestId":"q#1","success":true,"result":[
            {"date":"2026-08-17","total":1120,"users":[{"userId":"crm-sync@example.com","count":920}]},
            {"date":"2026-08-16T00:00:00Z","total":"73"}]}"#;
        let days = Usage { days: Days::Last7 }.decode(&answer(body)).unwrap();
        assert_eq!((days[0].total, days[0].each["crm-sync@example.com"], days[1].total), (1120, 920, 73));
        assert_eq!(days[1].date.to_string(), "2026-08-16");
        let body = r#"{"success":true,"result":[{"date":"2026-08-17","total":73,"errors":[{"errorCode":604,"count":1}]}]}"#;
        assert_eq!(UsageErrors { days: Days::Today }.decode(&answer(body)).unwrap()[0].each["604"], 1);
    }
}
