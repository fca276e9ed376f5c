//! What became of one record of a write.
//!
//! Adobe's "Error codes" page: a call that succeeds as a whole still says of each record whether it was created, updated, deleted or
//! skipped, and why. The OpenAPI file names one `reason`; what is sent is a list of `reasons`; both are read.

use serde_json::{Map, Value};
use wire::CallError;

use crate::number;

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was written.
    pub status: Status,
    /// Marketo's number of it (leads, companies, sales persons); usually absent when it was skipped.
    pub id: Option<i64>,
    /// Marketo's GUID of it (opportunities, roles).
    pub guid: Option<String>,
    /// Why it was skipped.
    pub reasons: Vec<Reason>,
}

/// Whether a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It is new.
    Created,
    /// It was there, and is now as sent.
    Updated,
    /// It is gone.
    Deleted,
    /// Nothing was done.
    Skipped,
    /// Something newer than this client.
    Other(String),
}

/// Why a record was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The vendor's code: `1007`.
    pub code: String,
    /// The vendor's message.
    pub message: String,
}

impl Verdict {
    /// Whether Marketo says that it did what was asked.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        match self.status {
            Status::Created | Status::Updated | Status::Deleted => true,
            Status::Skipped | Status::Other(_) => false,
        }
    }

    /// The first reason's code; empty when there is none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.reasons.first().map_or("", |reason| &reason.code)
    }

    /// The first reason's message; empty when there is none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.reasons.first().map_or("", |reason| &reason.message)
    }

    fn of(row: &Map<String, Value>) -> Self {
        let reasons = row.get("reasons").filter(|value| !value.is_null()).or_else(|| row.get("reason")).map(reasons).unwrap_or_default();
        let status = match row.get("status").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            Some("created") => Status::Created,
            Some("updated") => Status::Updated,
            Some("deleted") => Status::Deleted,
            Some("skipped") => Status::Skipped,
            Some(other) => Status::Other(other.to_owned()),
            None if reasons.is_empty() => Status::Other(String::new()),
            None => Status::Skipped,
        };
        // The vendor's samples show GUIDs with blanks at the end.
        let guid = row.get("marketoGUID").and_then(Value::as_str).map(str::trim).filter(|guid| !guid.is_empty());
        Self { status, id: row.get("id").and_then(number::whole), guid: guid.map(str::to_owned), reasons }
    }
}

fn reasons(value: &Value) -> Vec<Reason> {
    match value {
        Value::Array(items) => items.iter().map(reason).collect(),
        Value::Null => Vec::new(),
        Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) => vec![reason(value)],
    }
}

fn reason(value: &Value) -> Reason {
    match value {
        Value::Object(members) => Reason { code: text(members.get("code")), message: text(members.get("message")) },
        Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            Reason { code: String::new(), message: text(Some(value)) }
        }
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The verdicts in the order of the records sent.
///
/// Objects name each record's place with `seq`; leads don't, and answer in order. When the places are not exactly those of the records,
/// the order counts.
pub(crate) fn in_order(rows: &[Map<String, Value>], sent: usize) -> Result<Vec<Verdict>, CallError> {
    if rows.len() != sent {
        return Err(CallError::Garbled(format!("{} verdicts for {sent} records", rows.len())));
    }
    let place = |row: &Map<String, Value>| row.get("seq").and_then(number::whole).and_then(|seq| usize::try_from(seq).ok());
    let mut placed: Vec<Option<&Map<String, Value>>> = vec![None; sent];
    for row in rows {
        if let Some(slot) = place(row).and_then(|seq| placed.get_mut(seq)) {
            *slot = Some(row);
        }
    }
    match placed.into_iter().collect::<Option<Vec<_>>>() {
        Some(placed) => Ok(placed.into_iter().map(Verdict::of).collect()),
        None => Ok(rows.iter().map(Verdict::of).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(body: &str, sent: usize) -> Result<Vec<Verdict>, CallError> {
        in_order(&serde_json::from_str::<Vec<Map<String, Value>>>(body).unwrap(), sent)
    }

    #[test]
    fn reasons_come_in_every_shape() {
        for body in [
            r#"[{"status":"skipped","reasons":[{"code":"1007","message":"Multiple lead match lookup criteria"}]}]"#,
            r#"[{"status":"skipped","reason":{"code":1007,"message":"Multiple lead match lookup criteria"}}]"#,
            r#"[{"reasons":null,"reason":[{"code":"1007","message":"Multiple lead match lookup criteria"}]}]"#,
        ] {
            let verdict = verdicts(body, 1).unwrap().remove(0);
            assert_eq!((verdict.status.clone(), verdict.code(), verdict.is_confirmed()), (Status::Skipped, "1007", false));
        }
    }

    #[test]
    fn places_are_believed_only_when_they_are_all_there() {
        let ids = |body: &str| verdicts(body, 2).unwrap().iter().map(|v| v.id).collect::<Vec<_>>();
        let status = r#""status":"updated""#;
        assert_eq!(ids(&format!(r#"[{{"seq":1,"id":11,{status}}},{{"seq":0,"id":10,{status}}}]"#)), [Some(10), Some(11)]);
        assert_eq!(ids(&format!(r#"[{{"seq":0,"id":10,{status}}},{{"seq":0,"id":11,{status}}}]"#)), [Some(10), Some(11)]);
        assert_eq!(ids(&format!(r#"[{{"seq":7,"id":10,{status}}},{{"id":"11",{status}}}]"#)), [Some(10), Some(11)]);
    }

    #[test]
    fn a_verdict_too_few_is_no_answer() {
        assert!(matches!(verdicts(r#"[{"status":"created","id":1}]"#, 2), Err(CallError::Garbled(_))));
    }
}
