//! People by import, where there are so many of them that this saves many calls ([decision 0025]).
//!
//! Who somebody is, is found out as for everybody: by external id, then by e-mail. What would be written by calls of 300 is written into files
//! then, of three kinds ([`ImportBy`]). This file decides whether people go that way at all, fills the files and counts those that Marketo has;
//! [`super::bulk_job`] gives them to Marketo and waits, and [`super::bulk_settle`] takes in what became of each of their people.
//!
//! Whoever an import doesn't bring in is left in the outbox, and goes by calls at the end of the same push: then the same verdicts, words and waits hold
//! as for everybody.
//!
//! [decision 0025]: ../../../../docs/decisions/0025-first-loads-by-import.md

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use planner::import_cost::Sample;
use serde_json::{Map, Value};
use store::{
    Batch, StoreExt,
    record::{Fact, Outbox},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    import::{ImportBy, Row},
    marketo::ImportFile,
    options,
    prepare::Prepared,
    push::person::{How, Resting, Write, email_of},
};

/// Files of ours that Marketo may have at once: it works through two at a time, of ten that may wait, and the others are for other people's lists
/// (Adobe, "Bulk lead import": queue).
const JOBS_MAX: usize = 4;

/// Full files that may wait for a place; then nobody else is looked up, so that memory has a limit.
const READY_MAX: usize = 2;

/// People that go by calls first, from whose answers the forecast is made.
const SAMPLE: u64 = 3_000;

/// Rows that are worth a file where the forecast decides: fewer take fewer calls.
const ROWS_MIN: usize = 3_600;

/// Files with one row by which a kind is tried in one push; then it isn't used in this one.
const PROBES_MAX: u32 = 3;

/// The facts that say that imports of a kind do what they should.
const PROVEN_FACT: &str = "import_proven/";

/// Which way people go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By calls.
    Calls,
    /// By calls, until there are enough answers to say which way is cheaper.
    Sample(Sample),
    /// By files.
    Files,
}

/// Whether imports of a kind have shown that they do what they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Not yet, after so many files with one row.
    Open(u32),
    /// A file with one row is under way.
    Asked(u32),
    Given,
    /// They don't, as far as this push is concerned.
    Failed,
}

/// A full file.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) by: ImportBy,
    pub(super) file: bytes::Bytes,
    pub(super) rows: Vec<Row>,
}

/// A file that is being filled.
#[derive(Debug)]
struct Pile {
    file: ImportFile,
    rows: Vec<Row>,
}

/// What of a push goes by import.
#[derive(Debug)]
pub(super) struct Bulk {
    way: Way,
    key_field: String,
    columns: BTreeMap<ImportBy, Vec<String>>,
    /// Whether every row is worth a file.
    always: bool,
    rows_max: usize,
    piles: BTreeMap<ImportBy, Pile>,
    ready: VecDeque<Load>,
    proofs: BTreeMap<ImportBy, Proof>,
    /// Files that Marketo has, or that are being settled.
    open: usize,
    /// Fingerprints of e-mails that people are given in this push: nobody else is given one of them before all files are settled.
    emails: BTreeSet<u64>,
    /// Whom this push leaves alone.
    pub(super) resting: Resting,
    /// Whether some were left in the outbox to go by calls at the end.
    left_behind: bool,
    began_again: bool,
}

impl Bulk {
    /// What a push of so many people does.
    pub(super) async fn load(bridge: &Bridge, prepared: &Prepared, people: u64, resting: Resting) -> Result<Self, SyncError> {
        let options::Bootstrap { bulk_above, bulk, bulk_rows, .. } = bridge.options.bootstrap;
        let way = match bulk {
            // What is only noted, or was planned, goes by calls: a file's rows aren't told apart before they are in Marketo.
            _ if !bridge.hand.is_free() || bulk_above == 0 || people <= bulk_above => Way::Calls,
            options::Bulk::Always => Way::Files,
            options::Bulk::Forecast => Way::Sample(Sample::default()),
        };
        let key_field = prepared.person_key.clone();
        let facts = ImportBy::ALL.map(|by| proven(by, &key_field).into());
        let facts = bridge.store.read::<Fact>(&facts).await?;
        let proofs =
            ImportBy::ALL.into_iter().zip(facts).map(|(by, fact)| (by, if fact.is_some() { Proof::Given } else { Proof::Open(0) }));
        Ok(Self {
            way,
            columns: ImportBy::ALL.map(|by| (by, columns(bridge, prepared, by))).into(),
            key_field,
            always: bulk == options::Bulk::Always,
            rows_max: bulk_rows.max(1),
            piles: BTreeMap::new(),
            ready: VecDeque::new(),
            proofs: proofs.collect(),
            open: 0,
            emails: resting.emails.clone(),
            resting,
            left_behind: false,
            began_again: false,
        })
    }

