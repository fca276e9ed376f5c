//! What several benchmarks need: the fewest calls of a first sync, and figures as they are printed and stored.

use serde_json::{Value, json};

use super::processes::Run;

/// Records that one Marketo call takes at most (Adobe, "REST API": 300 records a batch).
const RECORDS_PER_CALL: u64 = 300;

/// Calls that no first sync can do without, whatever its size: the describes of five objects, the activity types, a paging token, everybody's calls of
/// today (what others need is kept for them), and a sample of the spellings of four objects' keys.
const CALLS_ALWAYS: u64 = 12;

/// Objects that are written by their own key, so that nobody has to be looked up.
const KEYED: [&str; 4] = ["sales_person", "company", "opportunity", "role"];

/// One benchmark's outcome.
pub struct Figure {
    pub name: &'static str,
    /// The line for people, without the name.
    pub line: String,
    pub measured: f64,
    /// What nobody could be better than, measured or computed in the same run.
    pub floor: Option<f64>,
    pub unit: &'static str,
    pub details: Value,
}

impl Figure {
    /// How far from the floor it is.
    pub fn ratio(&self) -> Option<f64> {
        self.floor.filter(|floor| *floor > 0.0).map(|floor| self.measured / floor)
    }

    pub fn json(&self) -> Value {
        let rest = json!({"measured": self.measured, "floor": self.floor, "ratio": self.ratio(), "unit": self.unit});
        json!({"name": self.name, "figure": rest, "details": self.details})
    }
}

/// A number in the summary, 0 where it isn't.
pub fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// The Marketo calls of a run by kind, as the bridge counts them; asking for tokens isn't a call.
pub fn calls(run: &Run) -> u64 {
    run.summary.get("marketo_calls").and_then(Value::as_object).map_or(0, |kinds| kinds.values().filter_map(Value::as_u64).sum())
}

/// The fewest Marketo calls that could have done what this first sync did.
///
/// The key of every one of the `people` (leads and contacts) was looked up once, also of those that stand for another, because Marketo may know the
/// person by either; those sent were written once, and the Sales Insight fields of those that are in scope of the write-back were read once; the other
/// objects were written once. Whom Marketo knew by e-mail only was to be created, which says that there is somebody, and was looked up by e-mail.
pub fn fewest_calls(run: &Run, people: u64) -> u64 {
    let written =
        |object: &str| ["created", "updated"].iter().map(|what| number(&run.summary, &format!("/pushed/{object}/{what}"))).sum::<u64>();
    let by_email = number(&run.summary, "/pushed/lead/adopted") + number(&run.summary, "/pushed/lead/held/ambiguous");
    let people =
        batches(people) + batches(by_email) + batches(written("lead") + by_email) + batches(number(&run.summary, "/written_back/read"));
    CALLS_ALWAYS + people + KEYED.iter().map(|object| batches(written(object))).sum::<u64>()
}

/// Records of all tables that were sent.
pub fn records(run: &Run) -> u64 {
    let objects = run.summary.get("pushed").and_then(Value::as_object);
    objects.map_or(0, |objects| objects.values().map(|object| number(object, "/created") + number(object, "/updated")).sum())
}

fn batches(records: u64) -> u64 {
    records.div_ceil(RECORDS_PER_CALL)
}
