//! Bulk lead extract: a job is made, queued, waited for, and its file read.
//!
//! From Adobe's "Bulk extract" and "Bulk lead extract" pages. 10 jobs of all kinds may be queued, of which 2 run; 500 MB a day may be
//! extracted by all integrations together; a job's state is refreshed once a minute. Refusals with code 1029 have three meanings: a full
//! queue ([`wire::Class::Transient`]), the day's volume used up ([`wire::Class::Quota`], of extracts only, not of calls), and "queued
//! already", which here is success.

use std::{collections::BTreeMap, time::Duration};

use base::Timestamp;
use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{envelope, moment, number};

/// The name of the call that reads a finished file.
pub(crate) const FILE: &str = "extract.file";
/// The name of the call that queues a job.
pub(crate) const ENQUEUE: &str = "extract.enqueue";

/// The longest range of dates of one job, in seconds ("Bulk lead extract": 31 days, both ends included).
const RANGE_MAX_SECONDS: i64 = 31 * 24 * 3600;

/// What is encoded in a job's id: ids are GUIDs, so only their hyphens stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// A file may be large.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(600);

/// Which leads a job extracts. There is exactly one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtractFilter {
    /// Those created from one instant to another, at most 31 days later.
    CreatedAt(Timestamp, Timestamp),
    /// Those of which any field changed in that time. Not every subscription has it: 1035 then.
    UpdatedAt(Timestamp, Timestamp),
    /// The members of a static list.
    StaticList(i64),
}

/// Makes a job. Each time a new one, so it is not sent again when its answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateExtract {
    /// The fields to extract.
    pub fields: Vec<String>,
    /// Which leads.
    pub filter: ExtractFilter,
}

/// Queues a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnqueueExtract {
    /// The job.
    pub export_id: String,
}

/// Asks how far a job is: every 1 to 5 minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetExtract {
    /// The job.
    pub export_id: String,
}

/// Takes a job back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelExtract {
    /// The job.
    pub export_id: String,
}

/// Reads the file of a completed job; [`wire::Class::Missing`] when it isn't there (any more).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractFile {
    /// The job.
    pub export_id: String,
    /// Its size as [`GetExtract`] told; a file of another size is refused as garbled.
    pub size_bytes: Option<u64>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractJob {
    /// The job.
    pub export_id: String,
    /// How far it is.
    pub state: ExtractState,
    /// Rows in its file, once it is completed.
    pub records: Option<u64>,
    /// Bytes of its file, once it is completed.
    pub size_bytes: Option<u64>,
    /// Why it failed.
    pub message: Option<String>,
}

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtractState {
    /// It is made and not queued.
    Created,
    /// It waits.
    Queued,
    /// It runs.
    Processing,
    /// Its file can be read.
    Completed,
    /// It was taken back.
    Cancelled,
    /// It has ended without a file.
    Failed,
    /// Something newer than this client.
    Other(String),
}

impl ExtractState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Completed | Self::Cancelled | Self::Failed => true,
            Self::Created | Self::Queued | Self::Processing | Self::Other(_) => false,
        }
    }
}

impl Endpoint for CreateExtract {
    type Reply = ExtractJob;

    fn request(&self) -> Result<Request, CallError> {
        let range = |from: Timestamp, to: Timestamp| {
            let seconds = to.as_second().saturating_sub(from.as_second());
            if !(0..=RANGE_MAX_SECONDS).contains(&seconds) {
                return Err(CallError::Unwritable("an extract spans at most 31 days, from the earlier to the later".into()));
            }
            Ok(json!({"startAt": moment::write(from), "endAt": moment::write(to)}))
        };
        let filter = match self.filter {
            ExtractFilter::CreatedAt(from, to) => json!({"createdAt": range(from, to)?}),
            ExtractFilter::UpdatedAt(from, to) => json!({"updatedAt": range(from, to)?}),
            ExtractFilter::StaticList(id) => json!({"staticListId": id}),
        };
        let body = json!({"format": "CSV", "fields": self.fields, "filter": filter});
        Request::json("extract.create", Method::POST, "/bulk/v1/leads/export/create.json", &body, Replay::Unsafe)
    }

