//! Imports: people in files, which Marketo works through when it has time for it.

use std::collections::BTreeMap;

use ::marketo::{GetImport, ImportJob, ImportLeads, ImportState, ReportedRow};
use base::Guid;
use wire::{CallError, Class};

use super::Marketo;

pub use ::marketo::ImportFile;

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// It waits or runs.
    UnderWay,
    /// It is over; single rows may have failed.
    Complete(Reports),
    /// It is over without having done its work, in Marketo's words.
    Failed(String),
    /// Marketo doesn't know it any more.
    Unknown,
}

/// What Marketo says of a job's rows, by the Dynamics record that each is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reports {
    /// Rows that were not imported, with the reason in Marketo's words.
    pub failed: BTreeMap<Guid, String>,
    /// Rows that were, with a warning.
    pub warned: BTreeMap<Guid, String>,
    /// Whether every row that Marketo counts as failed or warned of is among them. Otherwise nothing is known of a row that isn't.
    pub whole: bool,
}

impl Marketo {
    /// Gives Marketo a file in which the column `by` says who is meant; gives the number of the job that works through it.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn import(&self, by: &str, file: bytes::Bytes) -> Result<i64, CallError> {
        let import = ImportLeads { file, lookup_field: by.to_owned(), partition: None, list_id: None };
        Ok(self.client.call(&import).await?.batch_id)
    }

    /// How far a job is, and, when it is complete, what became of its rows, which are known by the column `key`.
    ///
    /// # Errors
    /// What became of the calls.
    pub async fn import_state(&self, batch: i64, key: &str) -> Result<Import, CallError> {
        let job = match self.client.call(&GetImport { batch_id: batch }).await {
            Err(error) if error.class() == Some(Class::Missing) => return Ok(Import::Unknown),
            job => job?,
        };
        Ok(match &job.state {
            ImportState::Queued | ImportState::Importing | ImportState::Other(_) => Import::UnderWay,
            ImportState::Failed => Import::Failed(job.message),
            ImportState::Complete => Import::Complete(self.reports(&job, key).await?),
        })
    }

    async fn reports(&self, job: &ImportJob, key: &str) -> Result<Reports, CallError> {
        let failed = told(self.client.import_failures(job, key).await, job.failed)?;
        let warned = told(self.client.import_warnings(job, key).await, job.warned)?;
        let whole = failed.is_some() && warned.is_some();
        Ok(Reports { failed: failed.unwrap_or_default(), warned: warned.unwrap_or_default(), whole })
    }
}

/// The rows of a report by their record; none where it isn't there, can't be read, or doesn't have as many as Marketo counted.
fn told(rows: Result<Vec<ReportedRow>, CallError>, counted: u64) -> Result<Option<BTreeMap<Guid, String>>, CallError> {
    let rows = match rows {
        Err(CallError::Garbled(_)) => return Ok(None),
        Err(error) if error.class() == Some(Class::Missing) => return Ok(None),
        rows => rows?,
    };
    let by_record: Option<BTreeMap<Guid, String>> = rows.into_iter().map(|row| Some((row.key.parse().ok()?, row.reason))).collect();
    Ok(by_record.filter(|rows| rows.len() as u64 == counted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_not_whole_says_nothing() {
        let id = Guid::from_u128(7);
        let row = |key: &str| ReportedRow { key: key.into(), reason: "no".into() };
        let rows = || Ok(vec![row(&id.to_string())]);
        assert_eq!(told(rows(), 1).unwrap(), Some(BTreeMap::from([(id, "no".to_owned())])));
        assert_eq!(told(rows(), 2).unwrap(), None, "one is missing");
        assert_eq!(told(Ok(vec![row("")]), 1).unwrap(), None, "nobody knows whose it is");
        assert_eq!(told(Err(CallError::Garbled("x".into())), 1).unwrap(), None);
        assert!(told(Err(CallError::Stopped), 1).is_err());
    }
}
