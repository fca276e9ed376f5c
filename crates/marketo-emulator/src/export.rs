//! Bulk extract of leads and activities: jobs, their queue and the daily volume.

use base::Timestamp;
use bytes::Bytes;
use emulator::Response;
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Outcome, Reason, Reply, plain},
    call::{Call, member},
    delimited::Format,
    lead_read::after,
    mark::{Mark, encode, fingerprint},
    options::ApiClient,
    queue::{Queue, Stage},
    route::{ExportStep, Extract},
    schema::{Column, Object},
    sha256,
    state::State,
    text::{floor, instant},
    value::time,
};

/// Longest range of a date filter.
const RANGE_MAX_S: i64 = 31 * 24 * 3600;
/// Jobs are listed for seven days, and files kept for as long; the page also says ten.
const LISTED_S: i64 = 7 * 24 * 3600;
/// Their status is known for thirty.
const KNOWN_S: i64 = 30 * 24 * 3600;

/// All extracts, of every kind: they share one queue.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    pub jobs: Vec<Job>,
    queue: Queue,
}

/// One extract.
#[derive(Debug)]
pub(crate) struct Job {
    pub id: String,
    pub extract: Extract,
    /// The API user that made it; nobody else sees it.
    user: String,
    pub format: Format,
    /// Column titles with what stands below: a lead field, or a name of an activity's.
    pub columns: Vec<(String, Source)>,
    pub filter: Filter,
    created: i64,
    queued: Option<i64>,
    stage: Option<Stage>,
    cancelled: bool,
    records: usize,
    checksum: String,
    file: Bytes,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Field(Column),
    Activity(&'static str),
    /// A field of an object that has no records.
    Nothing,
}

/// Which records are extracted; both ends of the range are in it.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub by_change: bool,
    pub from: i64,
    pub to: i64,
    pub kinds: Vec<u16>,
    /// Only the members of this static list.
    pub list: Option<i64>,
}

/// Columns of an activity extract.
pub(crate) const ACTIVITY_COLUMNS: [&str; 8] = [
    "marketoGUID",
    "leadId",
    "activityDate",
    "activityTypeId",
    "campaignId",
    "primaryAttributeValueId",
    "primaryAttributeValue",
    "attributes",
];

impl State {
    /// Every step of an extract.
    pub(crate) fn export(&mut self, extract: Extract, step: &ExportStep, call: &Call<'_>, client: &ApiClient, at: Timestamp) -> Answer {
        let now = floor(at);
        match step {
            ExportStep::Create => self.create_export(extract, call, client, at),
            ExportStep::List => self.list_exports(extract, call, client, now),
            ExportStep::Enqueue(id) => {
                let job = self.export_job(extract, id, client, now)?;
                self.enqueue(job, at)
            }
            ExportStep::Cancel(id) => {
                let at = self.export_job(extract, id, client, now)?;
                self.exports.queue.remove(at, now);
                if let Some(job) = self.exports.jobs.get_mut(at).filter(|job| !matches!(job.stage, Some(Stage::Done(..)))) {
                    job.cancelled = true;
                }
                self.export_reply(at)
            }
            ExportStep::Status(id) => {
                let job = self.export_job(extract, id, client, now)?;
                self.export_reply(job)
            }
            ExportStep::File(id) => Ok(Outcome::Raw(self.export_file(extract, id, call, client, now))),
        }
    }

    fn export_job(&self, extract: Extract, id: &str, client: &ApiClient, now: i64) -> Result<usize, Reason> {
        let known = |job: &Job| now.saturating_sub(job.created) <= KNOWN_S && job.extract == extract && job.user == client.user;
        let mine = |job: &Job| job.id.eq_ignore_ascii_case(id) && known(job);
        self.exports.jobs.iter().position(mine).ok_or_else(|| Reason::new("1013", format!("Export job '{id}' not found")))
    }