    /// Whether people go by files.
    pub(super) fn is_on(&self) -> bool {
        self.way == Way::Files
    }

    /// Whether people go by files of this kind.
    pub(super) fn uses(&self, by: ImportBy) -> bool {
        self.is_on() && self.proofs.get(&by).is_some_and(|proof| *proof != Proof::Failed)
    }

    /// Counts what became of people, as long as that decides about the rest.
    pub(super) fn saw(&mut self, count: impl FnOnce(&mut Sample)) {
        if let Way::Sample(sample) = &mut self.way {
            count(sample);
        }
    }

    /// Decides which way the `people` that are left go, once enough is known.
    pub(super) fn decide(&mut self, people: u64) {
        if let Way::Sample(sample) = self.way
            && sample.people() >= SAMPLE
        {
            let cost = sample.cost(people, self.rows_max as u64);
            tracing::info!(people, by_calls = cost.by_calls, by_files = cost.by_files, "Marketo calls for the rest, either way");
            self.way = if cost.is_for_files() { Way::Files } else { Way::Calls };
            if !self.is_on() {
                self.emails.clone_from(&self.resting.emails);
            }
        }
    }

    /// Takes an e-mail for somebody who is to have it in Marketo; false when somebody else with it may be in a file, or may have come to have it since the
    /// look-up by e-mail. An import by e-mail would make the two one person.
    pub(super) fn takes_email(&mut self, email: &str) -> bool {
        let print = print_of_email(email);
        match self.way {
            Way::Calls => !self.emails.contains(&print),
            // By calls, two with one e-mail are told apart by the answers.
            Way::Sample(_) => {
                self.emails.insert(print);
                true
            }
            Way::Files => self.emails.insert(print),
        }
    }

    /// Somebody is left in the outbox to go by calls at the end.
    pub(super) fn leave_behind(&mut self) {
        self.left_behind = true;
    }

    /// From now on people go by calls; what waits in files that Marketo wasn't given goes with them.
    pub(super) fn end(&mut self) {
        self.way = Way::Calls;
        self.left_behind |= !self.piles.is_empty() || !self.ready.is_empty();
        self.piles.clear();
        self.ready.clear();
    }

    /// Whether the push begins again, by calls, for those who were left behind: once, because who shares an e-mail with somebody in doubt waits for the
    /// next one. No file is under way.
    pub(super) fn begins_again(&mut self) -> bool {
        self.end();
        self.emails.clone_from(&self.resting.emails);
        self.left_behind && !std::mem::replace(&mut self.began_again, true)
    }

    /// Writes a person into a file; gives it back where that can't be, or isn't wanted.
    pub(super) fn write(&mut self, by: ImportBy, write: Write) -> Result<Option<Write>, SyncError> {
        if !self.uses(by) {
            return Ok(Some(write));
        }
        let mut pile = match self.piles.remove(&by) {
            Some(pile) => pile,
            None => self.pile(by)?,
        };
        let Some(fields) = write.body.fields().filter(|fields| pile.file.can_say(fields)) else {
            self.piles.insert(by, pile);
            return Ok(Some(write));
        };
        let row = row_of(&write);
        // One row shows whether all do what they should.
        if let Some(Proof::Open(times)) = self.proofs.get(&by).copied()
            && pile.rows.len() >= self.rows_min() - 1
        {
            self.piles.insert(by, pile);
            let mut probe = self.pile(by)?;
            probe.push(fields, row)?;
            self.ready.push_front(probe.seal(by)?);
            self.proofs.insert(by, Proof::Asked(times));
            return Ok(None);
        }
        if pile.rows.len() >= self.rows_max || !pile.push(fields, row)? {
            self.ready.push_back(std::mem::replace(&mut pile, self.pile(by)?).seal(by)?);
            if !pile.push(fields, row)? {
                self.piles.insert(by, pile);
                return Ok(Some(write));
            }
        }
        self.piles.insert(by, pile);
        Ok(None)
    }

    /// Whether nobody else can be looked up before Marketo has taken a file.
    pub(super) fn is_congested(&self) -> bool {
        self.ready.len() >= READY_MAX && self.open > 0
    }

    /// The next file that Marketo can be given now.
    pub(super) fn take_ready(&mut self) -> Option<Load> {
        if self.open >= JOBS_MAX {
            return None;
        }
        let at = self.ready.iter().position(|load| self.may_go(load))?;
        self.open += 1;
        self.ready.remove(at)
    }

