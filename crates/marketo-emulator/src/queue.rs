//! A first-in-first-out queue of bulk jobs of which only a few run at a time.
//!
//! Knows when a job starts and ends, not what it does.

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Queued,
    /// Since this second.
    Running(i64),
    /// From this second to that.
    Done(i64, i64),
}

#[derive(Debug)]
struct Ticket {
    job: usize,
    queued: i64,
    stage: Stage,
}

/// Delays and limits of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub wait_s: i64,
    pub run_s: i64,
    pub running_max: usize,
}

/// The queue. Finished jobs leave it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    tickets: Vec<Ticket>,
    /// When each of the last ended jobs freed its place.
    freed: Vec<i64>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.tickets.len()
    }

    pub(crate) fn push(&mut self, job: usize, now: i64) {
        self.tickets.push(Ticket { job, queued: now, stage: Stage::Queued });
    }

    /// Takes a job out, wherever it stands; false when it isn't there.
    pub(crate) fn remove(&mut self, job: usize, now: i64) -> bool {
        let Some(at) = self.tickets.iter().position(|ticket| ticket.job == job) else { return false };
        let ticket = self.tickets.remove(at);
        if ticket.stage != Stage::Queued {
            self.freed.push(now);
        }
        true
    }

    /// What happened up to `now`, in the order it happened: jobs that started, and jobs that are done.
    pub(crate) fn tick(&mut self, pace: Pace, now: i64) -> Vec<(usize, Stage)> {
        let mut events = Vec::new();
        loop {
            let running = self.tickets.iter().filter(|ticket| ticket.stage != Stage::Queued).count();
            let ends = self.tickets.iter().enumerate().filter_map(|(at, ticket)| match ticket.stage {
                Stage::Running(start) => Some((start.saturating_add(pace.run_s), at)),
                Stage::Queued | Stage::Done(..) => None,
            });
            let end = ends.min();
            // A place is free at once, or since the last job that gave one up.
            let first = self.tickets.iter().position(|ticket| ticket.stage == Stage::Queued).filter(|_| running < pace.running_max.max(1));
            let start = first.and_then(|at| {
                self.tickets.get(at).map(|ticket| (self.earliest(ticket.queued.saturating_add(pace.wait_s), running, pace), at))
            });
            match (start, end) {
                (Some((start, at)), end) if start <= now && end.is_none_or(|(end, _)| start <= end) => {
                    if let Some(ticket) = self.tickets.get_mut(at) {
                        ticket.stage = Stage::Running(start);
                        events.push((ticket.job, ticket.stage));
                    }
                }
                (_, Some((end, at))) if end <= now => {
                    let ticket = self.tickets.remove(at);
                    if let Stage::Running(start) = ticket.stage {
                        events.push((ticket.job, Stage::Done(start, end)));
                    }
                    self.freed.push(end);
                }
                _ => break,
            }
        }
        let surplus = self.freed.len().saturating_sub(pace.running_max.max(1));
        self.freed.drain(..surplus);
        events
    }

    /// When a job that is ready at `ready` finds a place.
    fn earliest(&self, ready: i64, running: usize, pace: Pace) -> i64 {
        // With all places but the one just freed taken, it starts when that became free.
        if running + 1 == pace.running_max.max(1) { self.freed.last().map_or(ready, |freed| ready.max(*freed)) } else { ready }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_run_and_the_third_waits_its_turn() {
        let pace = Pace { wait_s: 1, run_s: 10, running_max: 2 };
        let mut queue = Queue::default();
        for job in 0..3 {
            queue.push(job, 100);
        }
        assert_eq!(queue.tick(pace, 100), []);
        assert_eq!(queue.tick(pace, 105), [(0, Stage::Running(101)), (1, Stage::Running(101))]);
        let rest = queue.tick(pace, 1000);
        assert_eq!(rest.last(), Some(&(2, Stage::Done(111, 121))), "{rest:?}");
        assert_eq!(queue.len(), 0);
    }
}