    fn create_export(&mut self, extract: Extract, call: &Call<'_>, client: &ApiClient, at: Timestamp) -> Answer {
        let body = call.json()?;
        self.within_volume(at)?;
        let format = member(&body, "format").unwrap_or("CSV");
        let format = Format::of(format).ok_or_else(|| Reason::invalid(format!("Invalid value '{format}' for 'format'")))?;
        let columns = self.export_columns(extract, &body)?;
        let filter = body.get("filter").and_then(Value::as_object).ok_or_else(|| Reason::missing("filter"))?;
        let filter = self.export_filter(extract, filter)?;
        self.serial += 1;
        let id = export_id(self.serial, at);
        self.exports.jobs.push(Job {
            id,
            extract,
            user: client.user.clone(),
            format,
            columns,
            filter,
            created: floor(at),
            queued: None,
            stage: None,
            cancelled: false,
            records: 0,
            checksum: String::new(),
            file: Bytes::new(),
        });
        self.export_reply(self.exports.jobs.len() - 1)
    }

    fn export_columns(&self, extract: Extract, body: &Map<String, Value>) -> Result<Vec<(String, Source)>, Reason> {
        let names: Vec<&str> = body.get("fields").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let titles = body.get("columnHeaderNames").and_then(Value::as_object);
        let titled =
            |name: &str, source| (titles.and_then(|titles| titles.get(name)).and_then(Value::as_str).unwrap_or(name).to_owned(), source);
        match extract {
            Extract::Leads | Extract::ProgramMembers if names.is_empty() => Err(Reason::missing("fields")),
            Extract::Leads => {
                let find = |name: &&str| {
                    self.column(Object::Leads, name).map(|column| titled(name, Source::Field(column))).ok_or_else(|| Reason::no_field(name))
                };
                names.iter().map(find).collect()
            }
            Extract::ProgramMembers => Ok(names.iter().map(|name| titled(name, Source::Nothing)).collect()),
            Extract::Activities if names.is_empty() => {
                Ok(ACTIVITY_COLUMNS.iter().map(|name| titled(name, Source::Activity(name))).collect())
            }
            Extract::Activities => {
                let find = |name: &&str| {
                    let known = ACTIVITY_COLUMNS.iter().find(|known| known.eq_ignore_ascii_case(name));
                    known.map(|known| titled(name, Source::Activity(known))).ok_or_else(|| Reason::no_field(name))
                };
                names.iter().map(find).collect()
            }
        }
    }

    /// Exactly one kind of filter, at most 31 days long.
    fn export_filter(&self, extract: Extract, filter: &Map<String, Value>) -> Result<Filter, Reason> {
        let kinds = match filter.get("activityTypeIds").and_then(Value::as_array) {
            Some(ids) if extract == Extract::Activities => {
                // Delete Lead is accepted and finds nothing: the documents only say that it isn't supported.
                let kind = |id: &Value| crate::value::whole(id).and_then(|id| u16::try_from(id).ok());
                let wrong = |id: &Value| Reason::invalid(format!("Invalid activity type id '{id}'"));
                ids.iter().map(|id| kind(id).ok_or_else(|| wrong(id))).collect::<Result<_, _>>()?
            }
            Some(_) | None => Vec::new(),
        };
        let names: Vec<&str> =
            filter.keys().map(String::as_str).filter(|name| *name != "activityTypeIds" || extract == Extract::Leads).collect();
        if let (Extract::Leads, [by @ ("staticListId" | "staticListName")]) = (extract, names.as_slice()) {
            return self.members_of(filter.get(*by).unwrap_or(&Value::Null));
        }
        if let (Extract::ProgramMembers, [_, ..]) = (extract, names.as_slice()) {
            return Ok(Filter { by_change: false, from: i64::MIN, to: i64::MAX, kinds, list: None });
        }
        let by_change = match (extract, names.as_slice()) {
            (_, []) => return Err(Reason::missing("filter")),
            (_, [_, _, ..]) => return Err(Reason::invalid("Only one filter type is allowed")),
            (_, ["createdAt"]) => false,
            (Extract::Leads, ["updatedAt"]) if self.options.updated_at_extract => true,
            (Extract::Leads, ["updatedAt" | "smartListId" | "smartListName"]) => return Err(Reason::of("1035")),
            (_, [other]) => return Err(Reason::invalid(format!("Unknown filter type '{other}'"))),
        };
        let range = filter.get(if by_change { "updatedAt" } else { "createdAt" }).and_then(Value::as_object);
        let end = |name: &str| {
            let text = range.and_then(|range| member(range, name)).ok_or_else(|| Reason::missing(name))?;
            instant(text).filter(|_| !text.contains('.')).ok_or_else(|| Reason::invalid(format!("Invalid date '{text}' for '{name}'")))
        };
        let (from, to) = (end("startAt")?, end("endAt")?);
        if to < from {
            return Err(Reason::invalid("'endAt' is before 'startAt'"));
        }
        if to - from > RANGE_MAX_S {
            return Err(Reason::invalid("The date range must not be longer than 31 days"));
        }
        Ok(Filter { by_change, from, to, kinds, list: None })
    }

