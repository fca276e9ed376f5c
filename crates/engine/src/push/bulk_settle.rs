//! What became of the people of a file.
//!
//! Marketo tells no ids and not who was created: they are read by external id, and with them the Sales Insight fields, so that nobody is read twice.
//! A row is as it was asked for when its job is complete, both reports are whole and don't name it, and its person is there once. Whoever else is
//! there is compared with what Marketo holds. Whose row failed is left in the outbox and goes by a call. Who has left the outbox meanwhile, because it
//! was erased or deleted in Dynamics, is taken back.

use std::collections::BTreeMap;

use base::{Guid, Object};
use planner::{
    Fingerprints,
    diff::{Known, change},
    identity::{Identity, Person, by_external_id},
    pack::RECORDS_MAX,
};
use store::{Batch, StoreExt, record::Outbox};
use wire::Class;

use crate::{
    erase::erased_how,
    error::{Side, SyncError},
    import::{Note, Row, Stage},
    intent::Intent,
    marketo::Reports,
    options::PersonParting,
    push::{
        alias::aliases_of,
        body::Body,
        bulk::print_of,
        bulk_job::{Ended, Given},
        gate::{Links, load_links, parents},
        part::people::take_out,
        person::{Candidate, How, Pusher, Write},
        person_calls::Call,
    },
    task::Task,
    write_back,
};

/// Of how many rows more than half must have failed for imports to be given up: it isn't the rows then.
const ROWS_TELLING: usize = 20;

/// A file whose people are being read.
#[derive(Debug)]
pub(super) struct Settling {
    note: Note,
    reports: Reports,
    /// Rows that were looked at.
    at: usize,
    /// Reads that aren't answered yet.
    pages: usize,
    /// People who are as they were asked to be.
    good: usize,
    /// Outbox keys of people of whom nobody knows what became.
    open: Vec<Vec<u8>>,
    /// Who was erased, or parted with, while Marketo had the file.
    gone: Vec<Guid>,
}

/// Somebody of a file who is read.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) candidate: Candidate,
    row: Row,
    /// Whether Marketo has confirmed what the outbox asks for.
    confirmed: bool,
    how: How,
}

impl Settling {
    pub(super) fn new(note: Note, reports: Reports) -> Self {
        Self { note, reports, at: 0, pages: 0, good: 0, open: Vec::new(), gone: Vec::new() }
    }

    fn is_done(&self) -> bool {
        self.at >= self.note.rows.len() && self.pages == 0
    }
}

