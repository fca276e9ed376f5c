//! The way through the activity log, page by page, for ever.
//!
//! Knows what a token says and which entries are to be seen by now, not what a listing makes of them.

use crate::{
    answer::Reason,
    log::Entry,
    mark::{Mark, decode, encode},
    options::ActivityTokens,
    state::State,
};

/// One row of a listing: its entry, its id, and which of the entry's changed fields it is.
pub(crate) type Row<'s> = (&'s Entry, u64, usize);

/// A page of a listing.
pub(crate) struct Page<'s> {
    pub rows: Vec<Row<'s>>,
    pub next: String,
    pub more: bool,
}

impl<'s> Page<'s> {
    fn ending(rows: Vec<Row<'s>>, next: Mark, more: bool) -> Self {
        Self { rows, next: encode(next), more }
    }
}

impl State {
    /// The page that a token leads to. `rows` gives an entry's ids that the listing shows, each with its place in the entry.
    pub(crate) fn page(&self, token: &str, size: usize, now: i64, rows: impl Fn(&Entry) -> Vec<(u64, usize)>) -> Result<Page<'_>, Reason> {
        let gaps = self.options.empty_pages;
        let mark = match (decode(token), self.options.activity_tokens) {
            (Some(Mark::Since(at)), ActivityTokens::Dates) => Mark::Dated { at, skip: 0, gap: false },
            (Some(Mark::Since(since)), ActivityTokens::Places) => {
                let first = self.log.since(since).first().map_or(self.log.next(), |entry| entry.first);
                Mark::From { id: first, since, gap: false }
            }
            (Some(mark @ (Mark::From { .. } | Mark::Dated { .. })), _) => mark,
            (Some(Mark::After { .. }) | None, _) => return Err(Reason::invalid("Invalid nextPageToken")),
        };
        match mark {
            Mark::From { id, since, gap: false } if gaps => Ok(Page::ending(Vec::new(), Mark::From { id, since, gap: true }, true)),
            Mark::Dated { at, skip, gap: false } if gaps => Ok(Page::ending(Vec::new(), Mark::Dated { at, skip, gap: true }, true)),
            Mark::Dated { at, skip, .. } => Ok(self.page_by_date(at, skip, size, now, rows)),
            Mark::From { id, since, .. } => Ok(self.page_by_place(id, since, size, now, rows)),
            Mark::Since(_) | Mark::After { .. } => Err(Reason::invalid("Invalid nextPageToken")),
        }
    }

    fn is_visible(&self, entry: &Entry, now: i64) -> bool {
        let delay = i64::try_from(self.options.activity_delay_s).unwrap_or(i64::MAX);
        entry.recorded.saturating_add(delay) <= now
    }

    /// In the order of recording. It ends before the first entry that isn't to be seen yet, so that the token never passes one over.
    fn page_by_place(&self, first: u64, since: i64, size: usize, now: i64, rows: impl Fn(&Entry) -> Vec<(u64, usize)>) -> Page<'_> {
        let mut page = Vec::new();
        let mut end = first;
        for entry in self.log.from(first).iter().take_while(|entry| self.is_visible(entry, now)) {
            let listed = if entry.at >= since { rows(entry) } else { Vec::new() };
            for (id, at) in listed.into_iter().filter(|(id, _)| *id >= first) {
                if page.len() >= size {
                    return Page::ending(page, Mark::From { id, since, gap: false }, true);
                }
                page.push((entry, id, at));
            }
            end = entry.first + entry.width();
        }
        Page::ending(page, Mark::From { id: end, since, gap: false }, false)
    }

    /// In the order of dates. The last page's token is the date of the call: what shows later with an earlier date is missed.
    fn page_by_date(&self, from: i64, skip: u64, size: usize, now: i64, rows: impl Fn(&Entry) -> Vec<(u64, usize)>) -> Page<'_> {
        let mut entries: Vec<&Entry> =
            self.log.since(from).iter().filter(|entry| entry.at >= from && self.is_visible(entry, now)).collect();
        entries.sort_by_key(|entry| (entry.at, entry.first));
        let mut page = Vec::new();
        // How many ids of the date lie behind.
        let (mut date, mut passed) = (from, 0);
        for entry in entries {
            if entry.at != date {
                (date, passed) = (entry.at, 0);
            }
            let listed = rows(entry);
            for id in entry.first..entry.first + entry.width() {
                let place = passed;
                passed += 1;
                let served = date == from && place < skip;
                let Some((_, at)) = listed.iter().find(|(shown, _)| *shown == id && !served) else { continue };
                if page.len() >= size {
                    return Page::ending(page, Mark::Dated { at: date, skip: place, gap: false }, true);
                }
                page.push((entry, id, *at));
            }
        }
        let (at, skip) = if date >= now { (date, passed) } else { (now, 0) };
        Page::ending(page, Mark::Dated { at, skip, gap: false }, false)
    }
}