    /// The filter for the members of a static list, given by id or by name.
    fn members_of(&self, list: &Value) -> Result<Filter, Reason> {
        let name = list.as_str().map_or_else(|| list.to_string(), str::to_owned);
        let found = self.lists.find(&name).map(|(id, _)| id).ok().or_else(|| self.lists.named(&name).map(|(id, _)| id));
        let list = found.ok_or_else(|| Reason::new("1013", format!("List '{name}' not found")))?;
        Ok(Filter { by_change: false, from: i64::MIN, to: i64::MAX, kinds: Vec::new(), list: Some(list) })
    }

    fn within_volume(&mut self, at: Timestamp) -> Result<(), Reason> {
        let most = self.options.export_daily_bytes;
        let used = self.gate.day(at).exported;
        let exceeded = || Reason::new("1029", format!("Export daily quota {}MB exceeded.", most / (1024 * 1024)));
        if used >= most { Err(exceeded()) } else { Ok(()) }
    }

    fn enqueue(&mut self, at: usize, now: Timestamp) -> Answer {
        self.within_volume(now)?;
        let waiting = self.exports.queue.len();
        let job = self.exports.jobs.get_mut(at).ok_or_else(|| Reason::of("1013"))?;
        if job.cancelled {
            return Err(Reason::invalid("The job was cancelled"));
        }
        if job.stage.is_some() {
            return Err(Reason::new("1029", "Export job already queued"));
        }
        if waiting >= self.options.bulk_queue_max {
            return Err(Reason::new("1029", "Too many jobs in queue"));
        }
        let second = floor(now);
        (job.queued, job.stage) = (Some(second), Some(Stage::Queued));
        self.exports.queue.push(at, second);
        let reply = self.export_reply(at);
        self.run_exports(now);
        reply
    }

    /// Lets extracts do what is due.
    pub(crate) fn run_exports(&mut self, at: Timestamp) {
        let pace = self.pace();
        for (number, stage) in self.exports.queue.tick(pace, floor(at)) {
            if let Stage::Done(_, end) = stage {
                let Some(job) = self.exports.jobs.get(number) else { continue };
                let (file, records) = self.extracted(job);
                self.gate.day(Timestamp::from_second(end).unwrap_or(at)).exported += file.len() as u64;
                if let Some(job) = self.exports.jobs.get_mut(number) {
                    (job.checksum, job.records, job.file) = (format!("sha256:{}", sha256::hex(&file)), records, Bytes::from(file));
                }
            }
            if let Some(job) = self.exports.jobs.get_mut(number) {
                job.stage = Some(stage);
            }
        }
    }

    fn list_exports(&self, extract: Extract, call: &Call<'_>, client: &ApiClient, now: i64) -> Answer {
        let wanted = call.list("status");
        let matches = |job: &Job| {
            let status = wanted.is_empty() || wanted.iter().any(|wanted| same_status(wanted, job.status()));
            status && job.extract == extract && job.user == client.user && now - job.created <= LISTED_S
        };
        let size = call.batch_size(self.options.page_size_max)?;
        let query = fingerprint(("exports", extract, &wanted));
        let after = after(call.param("nextPageToken"), query, now)?;
        let rest: Vec<_> =
            (0_u64..).zip(&self.exports.jobs).filter(|(at, job)| after.is_none_or(|after| *at > after) && matches(job)).collect();
        let page = rest.get(..size).unwrap_or(&rest);
        let last = page.last().filter(|_| rest.len() > size);
        let next = last.map(|(number, _)| encode(Mark::After { query, number: *number, asked: now }));
        let more = next.is_some().then_some(true);
        Ok(Reply { next, more, ..Reply::of(page.iter().map(|(_, job)| self.export_shown(job)).collect()) }.into())
    }

