//! Calls under way: as many as may be, and every one waited for, whatever happens to the others.

use std::collections::VecDeque;

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};

/// Calls under way, with those that wait for a place.
pub(super) struct Flight<'a, T> {
    under_way: FuturesUnordered<BoxFuture<'a, T>>,
    queued: VecDeque<BoxFuture<'a, T>>,
    places: usize,
}

impl<'a, T> Flight<'a, T> {
    /// Room for `places` calls at once.
    pub(super) fn new(places: usize) -> Self {
        Self { under_way: FuturesUnordered::new(), queued: VecDeque::new(), places: places.max(1) }
    }

    /// Starts a call, or queues it.
    pub(super) fn start(&mut self, call: BoxFuture<'a, T>) {
        if self.under_way.len() < self.places {
            self.under_way.push(call);
        } else {
            self.queued.push_back(call);
        }
    }

    /// Whether more work may be prepared: nothing waits for a place.
    pub(super) fn has_room(&self) -> bool {
        self.queued.is_empty() && self.under_way.len() < self.places
    }

    /// The next answer; none when nothing is under way.
    pub(super) async fn next(&mut self) -> Option<T> {
        let answer = self.under_way.next().await;
        while self.under_way.len() < self.places
            && let Some(call) = self.queued.pop_front()
        {
            self.under_way.push(call);
        }
        answer
    }

    /// Drops what has not begun.
    pub(super) fn cancel_queued(&mut self) {
        self.queued.clear();
    }
}
