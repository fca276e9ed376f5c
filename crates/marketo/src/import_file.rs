//! The file of a bulk import, written row by row: only what goes over the wire is kept.
//!
//! A cell can say less than JSON. An empty one leaves its field alone, and Adobe's "Bulk lead import" page names no word that clears a field;
//! one of its other pages lets the word `null` do so. Records that need more than a cell can say are refused: they go by a call of their own.

use bytes::Bytes;
use serde_json::Value;
use wire::CallError;

use crate::{Record, size};

/// A word that may clear a field instead of being written into it.
const CLEARS: &str = "null";

/// Bytes that a cell takes besides its text: two quotes and a comma.
const CELL_FRAME_BYTES: usize = 3;

/// A file under way.
#[derive(Debug)]
pub struct ImportFile {
    columns: Vec<String>,
    writer: csv::Writer<Vec<u8>>,
    /// What the file takes at most, so far.
    bytes: usize,
}

impl ImportFile {
    /// A file with these columns and no rows.
    ///
    /// # Errors
    /// [`CallError::Unwritable`] when there is no column.
    pub fn new(columns: Vec<String>) -> Result<Self, CallError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&columns).map_err(unwritable)?;
        let bytes = columns.iter().map(|column| bytes_of(column)).sum();
        Ok(Self { columns, writer, bytes })
    }

    /// Whether a file with these columns can say what a record says: no field is cleared, no text could be taken for the word that clears one, and
    /// nothing has parts.
    #[must_use]
    pub fn can_say(&self, record: &Record) -> bool {
        let is_sayable = |value: &Value| match value {
            Value::Bool(_) | Value::Number(_) => true,
            Value::String(text) => !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case(CLEARS),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        record.iter().all(|(name, value)| is_sayable(value) && self.columns.contains(name))
    }

    /// Adds a row; false when there is no room for it any more. A field that the record doesn't have is left alone.
    ///
    /// # Errors
    /// [`CallError::Unwritable`] when the record says more than a cell can ([`Self::can_say`]).
    pub fn push(&mut self, record: &Record) -> Result<bool, CallError> {
        if !self.can_say(record) {
            return Err(CallError::Unwritable("a record says what no row of a file can".into()));
        }
        let cells: Vec<String> = self.columns.iter().map(|column| record.get(column).map(text_of).unwrap_or_default()).collect();
        let bytes: usize = cells.iter().map(|cell| bytes_of(cell)).sum();
        if self.bytes + bytes > size::IMPORT_MAX_BYTES - size::BODY_FRAME_BYTES {
            return Ok(false);
        }
        self.writer.write_record(&cells).map_err(unwritable)?;
        self.bytes += bytes;
        Ok(true)
    }

    /// The file as it is sent.
    ///
    /// # Errors
    /// [`CallError::Unwritable`], which memory doesn't give.
    pub fn finish(self) -> Result<Bytes, CallError> {
        self.writer.into_inner().map(Bytes::from).map_err(|error| CallError::Unwritable(error.to_string()))
    }
}

fn bytes_of(cell: &str) -> usize {
    cell.len() + cell.bytes().filter(|byte| *byte == b'"').count() + CELL_FRAME_BYTES
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn unwritable(error: csv::Error) -> CallError {
    CallError::Unwritable(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: Value) -> Record {
        value.as_object().unwrap().clone()
    }

    fn file(columns: &[&str]) -> ImportFile {
        ImportFile::new(columns.iter().map(|column| (*column).to_owned()).collect()).unwrap()
    }

    #[test]
    fn rows_are_written_as_they_come() {
        let mut file = file(&["email", "note", "n", "b"]);
        assert!(file.push(&record(json!({"email": "a@x.example", "note": "say \"hi\",\nnow", "n": 3, "b": true}))).unwrap());
        assert!(file.push(&record(json!({"email": "b@x.example"}))).unwrap());
        assert_eq!(file.finish().unwrap(), "email,note,n,b\na@x.example,\"say \"\"hi\"\",\nnow\",3,true\nb@x.example,,,\n");
    }

    #[test]
    fn what_a_cell_cannot_say_is_refused() {
        let mut file = file(&["email", "lastName"]);
        for value in [json!(null), json!("Null"), json!(" null "), json!(""), json!(["a"]), json!({"a": 1})] {
            let record = record(json!({"email": "a@x.example", "lastName": value}));
            assert!(!file.can_say(&record), "{record:?}");
            assert!(file.push(&record).is_err());
        }
        assert!(!file.can_say(&record(json!({"shoe": "43"}))), "a column that the file doesn't have");
        assert!(file.can_say(&record(json!({"lastName": "Nuller"}))));
    }

    #[test]
    fn a_full_file_takes_no_more_and_can_be_sent() {
        let mut file = file(&["email", "note"]);
        let row = record(json!({"email": "a@x.example", "note": "\"".repeat(50_000)}));
        let mut rows = 0;
        while file.push(&row).unwrap() {
            rows += 1;
        }
        assert_eq!(rows, 99);
        let bytes = file.finish().unwrap();
        let call = crate::ImportLeads { file: bytes, lookup_field: "email".into(), partition: None, list_id: None };
        assert!(wire::Endpoint::request(&call).is_ok());
    }
}