    fn export_reply(&self, at: usize) -> Answer {
        let job = self.exports.jobs.get(at).ok_or_else(|| Reason::of("1013"))?;
        Ok(Reply::one(self.export_shown(job)).into())
    }

    fn export_shown(&self, job: &Job) -> Value {
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        put("exportId", json!(job.id));
        put("format", json!(job.format.name()));
        put("status", json!(job.status()));
        put("createdAt", json!(time(job.created, &self.options)));
        if let Some(queued) = job.queued {
            put("queuedAt", json!(time(queued, &self.options)));
        }
        match job.stage {
            Some(Stage::Running(start)) => {
                put("startedAt", json!(time(start, &self.options)));
            }
            Some(Stage::Done(start, end)) => {
                put("startedAt", json!(time(start, &self.options)));
                put("finishedAt", json!(time(end, &self.options)));
                put("numberOfRecords", json!(job.records));
                put("fileSize", json!(job.file.len()));
                put("fileChecksum", json!(job.checksum));
            }
            Some(Stage::Queued) | None => {}
        }
        Value::Object(shown)
    }

    /// The file, or the part of it that a range asks for; 404 in plain text while there is none.
    fn export_file(&self, extract: Extract, id: &str, call: &Call<'_>, client: &ApiClient, now: i64) -> Response {
        let job = self.export_job(extract, id, client, now).ok().and_then(|at| self.exports.jobs.get(at));
        let kept = |job: &&Job| matches!(job.stage, Some(Stage::Done(_, end)) if now.saturating_sub(end) <= LISTED_S);
        let Some(job) = job.filter(kept) else { return plain(404, "Not Found") };
        let size = job.file.len();
        let whole = || Response::new(200, job.format.media_type(), job.file.clone()).with("accept-ranges", "bytes");
        match call.request.header("range").and_then(|range| range.trim().strip_prefix("bytes=")) {
            None => whole(),
            Some(range) => match part(range, size) {
                Some((from, to)) => Response::new(206, job.format.media_type(), job.file.slice(from..=to))
                    .with("accept-ranges", "bytes")
                    .with("content-range", &format!("bytes {from}-{to}/{size}")),
                None => plain(416, "Requested Range Not Satisfiable").with("content-range", &format!("bytes */{size}")),
            },
        }
    }
}

impl Job {
    fn status(&self) -> &'static str {
        match (self.cancelled, self.stage) {
            (true, _) => "Cancelled",
            (false, None) => "Created",
            (false, Some(Stage::Queued)) => "Queued",
            (false, Some(Stage::Running(_))) => "Processing",
            (false, Some(Stage::Done(..))) => "Completed",
        }
    }
}

fn same_status(wanted: &str, status: &str) -> bool {
    wanted.eq_ignore_ascii_case(status) || (wanted.eq_ignore_ascii_case("Canceled") && status == "Cancelled")
}

/// The first and last byte of a range: `a-b`, `a-` or `-n`.
fn part(range: &str, size: usize) -> Option<(usize, usize)> {
    let (from, to) = range.split_once('-')?;
    let last = size.checked_sub(1)?;
    let (from, to) = match (from.trim(), to.trim()) {
        ("", count) => (size.saturating_sub(count.parse::<usize>().ok().filter(|count| *count > 0)?), last),
        (from, "") => (from.parse().ok()?, last),
        (from, to) => (from.parse().ok()?, to.parse::<usize>().ok()?.min(last)),
    };
    (from <= to).then_some((from, to))
}

fn export_id(serial: u64, at: Timestamp) -> String {
    let mixed = fingerprint((serial, at.as_millisecond()));
    let high = u128::from(mixed.rotate_left(17) ^ serial) & !0xf000 | 0x4000;
    base::Guid::from_u128(high << 64 | u128::from(mixed & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000)).to_string()
}
