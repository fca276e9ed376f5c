//! Bulk lead import: a file is uploaded, a job works through it, two more files tell what went wrong.
//!
//! From Adobe's "Bulk lead import" page. It only upserts; it tells no ids and doesn't tell new leads from known ones. Jobs are told of for
//! 7 days; 10 may be queued, of which 2 run. Every call counts, also those that ask how far a job is: ask every 5 to 30 s.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{Client, envelope, form, number, size};

/// The name of the call that reads the file of failed rows.
pub(crate) const FAILURES: &str = "import.failures";
/// The name of the call that reads the file of rows with warnings.
pub(crate) const WARNINGS: &str = "import.warnings";

/// An upload may take long.
const UPLOAD_WITHIN: Duration = Duration::from_secs(300);

/// Uploads a file and queues a job for it.
///
/// Not sent again when its answer was lost: the same leads in two running jobs could be created twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportLeads {
    /// The file: see [`crate::ImportFile`]. Below 10 MB.
    pub file: Bytes,
    /// The field that says which lead is meant; `id` only updates.
    pub lookup_field: String,
    /// The partition in which to create; `None`: the default partition.
    pub partition: Option<String>,
    /// A static list to put the leads into.
    pub list_id: Option<i64>,
}

/// Asks how far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetImport {
    /// The job.
    pub batch_id: i64,
}

/// Reads the rows that were not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportFailures {
    /// The job.
    pub batch_id: i64,
    /// The column by which the caller knows its rows.
    pub key: String,
}

/// Reads the rows that were imported with a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportWarnings {
    /// The job.
    pub batch_id: i64,
    /// The column by which the caller knows its rows.
    pub key: String,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportJob {
    /// The job.
    pub batch_id: i64,
    /// How far it is.
    pub state: ImportState,
    /// Rows imported.
    pub processed: u64,
    /// Rows not imported.
    pub failed: u64,
    /// Rows imported with a warning.
    pub warned: u64,
    /// What the vendor says about it.
    pub message: String,
}

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportState {
    /// It waits.
    Queued,
    /// It runs.
    Importing,
    /// It has ended; single rows may have failed.
    Complete,
    /// It has ended without doing its work.
    Failed,
    /// Something newer than this client.
    Other(String),
}

impl ImportState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Complete | Self::Failed => true,
            Self::Queued | Self::Importing | Self::Other(_) => false,
        }
    }
}

/// A row that was not imported, or was with a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRow {
    /// What its key column says.
    pub key: String,
    /// What was wrong, in Marketo's words.
    pub reason: String,
}

impl Endpoint for ImportLeads {
    type Reply = ImportJob;

    fn request(&self) -> Result<Request, CallError> {
        let list = self.list_id.map(|id| id.to_string());
        let mut parameters = vec![("format", "csv"), ("lookupField", self.lookup_field.as_str())];
        parameters.extend(list.as_deref().map(|id| ("listId", id)));
        parameters.extend(self.partition.as_deref().map(|name| ("partitionName", name)));
        let boundary = boundary(&self.file);
        let mut request = Request::get("import.create", form::address("/bulk/v1/leads.json", &parameters)?)
            .header("content-type", &format!("multipart/form-data; boundary={boundary}"));
        request.method = Method::POST;
        request.body = multipart(&boundary, &self.file);
        request.timeout = UPLOAD_WITHIN;
        request.replay = Replay::Unsafe;
        size::fitting(request, size::IMPORT_MAX_BYTES)
    }

    fn decode(&self, response: &Response) -> Result<ImportJob, CallError> {
        envelope::row::<Row>(response)?.into_job()
    }
}

impl Endpoint for GetImport {
    type Reply = ImportJob;

    fn request(&self) -> Result<Request, CallError> {
        Ok(Request::get("import.status", format!("/bulk/v1/leads/batch/{}.json", self.batch_id)))
    }

    fn decode(&self, response: &Response) -> Result<ImportJob, CallError> {
        envelope::row::<Row>(response)?.into_job()
    }
}

impl Endpoint for ImportFailures {
    type Reply = Vec<ReportedRow>;

    fn request(&self) -> Result<Request, CallError> {
        Ok(report(FAILURES, self.batch_id, "failures"))
    }

    fn decode(&self, response: &Response) -> Result<Vec<ReportedRow>, CallError> {
        reported(&response.body, &self.key, "Import Failure Reason")
    }
}

impl Endpoint for ImportWarnings {
    type Reply = Vec<ReportedRow>;