    /// Whether its kind has shown that it does what it should, or it is to show that.
    fn may_go(&self, load: &Load) -> bool {
        match self.proofs.get(&load.by) {
            Some(Proof::Given) => true,
            Some(Proof::Asked(_)) => load.rows.len() == 1,
            Some(Proof::Open(_) | Proof::Failed) | None => false,
        }
    }

    /// Nobody else comes: what is worth a file becomes one. Gives whether there is one now that may go.
    pub(super) fn seal_rest(&mut self) -> Result<bool, SyncError> {
        let (sealed, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.piles)
            .into_iter()
            .partition(|(by, pile)| pile.rows.len() >= self.rows_min() && self.proofs.get(by) == Some(&Proof::Given));
        self.left_behind |= left.iter().any(|(_, pile)| !pile.rows.is_empty());
        for (by, pile) in sealed {
            self.ready.push_back(pile.seal(by)?);
        }
        Ok(self.ready.iter().any(|load| self.may_go(load)))
    }

    /// A file that was taken on by an earlier process.
    pub(super) fn resumed(&mut self) {
        self.open += 1;
    }

    /// Nothing more is to be done for a file.
    pub(super) fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// A kind doesn't do what it should: it isn't used any more in this push.
    pub(super) fn give_up(&mut self, by: ImportBy) {
        self.proofs.insert(by, Proof::Failed);
        self.left_behind = true;
        self.piles.remove(&by);
        self.ready.retain(|load| load.by != by);
    }

    /// Takes in whether a file that was asked for did what it should. Gives what is to be saved of it.
    pub(super) fn prove(&mut self, by: ImportBy, good: bool, batch: &mut Batch) {
        let Some(Proof::Asked(times)) = self.proofs.get(&by).copied() else { return };
        if good {
            self.proofs.insert(by, Proof::Given);
            batch.put(&Fact { name: proven(by, &self.key_field), value: true.into() });
        } else if times + 1 < PROBES_MAX {
            self.proofs.insert(by, Proof::Open(times + 1));
        } else {
            tracing::warn!(by = by.column(&self.key_field), "imports don't do what they should; people go by calls");
            self.give_up(by);
        }
    }

    fn rows_min(&self) -> usize {
        if self.always { 1 } else { ROWS_MIN.min(self.rows_max) }
    }

    fn pile(&self, by: ImportBy) -> Result<Pile, SyncError> {
        let columns = self.columns.get(&by).cloned().unwrap_or_default();
        Ok(Pile { file: ImportFile::new(columns).map_err(unwritable)?, rows: Vec::new() })
    }
}

impl Pile {
    /// Adds a row; false when there is no room.
    fn push(&mut self, fields: &Map<String, Value>, row: Row) -> Result<bool, SyncError> {
        let has_room = self.file.push(fields).map_err(unwritable)?;
        if has_room {
            self.rows.push(row);
        }
        Ok(has_room)
    }

    fn seal(self, by: ImportBy) -> Result<Load, SyncError> {
        Ok(Load { by, file: self.file.finish().map_err(unwritable)?, rows: self.rows })
    }
}

/// The fingerprint of what an outbox entry says.
pub(super) fn print_of(entry: &Outbox) -> u64 {
    xxh3_64(entry.body.desired.text().as_bytes())
}

fn print_of_email(email: &str) -> u64 {
    xxh3_64(email.to_lowercase().as_bytes())
}

fn row_of(write: &Write) -> Row {
    Row {
        record: write.candidate.entry.record,
        adopted: write.how == How::Adopted,
        fields: u8::try_from(write.fields).unwrap_or(u8::MAX),
        print: print_of(&write.candidate.entry),
        email: email_of(&write.candidate).map(print_of_email).unwrap_or_default(),
    }
}

fn unwritable(error: wire::CallError) -> SyncError {
    SyncError::of_call(Side::Marketo, error)
}

fn proven(by: ImportBy, key_field: &str) -> String {
    format!("{PROVEN_FACT}{}", by.column(key_field))
}

/// Every field that a person may be written with; a row leaves out what it doesn't say.
fn columns(bridge: &Bridge, prepared: &Prepared, by: ImportBy) -> Vec<String> {
    let mut columns: BTreeSet<String> = ["externalSalesPersonId", "externalCompanyId"].map(str::to_owned).into();
    columns.insert(by.column(&prepared.person_key).to_owned());
    columns.insert(prepared.person_key.clone());
    columns.extend(prepared.second_person_key.clone());
    for map in prepared.tables.values().filter_map(|plan| plan.map.as_ref()).filter(|map| map.object == base::Object::Lead) {
        columns.extend(map.rules.iter().map(|rule| rule.target.name.clone()));
    }
    if by.creates() && bridge.options.policy.send_company_name {
        columns.insert("company".into());
    }
    columns.into_iter().collect()
}
