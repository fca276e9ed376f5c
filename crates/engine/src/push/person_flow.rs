//! Which call is next, and when a push of people is over.

use std::collections::BTreeMap;

use base::Object;
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::FuturesUnordered,
};
use planner::pack::{EMAILS_MAX, Packer};

use crate::{
    error::SyncError,
    import::Note,
    progress::Step,
    push::{
        bulk_job::{Ended, Given, give, watch},
        flight::Flight,
        gate::Gate,
        person::{Pusher, Write},
        person_calls::{Answer, Call, Kind},
    },
    write_back,
};

/// Something that was under way has ended.
enum Happened {
    Answered(Kind, Answer),
    Given(Given),
    Ended(Ended),
    /// Sales Insight fields are written, or left to be written with the others.
    WrittenBack,
}

impl<'a> Pusher<'a> {
    /// Sends until nothing is left to be sent, and waits for `jobs` of an earlier process.
    pub(super) async fn run(&mut self, jobs: Vec<(Note, i64)>) -> Result<(), SyncError> {
        let bridge = self.bridge;
        let reads_outbox = !self.exhausted;
        let mut flight = Flight::new(bridge.marketo.in_flight_max());
        let mut giving: FuturesUnordered<BoxFuture<'a, Given>> = FuturesUnordered::new();
        let mut watching: FuturesUnordered<BoxFuture<'a, Ended>> = jobs.into_iter().map(|(note, job)| self.watch(note, job)).collect();
        let mut writing: FuturesUnordered<BoxFuture<'a, ()>> = FuturesUnordered::new();
        let mut stop = None;
        loop {
            while stop.is_none() && flight.has_room() {
                match self.next_call().await {
                    Ok(Some(call)) => {
                        *self.under_way.entry(call.kind()).or_default() += 1;
                        let breaker = self.breakers.entry(call.kind()).or_default().clone();
                        flight.start(call.make(bridge, &self.key_field, self.prepared, breaker));
                    }
                    Ok(None) => break,
                    // What is under way is waited for all the same, because its outcome must be saved.
                    Err(error) => stop = Some(error),
                }
            }
            while stop.is_none()
                && let Some(load) = self.bulk.take_ready()
            {
                let key_field = self.key_field.clone();
                giving.push(async move { give(bridge, load, &key_field).await }.boxed());
            }
            // One at a time: whoever finds the lists taken leaves their people to be read again.
            if writing.is_empty() && !self.seen.is_empty() {
                writing.push(write_back::save_seen(bridge, self.prepared, std::mem::take(&mut self.seen)).boxed());
            }
            let happened = tokio::select! {
                biased;
                Some((kind, answer)) = flight.next() => Happened::Answered(kind, answer),
                Some(given) = giving.next() => Happened::Given(given),
                Some(()) = writing.next() => Happened::WrittenBack,
                // The state knows of the jobs: who stops needn't wait for them.
                Some(ended) = watching.next(), if stop.is_none() => Happened::Ended(ended),
                else => match stop {
                    Some(error) => return Err(error),
                    None if self.goes_on(reads_outbox)? => continue,
                    None => return Ok(()),
                },
            };
            let error = match happened {
                Happened::Answered(kind, answer) => {
                    if let Some(count) = self.under_way.get_mut(&kind) {
                        *count -= 1;
                    }
                    self.absorb(answer).await.unwrap_or_else(Some)
                }
                Happened::Given(given) => match self.after_giving(given) {
                    Ok(job) => {
                        watching.extend(job.map(|(note, job)| self.watch(note, job)));
                        None
                    }
                    Err(error) => Some(error),
                },
                Happened::Ended(ended) => self.after_job(ended).await.err(),
                Happened::WrittenBack => None,
            };
            if let Some(error) = error {
                stop.get_or_insert(error);
            }
            bridge.tell(Step::Pushed { object: Object::Lead, done: self.done.min(self.total), total: self.total });
        }
    }

    fn watch(&self, note: Note, job: i64) -> BoxFuture<'a, Ended> {
        let (bridge, key_field) = (self.bridge, self.key_field.clone());
        async move { watch(bridge, note, job, &key_field).await }.boxed()
    }

    /// Nothing is under way: whether there is more to be done. Who isn't in a file goes by calls at the end.
    fn goes_on(&mut self, reads_outbox: bool) -> Result<bool, SyncError> {
        if self.bulk.is_on() && self.bulk.seal_rest()? {
            return Ok(true);
        }
        if !self.bulk.begins_again() || !reads_outbox {
            return Ok(false);
        }
        // A file may have brought people since.
        self.bridge.ahead.forget();
        // Who is held by now was held in this push.
        self.gate = Gate::new(self.bridge, false);
        (self.after, self.exhausted) = (None, false);
        Ok(true)
    }

    /// The next call: a full batch, else more of the outbox, else what is left, each stage after those that feed it.
    async fn next_call(&mut self) -> Result<Option<Call>, SyncError> {
        loop {
            if let Some(call) = self.next_settling().await? {
                return Ok(Some(call));
            }
            if self.bulk.is_congested() {
                return Ok(None);
            }
            if let Some(call) = self.full.pop_front() {
                return Ok(Some(call));
            }
            if !self.exhausted {
                self.read_page().await?;
                continue;
            }
            if !self.lookup.is_empty() {
                return Ok(self.take_lookup());
            }
            if let Some(call) = self.take_lookup_besides() {
                return Ok(Some(call));
            }
            let idle = |kinds: &[Kind]| kinds.iter().all(|kind| self.under_way.get(kind).copied().unwrap_or_default() == 0);
            if !self.read.is_empty() {
                return Ok(Some(Call::Read(std::mem::take(&mut self.read))));
            }
            if !idle(&[Kind::Lookup, Kind::Read]) {
                return Ok(None);
            }
            if let Some(writes) = take_any(&mut self.create) {
                return Ok(Some(Call::Create(writes)));
            }
            if !idle(&[Kind::Create]) {
                return Ok(None);
            }
            // Those before them with the same e-mail were created, or somebody had it: it is looked up for all of them at once.
            self.email.append(&mut self.same_email);
            if !self.email.is_empty() {
                let rest = self.email.split_off(self.email.len().min(EMAILS_MAX));
                return Ok(Some(Call::ByEmail(std::mem::replace(&mut self.email, rest))));
            }
            if !idle(&[Kind::ByEmail]) {
                return Ok(None);
            }
            if let Some(writes) = take_any(&mut self.create_external) {
                return Ok(Some(Call::CreateExternal(writes)));
            }
            if !idle(&[Kind::CreateExternal]) {
                return Ok(None);
            }
            return Ok(self.update.take().map(Call::Update));
        }
    }
}

fn take_any(packers: &mut BTreeMap<usize, Packer<Write>>) -> Option<Vec<Write>> {
    packers.values_mut().rev().find_map(Packer::take)
}