    fn decode(&self, response: &Response) -> Result<ExtractJob, CallError> {
        envelope::row::<Row>(response).map(Row::into_job)
    }
}

impl Endpoint for EnqueueExtract {
    /// `None`: it was queued already.
    type Reply = Option<ExtractJob>;

    fn request(&self) -> Result<Request, CallError> {
        Ok(act(ENQUEUE, &self.export_id, "enqueue"))
    }

    fn decode(&self, response: &Response) -> Result<Option<ExtractJob>, CallError> {
        Ok(envelope::rows::<Row>(response)?.into_iter().next().map(Row::into_job))
    }
}

impl Endpoint for GetExtract {
    type Reply = ExtractJob;

    fn request(&self) -> Result<Request, CallError> {
        Ok(Request::get("extract.status", path(&self.export_id, "status")))
    }

    fn decode(&self, response: &Response) -> Result<ExtractJob, CallError> {
        envelope::row::<Row>(response).map(Row::into_job)
    }
}

impl Endpoint for CancelExtract {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        Ok(act("extract.cancel", &self.export_id, "cancel"))
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

impl Endpoint for ExtractFile {
    type Reply = Bytes;

    fn request(&self) -> Result<Request, CallError> {
        let mut request = Request::get(FILE, path(&self.export_id, "file"));
        request.timeout = DOWNLOAD_WITHIN;
        Ok(request)
    }

    fn decode(&self, response: &Response) -> Result<Bytes, CallError> {
        let length = response.body.len() as u64;
        match self.size_bytes {
            Some(size) if size != length => Err(CallError::Garbled(format!("a file of {length} bytes that was to have {size}"))),
            Some(_) | None => Ok(response.body.clone()),
        }
    }
}

/// Queuing and taking back leave the same state however often they are done.
fn act(name: &'static str, export_id: &str, what: &str) -> Request {
    let mut request = Request::get(name, path(export_id, what)).header("content-type", "application/json");
    request.method = Method::POST;
    request
}

fn path(export_id: &str, what: &str) -> String {
    let id = utf8_percent_encode(export_id, ENCODED);
    format!("/bulk/v1/leads/export/{id}/{what}.json")
}

/// The rows of an extracted file: column to text, `None` for an empty value, which the vendor writes as `null`.
///
/// The vendor's files hold stray NUL and CR characters, which are left out.
///
/// # Errors
/// [`CallError::Garbled`] when the file is no table.
pub fn extracted_rows(file: &[u8]) -> Result<Vec<BTreeMap<String, Option<String>>>, CallError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(file);
    let clean = |text: &str| text.replace(['\0', '\r'], "");
    let unreadable = |e: csv::Error| {
        let line = e.position().map_or(0, csv::Position::line);
        CallError::Garbled(format!("an extracted file: line {line} is not a row"))
    };
    let header: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(clean).collect();
    reader
        .records()
        .map(|row| {
            let row = row.map_err(unreadable)?;
            let cells = row.iter().map(|text| Some(clean(text)).filter(|text| text != "null"));
            Ok(header.iter().cloned().zip(cells).collect())
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    export_id: String,
    status: String,
    #[serde(default, deserialize_with = "number::optional")]
    number_of_records: Option<i64>,
    #[serde(default, deserialize_with = "number::optional")]
    file_size: Option<i64>,
    error_msg: Option<String>,
}

impl Row {
    fn into_job(self) -> ExtractJob {
        let state = match self.status.to_ascii_lowercase().as_str() {
            "created" => ExtractState::Created,
            "queued" => ExtractState::Queued,
            "processing" => ExtractState::Processing,
            "completed" | "complete" => ExtractState::Completed,
            "cancelled" | "canceled" => ExtractState::Cancelled,
            "failed" => ExtractState::Failed,
            _ => ExtractState::Other(self.status),
        };
        let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        ExtractJob {
            export_id: self.export_id,
            state,
            records: count(self.number_of_records),
            size_bytes: count(self.file_size),
            message: self.error_msg,
        }
    }
}

#[cfg(test)]
#[path = "extract_test.rs"]
mod tests;
