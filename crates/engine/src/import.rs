//! Imports under way, as the state remembers them: which people are in a file that Marketo was given, and which job works through it.
//!
//! A note is there before its file is sent and until what became of each of its people is saved. While there is one, nothing else is sent for
//! them: an import runs when Marketo has time for it, which can be long after.

use base::{Guid, Object, RecordId, Table, Timestamp};
use serde::{Deserialize, Serialize};
use store::{
    Batch, StoreExt,
    record::{Fact, Outbox},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    intent::{MaybeSent, hex, unhex},
};

/// Facts that hold notes.
const NOTE_FACT: &str = "import/";

/// Bytes of one row in a note: table, id, how it came to be known, fields, fingerprints of what was to be sent and of the e-mail.
const ROW_BYTES: usize = 35;

/// Which column says who is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportBy {
    /// The e-mail: people whom Marketo doesn't have yet. Who has come to have that e-mail by then is the same person.
    Email,
    /// The external id: people without an e-mail of their own.
    Key,
    /// Marketo's id: people whom it has. Nobody is created.
    Id,
}

impl ImportBy {
    /// All, in the order in which they are given.
    pub(crate) const ALL: [Self; 3] = [Self::Email, Self::Key, Self::Id];

    /// The column, people's external id being in `key_field`.
    pub(crate) fn column(self, key_field: &str) -> &str {
        match self {
            Self::Email => "email",
            Self::Key => key_field,
            Self::Id => "id",
        }
    }

    /// Whether somebody whom Marketo doesn't have is created.
    pub(crate) fn creates(self) -> bool {
        match self {
            Self::Email | Self::Key => true,
            Self::Id => false,
        }
    }
}

/// One of its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// The Dynamics record.
    pub(crate) record: RecordId,
    /// Whether its person was in Marketo before Dynamics knew it.
    pub(crate) adopted: bool,
    /// How many fields the row says, keys not counted.
    pub(crate) fields: u8,
    /// Fingerprint of what Marketo shall hold, as the outbox said when the row was written.
    pub(crate) print: u64,
    /// Fingerprint of the e-mail; 0: none.
    pub(crate) email: u64,
}

impl Row {
    /// Its key in the outbox.
    pub(crate) fn key(&self) -> Vec<u8> {
        Outbox::key_of(Object::Lead, self.record.id, "")
    }
}

/// What is known of a file's fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It is about to be sent, or was without an answer: nobody knows whether there is a job.
    Doubtful {
        /// Since when.
        since: Timestamp,
    },
    /// This job works through it.
    Job {
        /// Marketo's number of it.
        batch: i64,
    },
}

/// A file that Marketo was given, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    name: String,
    /// Which column says who is meant.
    pub(crate) by: ImportBy,
    /// What is known of it.
    pub(crate) stage: Stage,
    /// Its people.
    pub(crate) rows: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    by: ImportBy,
    stage: Stage,
    rows: String,
}

impl Note {
    /// A file that is about to be sent.
    pub(crate) fn new(bridge: &Bridge, by: ImportBy, rows: Vec<Row>) -> Self {
        let name = format!("{NOTE_FACT}{}/{}", bridge.fence.0, bridge.next_number());
        Self { name, by, stage: Stage::Doubtful { since: bridge.clock.now() }, rows }
    }

    /// Whether there is any note.
    ///
    /// # Errors
    /// When the state can't be read.
    pub(crate) async fn any(bridge: &Bridge) -> Result<bool, SyncError> {
        Ok(!bridge.store.list::<Fact>(NOTE_FACT.as_bytes(), None, 1).await?.is_empty())
    }

    /// All that there are.
    pub(crate) async fn all(bridge: &Bridge) -> Result<Vec<Self>, SyncError> {
        let facts = bridge.store.list::<Fact>(NOTE_FACT.as_bytes(), None, usize::MAX).await?;
        Ok(facts.into_iter().map(Self::read).collect::<Result<_, _>>()?)
    }

    /// Saves it.
    pub(crate) fn put(&self, batch: &mut Batch) {
        let mut bytes = Vec::with_capacity(self.rows.len() * ROW_BYTES);
        for row in &self.rows {
            bytes.push(row.record.table.code());
            bytes.extend_from_slice(&row.record.id.to_bytes());
            bytes.extend_from_slice(&[u8::from(row.adopted), row.fields]);
            bytes.extend_from_slice(&row.print.to_be_bytes());
            bytes.extend_from_slice(&row.email.to_be_bytes());
        }
        let saved = Saved { by: self.by, stage: self.stage, rows: hex(&bytes) };
        batch.put(&Fact { name: self.name.clone(), value: serde_json::to_value(saved).unwrap_or_default() });
    }

    /// What became of each of its people is saved, or will be found out without it.
    pub(crate) fn remove(&self, batch: &mut Batch) {
        batch.remove::<Fact>(self.name.clone().into());
    }

    fn read(fact: Fact) -> Result<Self, store::StoreError> {
        let unreadable = |why: String| store::StoreError::Unreadable { what: "import", why };
        let saved: Saved = serde_json::from_value(fact.value).map_err(|error| unreadable(error.to_string()))?;
        let bytes = unhex(&saved.rows).unwrap_or_default();
        let (chunks, rest) = bytes.as_chunks::<ROW_BYTES>();
        let rows: Option<Vec<Row>> = chunks.iter().map(read_row).collect();
        match rows.filter(|_| rest.is_empty()) {
            Some(rows) => Ok(Self { name: fact.name, by: saved.by, stage: saved.stage, rows }),
            None => Err(unreadable("its rows can't be read".into())),
        }
    }
}

fn read_row(bytes: &[u8; ROW_BYTES]) -> Option<Row> {
    let record = RecordId { table: Table::of_code(bytes[0])?, id: Guid::from_slice(&bytes[1..17]).ok()? };
    let (print, email) = (u64::from_be_bytes(bytes[19..27].try_into().ok()?), u64::from_be_bytes(bytes[27..].try_into().ok()?));
    Some(Row { record, adopted: bytes[17] != 0, fields: bytes[18], print, email })
}

/// Outbox keys of all people that are in a file.
pub(crate) async fn in_files(bridge: &Bridge) -> Result<MaybeSent, SyncError> {
    Ok(Note::all(bridge).await?.iter().flat_map(|note| &note.rows).map(Row::key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back() {
        let row = |n: u128, adopted| Row {
            record: RecordId::new(if adopted { Table::Lead } else { Table::Contact }, Guid::from_u128(n)),
            adopted,
            fields: 7,
            print: u64::MAX - 5,
            email: 3,
        };
        let note = Note {
            name: "import/1/2".into(),
            by: ImportBy::Key,
            stage: Stage::Job { batch: 1001 },
            rows: vec![row(1, true), row(2, false)],
        };
        let mut batch = Batch::new();
        note.put(&mut batch);
        let (_, key, value) = batch.changes.pop().unwrap();
        let fact = <Fact as store::Record>::read(&key, &value.unwrap()).unwrap();
        assert_eq!(Note::read(fact.clone()).unwrap(), note);
        let cut = Fact { value: serde_json::json!({"by": "id", "stage": {"job": {"batch": 1}}, "rows": "00ff"}), ..fact };
        assert!(Note::read(cut).is_err(), "nothing is guessed");
    }
}
