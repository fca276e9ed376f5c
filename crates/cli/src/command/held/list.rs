//! `held list`: a line for each record as it is read, and how many there are of each code.

use std::collections::BTreeMap;

use base::Timestamp;
use engine::{
    codes::{Advice, advice},
    held::State,
};
use serde::Serialize;
use store::Store;

use super::{
    lines::{Line, Lines},
    told::{headline, standing},
};
use crate::{
    args::held::List,
    exit::{Failure, IN_STEP},
    printer,
};

/// What was listed, by code.
#[derive(Debug, Default)]
struct Counted {
    codes: BTreeMap<String, u64>,
    waiting: u64,
    listed: u64,
}

/// A code in JSON.
#[derive(Serialize)]
struct OfCode {
    count: u64,
    meaning: &'static str,
    remedy: &'static str,
    page: String,
}

/// Runs it. However much there is, only a page of it is in memory.
pub(super) async fn list(store: &dyn Store, args: &List) -> Result<u8, Failure> {
    let mut lines = Lines::new(store, args.chosen.among(&[]), args.dismissed, args.waiting);
    let mut counted = Counted::default();
    let now = Timestamp::now();
    if args.json {
        printer::data("{\"records\": [");
    }
    while let Some(page) = lines.next_page().await? {
        for line in page {
            let shown = args.limit.is_none_or(|limit| counted.listed < limit);
            match (shown, args.json) {
                (false, _) => {}
                (true, true) => {
                    // Lines of one document: a comma stands before all but the first.
                    let comma = if counted.listed == 0 { "  " } else { ", " };
                    printer::data(&format!("{comma}{}", serde_json::to_string(&line).map_err(anyhow::Error::from)?));
                }
                (true, false) => tell(&line, now),
            }
            counted.count(&line, shown);
        }
    }
    if args.json {
        printer::data(&counted.json(args)?)
    } else {
        counted.tell(args)
    }
    Ok(IN_STEP)
}

fn tell(line: &Line, now: Timestamp) {
    printer::data(&headline(&line.record));
    for line in standing(line, now) {
        printer::data(&format!("    {line}"));
    }
}

impl Counted {
    fn count(&mut self, line: &Line, shown: bool) {
        self.listed += u64::from(shown);
        match (line.record.state, &line.record.code) {
            (State::Held, Some(code)) => *self.codes.entry(code.clone()).or_default() += 1,
            (State::Held | State::Waiting | State::Ready, _) => self.waiting += 1,
        }
    }

    fn held(&self) -> u64 {
        self.codes.values().sum()
    }

    fn tell(&self, args: &List) {
        let total = self.held() + self.waiting;
        if total > self.listed {
            printer::data(&format!("… and {} more", total - self.listed));
        }
        let what = match (args.dismissed, args.waiting) {
            (true, _) => format!("{total} dismissed"),
            (false, true) => format!("{} held, {} waiting", self.held(), self.waiting),
            (false, false) => format!("{} held", self.held()),
        };
        printer::data(&what);
        for (code, count) in &self.codes {
            let Advice { meaning, page, .. } = advice(code);
            printer::data(&format!("{count:>7} {code} · {meaning} · {page}"));
        }
    }

    fn json(&self, args: &List) -> Result<String, Failure> {
        let of_code = |(code, count): (&String, &u64)| {
            let Advice { meaning, remedy, page } = advice(code);
            (code.clone(), OfCode { count: *count, meaning, remedy, page })
        };
        let codes: BTreeMap<String, OfCode> = self.codes.iter().map(of_code).collect();
        let left_out = self.held() + self.waiting - self.listed;
        let mut end = serde_json::json!({ "codes": codes, "left_out": left_out });
        if let (true, Some(end)) = (args.waiting, end.as_object_mut()) {
            end.insert("waiting".into(), self.waiting.into());
        }
        let end = serde_json::to_string(&end).map_err(anyhow::Error::from)?;
        Ok(format!("], {}", end.trim_start_matches('{')))
    }
}
