//! Records to be listed, a page at a time: what is held and waiting, or what was dismissed.

use base::Timestamp;
use engine::held::{Dismissal, Dismissals, HeldRecord, Listing, Selection, Waiting};
use serde::Serialize;
use store::Store;

use crate::exit::Failure;

/// One record.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) record: HeldRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dismissed: Option<Dismissed>,
}

/// Who dismissed it.
#[derive(Debug, Serialize)]
pub(super) struct Dismissed {
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) why: String,
}

/// What is listed.
pub(super) enum Lines<'a> {
    Left(Listing<'a>),
    Dismissed(Dismissals<'a>),
}

impl<'a> Lines<'a> {
    /// What was dismissed, or else what is held, with what waits if that is wanted.
    pub(super) fn new(store: &'a dyn Store, selection: Selection, dismissed: bool, waiting: bool) -> Self {
        let waiting = if waiting { Waiting::Listed } else { Waiting::LeftOut };
        if dismissed { Self::Dismissed(Dismissals::new(store, selection)) } else { Self::Left(Listing::new(store, selection, waiting)) }
    }

    /// The next of them; none when there are no more. A page may be empty.
    pub(super) async fn next_page(&mut self) -> Result<Option<Vec<Line>>, Failure> {
        Ok(match self {
            Self::Left(listing) => listing.next_page().await?.map(|page| page.into_iter().map(Line::of).collect()),
            Self::Dismissed(dismissals) => dismissals.next_page().await?.map(|page| page.into_iter().map(Line::dismissed).collect()),
        })
    }
}

impl Line {
    /// One that is left.
    pub(super) fn of(record: HeldRecord) -> Self {
        Self { record, dismissed: None }
    }

    /// One that was dismissed.
    pub(super) fn dismissed(dismissal: Dismissal) -> Self {
        let Dismissal { record, dismissed_at, by, why, .. } = dismissal;
        Self { record, dismissed: Some(Dismissed { at: dismissed_at, by, why }) }
    }
}
