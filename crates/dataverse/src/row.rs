//! A row as it came: column to value, with readers that tell "no value" from "not what the column should hold" by giving neither.

use base::{Guid, Timestamp, Values};
use jiff::civil::Date;
use serde_json::{Number, Value};

/// The annotation that says which table a lookup's GUID belongs to. Without it nothing in the JSON does.
pub const LOOKUP_TABLE: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// Its version tag, opaque: good for `If-Match`, not for ordering.
    pub etag: Option<String>,
    /// Its columns, and annotations under `column@name`. A selected column without value is there as null.
    pub values: Values,
}

/// What a lookup column points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The row's key.
    pub id: Guid,
    /// The logical name of its table, when the service said so.
    pub table: Option<String>,
}

impl Row {
    /// The row of a JSON object; its `@odata` annotations become the etag or are left out.
    #[must_use]
    pub fn of(mut values: Values) -> Self {
        let etag = match values.remove("@odata.etag") {
            Some(Value::String(etag)) => Some(etag),
            Some(_) | None => None,
        };
        values.retain(|name| !name.starts_with("@odata."));
        Self { etag, values }
    }

    /// The value as it came; `None` when the column did not come at all.
    #[must_use]
    pub fn value(&self, column: &str) -> Option<&Value> {
        self.values.get(column)
    }

    /// A text, as it came.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        self.value(column)?.as_str()
    }

    /// A GUID.
    #[must_use]
    pub fn guid(&self, column: &str) -> Option<Guid> {
        self.text(column)?.parse().ok()
    }

    /// A number; its text ([`Number`]'s `Display`) is the shortest that reads back the same.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<&Number> {
        self.value(column)?.as_number()
    }

    /// A whole number, also of an option.
    #[must_use]
    pub fn integer(&self, column: &str) -> Option<i64> {
        let number = self.number(column)?;
        // Some columns that hold whole numbers are written as decimals: `3.0`.
        number.as_i64().or_else(|| number.to_string().strip_suffix(".0")?.parse().ok())
    }

    /// True or false.
    #[must_use]
    pub fn boolean(&self, column: &str) -> Option<bool> {
        self.value(column)?.as_bool()
    }

    /// An instant. The service never converts to local time: one without a zone is UTC.
    #[must_use]
    pub fn timestamp(&self, column: &str) -> Option<Timestamp> {
        let text = self.text(column)?;
        text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
    }

    /// A day: of a date-only column, or the UTC day of an instant.
    #[must_use]
    pub fn date(&self, column: &str) -> Option<Date> {
        self.text(column)?.get(..10)?.parse().ok()
    }

    /// What a lookup points to. The column may be given as `ownerid` or as `_ownerid_value`.
    #[must_use]
    pub fn lookup(&self, column: &str) -> Option<Lookup> {
        let column = lookup_column(column);
        let id = self.guid(&column)?;
        let table = self.text(&format!("{column}@{LOOKUP_TABLE}")).map(str::to_owned);
        Some(Lookup { id, table })
    }
}

/// The name under which a lookup is read: `_ownerid_value` for `ownerid`.
#[must_use]
pub fn lookup_column(column: &str) -> String {
    if column.starts_with('_') && column.ends_with("_value") { column.to_owned() } else { format!("_{column}_value") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> Row {
        let Value::Object(values) = value else { panic!("an object") };
        Row::of(values.into())
    }

    #[test]
    fn a_documented_row_reads() {
        let row = row(json!({
            "@odata.context": "https://contoso.crm.dynamics.com/api/data/v9.2/$metadata#opportunities/$entity",
            "@odata.etag": "W/\"1853621\"",
            "opportunityid": "0AA1C5B2-3f5d-4c1e-9d7e-5f0b8d0c1a11",
            "name": "50 printers",
            "estimatedvalue": 12500.0000,
            "statecode": 0,
            "estimatedclosedate": "2026-06-30",
            "modifiedon": "2026-04-07T21:59:01Z",
            "isrevenuesystemcalculated": false,
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser",
            "_ownerid_value": "d3a1f0c4-52be-4e0a-8b7d-1c9f6a2e7701",
            "_customerid_value": null,
        }));
        assert_eq!(row.etag.as_deref(), Some("W/\"1853621\""));
        assert_eq!(row.guid("opportunityid").unwrap().to_string(), "0aa1c5b2-3f5d-4c1e-9d7e-5f0b8d0c1a11");
        assert_eq!(row.text("name"), Some("50 printers"));
        assert_eq!(row.number("estimatedvalue").unwrap().to_string(), "12500.0");
        assert_eq!((row.integer("statecode"), row.integer("estimatedvalue")), (Some(0), Some(12500)));
        assert_eq!(row.boolean("isrevenuesystemcalculated"), Some(false));
        assert_eq!(row.date("estimatedclosedate"), Some(jiff::civil::date(2026, 6, 30)));
        assert_eq!(row.timestamp("modifiedon").unwrap().to_string(), "2026-04-07T21:59:01Z");
        let owner = row.lookup("ownerid").unwrap();
        assert_eq!((owner.id.to_string().as_str(), owner.table.as_deref()), ("d3a1f0c4-52be-4e0a-8b7d-1c9f6a2e7701", Some("systemuser")));
        assert_eq!(row.lookup("_customerid_value"), None);
        assert_eq!((row.value("_customerid_value"), row.value("absent")), (Some(&Value::Null), None));
    }

    #[test]
    fn a_time_without_zone_is_utc() {
        let row = row(json!({"a": "2026-04-07T21:59:01", "b": "2026-04-07", "c": "soon"}));
        assert_eq!(row.timestamp("a"), "2026-04-07T21:59:01Z".parse().ok());
        assert_eq!((row.date("a"), row.date("c")), (row.date("b"), None));
    }
}
