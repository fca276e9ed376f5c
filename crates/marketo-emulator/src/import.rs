//! Bulk lead import: a file in, counters and the refused rows out.
//!
//! A row is written by the same code as a record of a sync. No lead ids come back: that is documented.

use emulator::Response;
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Outcome, Reason, Reply, plain},
    call::Call,
    delimited::{Format, Sheet, lines},
    lead_write::{Action, How},
    multipart::parts,
    queue::{Pace, Queue, Stage},
    schema::{Column, Object, Place},
    state::State,
    value::Source,
};

/// Ids of batches start here.
const FIRST_BATCH: usize = 1001;
/// A job is known for seven days after it is done: Adobe's "bulk lead import" page.
const KEPT_S: i64 = 7 * 24 * 3600;

/// All imports.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    jobs: Vec<Job>,
    queue: Queue,
}

#[derive(Debug)]
struct Job {
    format: Format,
    lookup: Column,
    partition: Option<i64>,
    list: Option<i64>,
    header: Vec<String>,
    /// Emptied when the job has run.
    rows: Vec<Vec<String>>,
    stage: Stage,
    /// Whether it ended without doing its work.
    failed: bool,
    done: usize,
    failures: Vec<Vec<String>>,
    warnings: Vec<Vec<String>>,
}

impl State {
    /// `POST /bulk/v1/leads`.
    pub(crate) fn create_import(&mut self, call: &Call<'_>, now: i64) -> Answer {
        let body = &call.request.body;
        let parts = call.request.header("content-type").and_then(|kind| parts(kind, body)).ok_or_else(|| Reason::of("613"))?;
        let form = |name: &str| {
            let field = parts
                .iter()
                .find(|part| part.name == name && !part.is_file)
                .map(|part| String::from_utf8_lossy(part.body).trim().to_owned());
            call.param(name).map(str::to_owned).or(field).filter(|value| !value.is_empty())
        };
        let file = parts.iter().find(|part| part.name == "file" && part.is_file).or_else(|| parts.iter().find(|part| part.is_file));
        let file = file.ok_or_else(|| Reason::new("613", "Invalid Multipart Request: no file"))?;
        let format = form("format").ok_or_else(|| Reason::missing("format"))?;
        let format = Format::of(&format).ok_or_else(|| Reason::invalid(format!("Invalid value '{format}' for 'format'")))?;
        let lookup = self.lookup(form("lookupField").as_deref().unwrap_or("email"))?;
        let partition = form("partitionName").map(|name| self.partition(&name)).transpose()?;
        let list = form("listId").map(|id| self.lists.find(&id).map(|(id, _)| id)).transpose()?;
        let mut rows = lines(format, file.body);
        if rows.is_empty() {
            return Err(Reason::invalid("Empty file"));
        }
        let header = rows.remove(0);
        // A stray blank makes another, unknown column.
        if let Some(unknown) = header.iter().find(|name| self.column(Object::Leads, name).is_none()) {
            return Err(Reason::no_field(unknown));
        }
        if list.is_some() && self.imports.jobs.iter().any(|job| job.list == list && !matches!(job.stage, Stage::Done(..))) {
            return Err(Reason::of("1019"));
        }
        if self.imports.queue.len() >= self.options.bulk_queue_max {
            return Err(Reason::of("1016"));
        }
        let at = self.imports.jobs.len();
        let (failures, warnings) = (Vec::new(), Vec::new());
        self.imports.jobs.push(Job {
            format,
            lookup,
            partition,
            list,
            header,
            rows,
            stage: Stage::Queued,
            failed: false,
            done: 0,
            failures,
            warnings,
        });
        self.imports.queue.push(at, now);
        let id = at + FIRST_BATCH;
        let answer = Reply::one(json!({"batchId": id, "importId": id.to_string(), "status": "Queued"}));
        self.run_imports(now);
        Ok(answer.into())
    }

    /// `GET /bulk/v1/leads/batch/{id}`.
    pub(crate) fn import_status(&self, id: &str, now: i64) -> Answer {
        let (number, job) = self.import_job(id, now).ok_or_else(|| Reason::of("1013"))?;
        let failed = job.failures.len();
        let (status, message) = match job.stage {
            Stage::Queued => ("Queued", None),
            Stage::Running(_) => ("Importing", None),
            Stage::Done(..) if job.failed => ("Failed", Some("Import failed".to_owned())),
            Stage::Done(..) if failed == 0 => ("Complete", Some(format!("Import succeeded, {0} records imported ({0} members)", job.done))),
            Stage::Done(..) => {
                ("Complete", Some(format!("Import completed with errors, {0} records imported ({0} members), {failed} failed", job.done)))
            }
        };
        let mut result = Map::new();
        result.insert("batchId".into(), json!(number));
        result.insert("importId".into(), json!(number.to_string()));
        result.insert("status".into(), json!(status));
        result.insert("numOfLeadsProcessed".into(), json!(job.done));
        result.insert("numOfRowsFailed".into(), json!(failed));
        result.insert("numOfRowsWithWarning".into(), json!(job.warnings.len()));
        result.insert("message".into(), json!(message.unwrap_or_default()));
        Ok(Reply::one(Value::Object(result)).into())
    }

