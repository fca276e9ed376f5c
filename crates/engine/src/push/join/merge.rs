//! The merging calls: at most 25 persons into one, and what came of each.

use std::collections::BTreeSet;

use base::Object;
use futures::FutureExt;
use planner::Harm;
use serde_json::Map;
use store::{
    Batch, Record,
    record::{Outbox, OutboxState},
};

use super::{Joiner, Joining, there};
use crate::{
    error::SyncError,
    marketo::{LOSERS_MAX, Verdict},
    plan::{Asks, What},
    push::{
        flight::Flight,
        gate::{again_or_hold, forget_confirmed},
        outcome::Failure,
        pieces::{Fate, Item, Sent, send},
    },
};

impl Item for Joining {
    fn key(&self) -> Vec<u8> {
        self.entry.key()
    }

    fn asks(&self) -> Asks {
        let what = What::Merge(self.survivor.marketo_id.unwrap_or_default());
        Asks { object: Object::Lead, record: self.entry.record, part: String::new(), what, person: Some(self.person), fields: Map::new() }
    }
}

impl Joiner<'_> {
    /// Merges all that were collected.
    pub(super) async fn merge(&mut self) -> Result<(), SyncError> {
        let bridge = self.bridge;
        let mut flight = Flight::new(bridge.marketo.in_flight_max());
        // Those that look-ups have found in this push weren't counted before.
        let count = self.merges.values().map(Vec::len).sum::<usize>() as u64;
        self.brake.judge(bridge, Harm::Merges, count).await?;
        if self.brake.stops(Harm::Merges) {
            self.merges.clear();
            return Ok(());
        }
        let merges = std::mem::take(&mut self.merges).into_values();
        let batches: Vec<Vec<Joining>> = merges.flat_map(|all| all.chunks(LOSERS_MAX).map(<[_]>::to_vec).collect::<Vec<_>>()).collect();
        let (mut batches, mut stop) = (batches.into_iter(), None);
        loop {
            while stop.is_none() && flight.has_room() {
                let Some(batch) = batches.next() else { break };
                let breaker = self.breaker.clone();
                let call = async move |batch: Vec<Joining>| {
                    let merge = |batch: &[Joining]| {
                        let winner = batch.first().and_then(|joining| joining.survivor.marketo_id).unwrap_or_default();
                        let losers: Vec<i64> = batch.iter().map(|joining| joining.person).collect();
                        async move {
                            match bridge.marketo.merge(winner, losers.clone()).await {
                                Ok(()) => Ok(vec![Verdict::done(); losers.len()]),
                                // One of them isn't there: which, is looked for.
                                Err(error) if error.code() == "1004" => Ok(vec![Verdict::refused("1004", &error); losers.len()]),
                                Err(error) => Err(error),
                            }
                        }
                    };
                    send(bridge, breaker, false, batch, merge).await
                };
                flight.start(call(batch).boxed());
            }
            let Some(sent) = flight.next().await else { break };
            if let Some(error) = self.settle(sent).await? {
                stop.get_or_insert(error);
            }
        }
        stop.map_or(Ok(()), Err)
    }

    /// What a merge came to. A refusal may mean that it was done before, and no answer that it was done now: who is there decides.
    async fn settle(&mut self, sent: Sent<Joining>) -> Result<Option<SyncError>, SyncError> {
        let now = self.bridge.clock.now();
        let mut batch = Batch::new();
        sent.intent.close(&mut batch);
        let mut doubtful: Vec<(Joining, Option<Failure>)> = Vec::new();
        for (joining, fate) in sent.fates {
            match fate {
                Fate::Confirmed { .. } => self.merged(&joining, &mut batch),
                Fate::Refused(failure) if failure.code == "1004" => doubtful.push((joining, Some(failure))),
                Fate::Unknown(failure) => doubtful.push((joining, failure)),
                Fate::Refused(failure) => batch.put(&again_or_hold(&joining.entry, &failure, now)),
            }
        }
        let asked: BTreeSet<i64> =
            doubtful.iter().flat_map(|(joining, _)| [Some(joining.person), joining.survivor.marketo_id]).flatten().collect();
        let mut stop = sent.stop;
        // When that can't be asked for, what was answered is saved all the same.
        let there = match there(self.bridge, &asked.into_iter().collect::<Vec<_>>()).await {
            Ok(there) => there,
            Err(error) => {
                self.bridge.commit(batch).await?;
                return Ok(Some(stop.unwrap_or(error)));
            }
        };
        for (joining, failure) in doubtful {
            if joining.survivor.marketo_id.is_none_or(|winner| !there.contains(&winner)) {
                // The survivor's own person is gone: it is looked for again, and this one waits for it.
                forget_confirmed(self.bridge, joining.survivor.record, &mut batch).await?;
                let mut entry: Outbox = joining.entry.clone();
                entry.body.state = OutboxState::Waiting { on: joining.survivor.record };
                entry.body.since = now;
                batch.put(&entry);
            } else if !there.contains(&joining.person) {
                self.merged(&joining, &mut batch);
            } else if let Some(failure) = failure {
                batch.put(&again_or_hold(&joining.entry, &failure, now));
            }
        }
        self.bridge.commit(batch).await?;
        Ok(stop.take())
    }
}
