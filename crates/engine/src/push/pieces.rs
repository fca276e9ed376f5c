//! Sends a batch; where it is refused as a whole, its halves, until the record that spoils it stands alone (rule R12).

use std::{collections::VecDeque, sync::Arc};

use wire::CallError;

use crate::{
    bridge::Bridge,
    defect::{Defect, has},
    error::SyncError,
    intent::Intent,
    marketo::Verdict,
    plan::Asks,
    push::outcome::{Breaker, Failure, Whole, judge},
    renew::FIELD_CODES,
};

/// Codes of a record that Adobe says to try again: it could not be created, or Marketo failed itself.
const PASSING: [&str; 8] = ["1014", "500", "502", "604", "608", "611", "614", "713"];

/// What became of one record of a batch.
#[derive(Debug)]
pub(super) enum Fate {
    /// Marketo did it.
    Confirmed {
        /// Marketo's own id, where the object has one.
        id: Option<i64>,
        /// Whether it is new there.
        created: bool,
    },
    /// Marketo didn't.
    Refused(Failure),
    /// Nobody knows: it is looked up. Where Marketo answered, its words; then this record may be to blame.
    Unknown(Option<Failure>),
}

/// A record of the outbox on its way.
pub(super) trait Item {
    /// Its key in the outbox.
    fn key(&self) -> Vec<u8>;

    /// What is asked of Marketo for it.
    fn asks(&self) -> Asks;
}

/// What became of a batch. Records that aren't listed stay in the outbox.
#[derive(Debug)]
pub(super) struct Sent<T> {
    pub(super) fates: Vec<(T, Fate)>,
    /// The note that was made before; whoever saves the fates closes it.
    pub(super) intent: Intent,
    /// Why nothing more can be sent, where that is so.
    pub(super) stop: Option<SyncError>,
}

/// Notes `items` and sends those that may be written with `call`, which gives one verdict for each. `replayable` says whether the same call may be made twice.
pub(super) async fn send<T: Item, F>(
    bridge: &Bridge,
    breaker: Arc<Breaker>,
    replayable: bool,
    items: Vec<T>,
    call: impl Fn(&[T]) -> F,
) -> Sent<T>
where
    F: Future<Output = Result<Vec<Verdict>, CallError>>,
{
    let hand = &bridge.hand;
    let items: Vec<T> = items.into_iter().filter(|item| hand.may_write(&item.key(), || item.asks())).collect();
    let mut sent = Sent { fates: Vec::with_capacity(items.len()), intent: Intent::default(), stop: None };
    if items.is_empty() {
        return sent;
    }
    match Intent::note(bridge, items.iter().map(Item::key).collect()).await {
        Ok(intent) => sent.intent = intent,
        Err(error) => return Sent { stop: Some(error), ..sent },
    }
    let mut pieces = VecDeque::from([items]);
    // Fates since which nothing got through: when nothing does any more, they say nothing about their records.
    let mut sure = 0;
    // Until something gets through, the whole breadth is tried before the depth: bad records often stand side by side.
    while let Some(mut piece) = if breaker.any_success() { pieces.pop_back() } else { pieces.pop_front() } {
        let error = match call(&piece).await {
            Ok(mut verdicts) => {
                if has(Defect::OneResultForAll) && verdicts.first().is_some_and(|first| first.confirmed) {
                    verdicts.iter_mut().for_each(|verdict| verdict.confirmed = true);
                }
                breaker.succeeded();
                if !hand.is_free() {
                    piece.iter().zip(&verdicts).for_each(|(item, verdict)| hand.has_written(&item.key(), || item.asks(), verdict));
                }
                if verdicts.iter().any(|verdict| FIELD_CODES.contains(&verdict.code.as_str())) {
                    bridge.metadata.doubt_fields();
                }
                sent.fates.extend(piece.into_iter().zip(verdicts.into_iter().map(Fate::from)));
                sure = sent.fates.len();
                continue;
            }
            Err(error) => error,
        };
        if has(Defect::SavedBeforeAnswer) {
            sent.fates.extend(piece.into_iter().map(|item| (item, Fate::Confirmed { id: None, created: false })));
            continue;
        }
        if error.may_have_acted() {
            sent.intent.open.extend(piece.iter().map(Item::key));
        }
        match judge(error, replayable, &breaker) {
            Whole::Stop(error) => {
                sent.fates.truncate(sure);
                sent.stop = Some(error);
                return sent;
            }
            Whole::LookAgain(doubt) => sent.fates.extend(piece.into_iter().map(|item| (item, Fate::Unknown(doubt.clone())))),
            Whole::Halve(failure) if piece.len() <= 1 => {
                sent.fates.extend(piece.into_iter().map(|item| (item, Fate::Refused(failure.clone()))));
            }
            Whole::Halve(_) => {
                let second = piece.split_off(piece.len() / 2);
                pieces.extend([piece, second]);
            }
        }
    }
    sent
}

impl From<Verdict> for Fate {
    fn from(verdict: Verdict) -> Self {
        match verdict.confirmed {
            true => Self::Confirmed { id: verdict.id, created: verdict.created },
            false => Self::Refused(Failure {
                lasting: !PASSING.contains(&verdict.code.as_str()),
                alone: false,
                code: verdict.code,
                message: verdict.message,
            }),
        }
    }
}