    /// `GET …/failures` and `GET …/warnings`: rows in the format of the upload with the reason behind; 404 when there is none.
    pub(crate) fn import_rows(&self, id: &str, failures: bool, now: i64) -> Answer {
        let Some((_, job)) = self.import_job(id, now) else { return Ok(Outcome::Raw(plain(404, "Not Found"))) };
        let (rows, reason) = if failures { (&job.failures, "Import Failure Reason") } else { (&job.warnings, "Import Warning Reason") };
        if rows.is_empty() {
            return Ok(Outcome::Raw(plain(404, "Not Found")));
        }
        let mut sheet = Sheet::new(job.format);
        sheet.line(job.header.iter().map(String::as_str).chain([reason]));
        for row in rows {
            sheet.line(row);
        }
        Ok(Outcome::Raw(Response::new(200, job.format.media_type(), sheet.into_bytes())))
    }

    fn import_job(&self, id: &str, now: i64) -> Option<(usize, &Job)> {
        let number: usize = id.parse().ok()?;
        let over = |job: &Job| matches!(job.stage, Stage::Done(_, end) if now.saturating_sub(end) > KEPT_S);
        self.imports.jobs.get(number.checked_sub(FIRST_BATCH)?).filter(|job| !over(job)).map(|job| (number, job))
    }

    /// Lets imports do what is due.
    pub(crate) fn run_imports(&mut self, now: i64) {
        let pace = self.pace();
        for (at, stage) in self.imports.queue.tick(pace, now) {
            let rows = match (self.imports.jobs.get_mut(at), stage) {
                (Some(job), Stage::Done(..)) => std::mem::take(&mut job.rows),
                (Some(job), Stage::Queued | Stage::Running(_)) => {
                    job.stage = stage;
                    continue;
                }
                (None, _) => continue,
            };
            let failed = self.options.bulk_import_fails;
            if let (Stage::Done(_, end), false) = (stage, failed) {
                self.import_all(at, &rows, end);
            }
            if let Some(job) = self.imports.jobs.get_mut(at) {
                (job.stage, job.failed) = (stage, failed);
            }
        }
    }

    /// Delays and limits of bulk jobs.
    pub(crate) fn pace(&self) -> Pace {
        let seconds = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
        Pace {
            wait_s: seconds(self.options.bulk_queue_s),
            run_s: seconds(self.options.bulk_run_s),
            running_max: self.options.bulk_running_max,
        }
    }

    fn import_all(&mut self, at: usize, rows: &[Vec<String>], now: i64) {
        let Some(job) = self.imports.jobs.get(at) else { return };
        let next = self.leads.next();
        let is_id = self.field(Object::Leads, job.lookup).is_some_and(|field| field.place == Place::Id);
        // By id an import only updates.
        let action = if is_id { Action::UpdateOnly } else { Action::CreateOrUpdate };
        let how = How { action, lookup: job.lookup, partition: job.partition, source: Source::File, unseen: (next, next) };
        let (header, list) = (job.header.clone(), job.list);
        let email = header.iter().position(|name| name.eq_ignore_ascii_case("email"));
        let (mut done, mut failures, mut warnings) = (0, Vec::new(), Vec::new());
        for row in rows {
            let with = |reason: String| {
                row.iter()
                    .cloned()
                    .chain(std::iter::repeat_n(String::new(), header.len().saturating_sub(row.len())))
                    .chain([reason])
                    .collect()
            };
            match self.import_row(&header, row, &how, now) {
                Ok(number) => {
                    done += 1;
                    if let Some(list) = list {
                        self.join_list(list, self.leads.id(number), now);
                    }
                    let address = email.and_then(|at| row.get(at)).filter(|address| !address.is_empty());
                    if address.is_some_and(|address| !is_address(address)) {
                        warnings.push(with("Invalid email address".into()));
                    }
                }
                Err(reason) => failures.push(with(reason)),
            }
        }
        if let Some(job) = self.imports.jobs.get_mut(at) {
            (job.done, job.failures, job.warnings) = (done, failures, warnings);
        }
    }

    /// One row; an empty cell leaves its field alone, the word `null` clears it.
    fn import_row(&mut self, header: &[String], row: &[String], how: &How, now: i64) -> Result<u32, String> {
        if row.len() > header.len() {
            return Err("Too many columns".into());
        }
        let mut record = Map::new();
        for (name, cell) in header.iter().zip(row) {
            match cell.as_str() {
                "" => {}
                "null" => {
                    record.insert(name.clone(), Value::Null);
                }
                text => {
                    record.insert(name.clone(), json!(text));
                }
            }
        }
        let lookup = self.field(Object::Leads, how.lookup).map_or("", |field| &field.name);
        if !record.iter().any(|(name, value)| name.eq_ignore_ascii_case(lookup) && !value.is_null()) {
            return Err("missing.dedupe.fields".into());
        }
        let wrong = record.iter().find_map(|(name, value)| {
            let field = self.field(Object::Leads, self.column(Object::Leads, name)?)?;
            let bad = crate::value::read(Object::Leads, field, value, how.source, &self.options).err()?;
            (bad.code == "1001").then(|| format!("Invalid data type in field {}", field.display_name))
        });
        match wrong {
            Some(wrong) => Err(wrong),
            None => self.upsert_lead(&record, how, now).map(|(number, _)| number).map_err(|reason| reason.message),
        }
    }
}

/// Whether Marketo has nothing to say about an address. Which it warns of isn't documented.
fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    text.is_ascii() && parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}