    fn request(&self) -> Result<Request, CallError> {
        Ok(report(WARNINGS, self.batch_id, "warnings"))
    }

    fn decode(&self, response: &Response) -> Result<Vec<ReportedRow>, CallError> {
        reported(&response.body, &self.key, "Import Warning Reason")
    }
}

impl Client {
    /// The rows of an ended job that were not imported, by their `key` column; not asked for when the job counted none, because there is no such
    /// file then.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn import_failures(&self, job: &ImportJob, key: &str) -> Result<Vec<ReportedRow>, CallError> {
        match job.failed {
            0 => Ok(Vec::new()),
            _ => self.call(&ImportFailures { batch_id: job.batch_id, key: key.to_owned() }).await,
        }
    }

    /// The rows of an ended job that were imported with a warning; otherwise as [`Self::import_failures`].
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn import_warnings(&self, job: &ImportJob, key: &str) -> Result<Vec<ReportedRow>, CallError> {
        match job.warned {
            0 => Ok(Vec::new()),
            _ => self.call(&ImportWarnings { batch_id: job.batch_id, key: key.to_owned() }).await,
        }
    }
}

fn report(name: &'static str, batch_id: i64, which: &str) -> Request {
    Request::get(name, format!("/bulk/v1/leads/batch/{batch_id}/{which}.json"))
}

/// A text that is not in the file.
fn boundary(file: &[u8]) -> String {
    let is_in = |text: &str| file.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    let mut number = 0_u64;
    loop {
        let boundary = format!("part-of-import-{number}");
        if !is_in(&boundary) {
            return boundary;
        }
        number += 1;
    }
}

fn multipart(boundary: &str, file: &[u8]) -> Bytes {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"leads.csv\"\r\nContent-Type: text/csv; charset=UTF-8\r\n\r\n"
    );
    [head.as_bytes(), file, format!("\r\n--{boundary}--\r\n").as_bytes()].concat().into()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(default, deserialize_with = "number::optional")]
    batch_id: Option<i64>,
    #[serde(default, deserialize_with = "number::optional")]
    import_id: Option<i64>,
    status: String,
    #[serde(default, deserialize_with = "number::count")]
    num_of_leads_processed: u64,
    #[serde(default, deserialize_with = "number::count")]
    num_of_rows_failed: u64,
    #[serde(default, deserialize_with = "number::count")]
    num_of_rows_with_warning: u64,
    message: Option<String>,
}

impl Row {
    fn into_job(self) -> Result<ImportJob, CallError> {
        let state = match self.status.to_ascii_lowercase().as_str() {
            "queued" => ImportState::Queued,
            "importing" => ImportState::Importing,
            "complete" | "completed" => ImportState::Complete,
            "failed" => ImportState::Failed,
            _ => ImportState::Other(self.status),
        };
        let batch_id = self.batch_id.or(self.import_id);
        Ok(ImportJob {
            batch_id: batch_id.ok_or_else(|| CallError::Garbled("an import job without its number".into()))?,
            state,
            processed: self.num_of_leads_processed,
            failed: self.num_of_rows_failed,
            warned: self.num_of_rows_with_warning,
            message: self.message.unwrap_or_default(),
        })
    }
}

/// Reads a report: the columns that were sent, and one with the reason, the last unless another is called so. Only the column `key` of each row is
/// kept, because a report can be as large as its file.
fn reported(file: &[u8], key: &str, called: &str) -> Result<Vec<ReportedRow>, CallError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let unreadable = |e: csv::Error| CallError::Garbled(format!("a report of an import: {}", place(&e)));
    let header = reader.headers().map_err(unreadable)?.clone();
    let Some(last) = header.len().checked_sub(1) else { return Ok(Vec::new()) };
    let at = |name: &str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
    let reason = at(called).unwrap_or(last);
    let key = at(key).ok_or_else(|| CallError::Garbled(format!("a report of an import without the column {key}")))?;
    let text = |row: &csv::StringRecord, at: usize| row.get(at).unwrap_or_default().trim().to_owned();
    reader
        .records()
        .map(|row| {
            let row = row.map_err(unreadable)?;
            Ok(ReportedRow { key: text(&row, key), reason: text(&row, reason) })
        })
        .collect()
}

/// Where a file could not be read; not what was there, which is about people.
fn place(error: &csv::Error) -> String {
    error.position().map_or_else(|| "it is not a table".to_owned(), |position| format!("line {} is not a row", position.line()))
}

#[cfg(test)]
#[path = "import_test.rs"]
mod tests;