impl Pusher<'_> {
    /// Takes in what became of giving a file to Marketo; gives the job that is to be asked about.
    pub(super) fn after_giving(&mut self, given: Given) -> Result<Option<(Note, i64)>, SyncError> {
        match given {
            Given::Taken(note) => {
                if let Stage::Job { batch } = note.stage {
                    return Ok(Some((note, batch)));
                }
            }
            Given::Doubtful(note) => {
                self.bridge.count(|summary| {
                    summary.warn(format!(
                        "Marketo didn't answer when it was given {} people by import; nothing is sent for them until they are there, or an hour \
                         has passed",
                        note.rows.len()
                    ));
                });
                self.bulk.resting.add(&note.rows);
                self.bulk.closed();
                self.bulk.end();
            }
            Given::Refused(note, error) => {
                self.bridge.count(|summary| summary.warn(format!("Marketo doesn't take people by import ({error}); they go by calls")));
                self.bulk.closed();
                self.bulk.give_up(note.by);
            }
            Given::Crowded => {
                self.bridge.count(|summary| summary.warn("Marketo's queue of imports stays full; people go by calls".into()));
                self.bulk.closed();
                self.bulk.leave_behind();
                self.bulk.end();
            }
            Given::Stopped(error) => return Err(error),
        }
        Ok(None)
    }

    /// Takes in how a job ended.
    pub(super) async fn after_job(&mut self, ended: Ended) -> Result<(), SyncError> {
        match ended {
            Ended::Complete(note, reports) => self.settling.push_back(Settling::new(note, reports)),
            Ended::Failed(note, message) => {
                // Some of it may have been done. Marketo's words can name a value.
                tracing::debug!(message, "an import failed");
                self.bridge.count(|summary| {
                    summary.warn(format!("an import of {} people failed as a whole; they go by calls", note.rows.len()));
                });
                let mut batch = Batch::new();
                self.take_back(&self.gone_of(&note.rows).await?).await?;
                Intent::left_open(self.bridge, note.rows.iter().map(Row::key).collect()).close(&mut batch);
                note.remove(&mut batch);
                self.bridge.commit(batch).await?;
                self.bulk.closed();
                self.bulk.give_up(note.by);
            }
            Ended::Stopped(error) => return Err(error),
        }
        Ok(())
    }

    /// The next read of people whose job has ended.
    pub(super) async fn next_settling(&mut self) -> Result<Option<Call>, SyncError> {
        while let Some(mut settling) = self.settling.pop_front() {
            let from = settling.at;
            settling.at = settling.note.rows.len().min(from + RECORDS_MAX);
            let rows: Vec<Row> = settling.note.rows.get(from..settling.at).unwrap_or_default().to_vec();
            let page = self.returned(&mut settling, rows).await?;
            if !page.is_empty() {
                settling.pages += 1;
                self.settling.push_front(settling);
                return Ok(Some(Call::ReadBack(page)));
            }
            if settling.is_done() {
                self.settle(settling).await?;
                continue;
            }
            let has_more = settling.at < settling.note.rows.len();
            self.settling.push_front(settling);
            if !has_more {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Those of some rows whose people have to be read.
    async fn returned(&mut self, settling: &mut Settling, rows: Vec<Row>) -> Result<Vec<Returned>, SyncError> {
        let keys: Vec<_> = rows.iter().map(Row::key).collect();
        let entries = self.bridge.store.read::<Outbox>(&keys).await?;
        let mut links = load_links(self.bridge, &rows.iter().map(|row| row.record).collect()).await?;
        let mut page = Vec::with_capacity(rows.len());
        for (row, entry) in rows.into_iter().zip(entries) {
            if let Some(reason) = settling.reports.failed.get(&row.record.id) {
                tracing::debug!(record = %row.record, reason, "not imported");
                self.bulk.leave_behind();
                continue;
            }
            if is_gone(&row, entry.as_ref(), &links) {
                settling.gone.push(row.record.id);
            }
            let Some(entry) = entry.filter(|entry| entry.record == row.record) else { continue };
            let Task::Send(desired) = Task::of(&entry)? else {
                settling.open.push(row.key());
                continue;
            };
            // Dynamics has changed it meanwhile: it is looked at as everybody is, with what it refers to now.
            if print_of(&entry) != row.print {
                settling.open.push(row.key());
                self.bulk.leave_behind();
                continue;
            }
            let confirmed = settling.reports.whole && !settling.reports.warned.contains_key(&row.record.id);
            let how = if row.adopted { How::Adopted } else { How::Ours };
            let mut candidate = Candidate::new(entry, desired);
            if let Some(link) = links.remove(&row.record) {
                candidate.link = link;
            }
            page.push(Returned { candidate, row, confirmed, how });
        }
        Ok(page)
    }

    /// Those of some rows who aren't to be in Marketo any more: nothing is asked for them, and they aren't linked.
    pub(super) async fn gone_of(&self, rows: &[Row]) -> Result<Vec<Guid>, SyncError> {
        let mut gone = Vec::new();
        for rows in rows.chunks(RECORDS_MAX) {
            let keys: Vec<_> = rows.iter().map(Row::key).collect();
            let entries = self.bridge.store.read::<Outbox>(&keys).await?;
            let links = load_links(self.bridge, &rows.iter().map(|row| row.record).collect()).await?;
            let are_gone = rows.iter().zip(&entries).filter(|(row, entry)| is_gone(row, entry.as_ref(), &links));
            gone.extend(are_gone.map(|(row, _)| row.record.id));
        }
        Ok(gone)
    }

    /// Takes in who of a file is there.
    pub(super) async fn after_read_back(&mut self, page: Vec<Returned>, found: Vec<Person>, batch: &mut Batch) -> Result<(), SyncError> {
        let owned = self.owned(&found).await?;
        let mut by_id: BTreeMap<Guid, Vec<Person>> = BTreeMap::new();
        for person in found {
            if let Some(id) = person.text(&self.key_field).and_then(|text| text.parse().ok()) {
                by_id.entry(id).or_default().push(person);
            }
        }
        let unsure = || page.iter().filter(|returned| !returned.confirmed).map(|returned| &returned.candidate);
        let mut aliases = aliases_of(self.bridge, &unsure().map(|candidate| candidate.entry.record).collect::<Vec<_>>()).await?;
        let links = load_links(self.bridge, &unsure().flat_map(|candidate| parents(&candidate.desired)).collect()).await?;
        let (mut open, mut good) = (Vec::new(), 0);
        for returned in page {
            let record = returned.candidate.entry.record;
            let persons = by_id.remove(&record.id).unwrap_or_default();
            let identity = by_external_id(record.id, &[], &persons, &self.key_field);
            match identity {
                Identity::Linked(person) if owned.get(&person.id).is_some_and(|owner| *owner != record) => self.bulk.leave_behind(),
                Identity::Linked(person) if returned.confirmed => {
                    good += 1;
                    self.imported(returned, person, batch)?;
                }
                Identity::Linked(person) => {
                    let mut candidate = returned.candidate;
                    candidate.by_call = true;
                    candidate.spell(&links);
                    candidate.aliases = aliases.remove(&record).unwrap_or_default();
                    self.found(candidate, person, returned.how, batch)?;
                }
                Identity::Absent => {
                    // Marketo's index may be late. The next cycle asks again.
                    tracing::info!(%record, "imported, and not there yet");
                    self.bulk.resting.keys.insert(returned.row.key());
                    open.push(returned.row.key());
                    self.done += 1;
                }
                Identity::Ambiguous | Identity::Alias(..) | Identity::Adoptable(_) | Identity::Split | Identity::Taken => {
                    self.identified(returned.candidate, Identity::Ambiguous, &persons, batch).await?;
                }
            }
        }
        // Only one file is settled at a time.
        if let Some(mut settling) = self.settling.pop_front() {
            settling.pages = settling.pages.saturating_sub(1);
            settling.good += good;
            settling.open.append(&mut open);
            self.settling.push_front(settling);
        }
        Ok(())
    }

    /// Marketo has confirmed it, and this is its person.
    fn imported(&mut self, returned: Returned, person: &Person, batch: &mut Batch) -> Result<(), SyncError> {
        let Returned { mut candidate, row, how, .. } = returned;
        let by = self.settling.front().map(|settling| settling.note.by);
        candidate.link.marketo_id = Some(person.id);
        let map = self.prepared.map(row.record.table)?;
        let doubts = Fingerprints::read(&candidate.link.confirmed);
        let change = change(map, &candidate.desired, &doubts, self.prepared.key, Known::Current(&person.record));
        let created = by.is_some_and(crate::import::ImportBy::creates);
        let write = Write { candidate, fields: change.len(), confirmed: change.confirmed, body: Body::default(), how, held_back: false };
        let link = self.confirm(write, Some((Some(person.id), created)), batch);
        self.bridge.count(|summary| summary.pushed(Object::Lead).fields += u64::from(row.fields));
        self.seen.extend(write_back::seen(self.bridge, self.prepared, link, &person.record, batch)?);
        Ok(())
    }

    /// Nothing more is to be found out about a file.
    async fn settle(&mut self, settling: Settling) -> Result<(), SyncError> {
        let Settling { note, reports, good, open, gone, .. } = settling;
        self.take_back(&gone).await?;
        let (rows, failed) = (note.rows.len(), reports.failed.len());
        tracing::info!(
            rows,
            confirmed = good,
            failed,
            warned = reports.warned.len(),
            by = note.by.column(&self.key_field),
            "people imported"
        );
        let mut batch = Batch::new();
        note.remove(&mut batch);
        Intent::left_open(self.bridge, open).close(&mut batch);
        self.bulk.closed();
        self.bulk.prove(note.by, rows == 1 && good == 1, &mut batch);
        if rows >= ROWS_TELLING && failed * 2 > rows {
            self.bridge.count(|summary| summary.warn(format!("Marketo refused {failed} of {rows} people of an import; they go by calls")));
            self.bulk.give_up(note.by);
        }
        self.bridge.commit(batch).await
    }

    /// Who came by import although Dynamics doesn't have it any more, or it was erased meanwhile, is treated as who is deleted, or as the
    /// erasure asked.
    pub(super) async fn take_back(&self, gone: &[Guid]) -> Result<(), SyncError> {
        let marketo = |error| SyncError::of_call(Side::Marketo, error);
        for chunk in gone.chunks(RECORDS_MAX) {
            let ids = chunk.iter().map(Guid::to_string).collect();
            let fields = ["id".to_owned(), self.key_field.clone()];
            let found = self.bridge.marketo.people(&self.key_field, ids, &fields).await.map_err(marketo)?;
            let owned = self.owned(&found.people).await?;
            let mut by_policy: BTreeMap<PersonParting, Vec<i64>> = BTreeMap::new();
            for person in found.people.iter().filter(|person| !owned.contains_key(&person.id)) {
                let id = person.text(&self.key_field).and_then(|text| text.parse().ok());
                let asked = match id {
                    Some(id) => erased_how(self.bridge, id).await?,
                    None => None,
                };
                by_policy.entry(asked.unwrap_or(self.bridge.options.on_delete.person)).or_default().push(person.id);
            }
            for (how, persons) in by_policy {
                match take_out(self.bridge, self.prepared, &persons, how).await {
                    Err(error) if error.class() == Some(Class::Record) => self.bridge.count(|summary| {
                        summary
                            .warn(format!("people who are gone in Dynamics came by an import under way, and Marketo keeps them ({error})"));
                    }),
                    taken_out => taken_out.map_err(marketo)?,
                }
            }
        }
        Ok(())
    }
}

/// Whether nothing is asked for a row's record any more. Who is linked was settled before a process ended.
fn is_gone(row: &Row, entry: Option<&Outbox>, links: &Links) -> bool {
    let is_asked_for = entry.is_some_and(|entry| entry.record == row.record);
    !is_asked_for && links.get(&row.record).is_none_or(|link| !link.is_confirmed())
}
