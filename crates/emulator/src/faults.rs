//! Faults on request: what goes wrong, when, and how often.
//!
//! Decides only, by counting and by seeded dice, so that a seed and an order of requests always give the same weather.
//! Doing what was decided is the router's part. The JSON form of a [`Fault`] is what the control interface takes.

use std::time::Duration;

use base::Dice;
use http::Method;
use serde::{Deserialize, Serialize};

/// One thing that shall go wrong.
///
/// ```
/// let fault: emulator::Fault =
///     serde_json::from_str(r#"{"when":{"operation":"leads.sync","nth":2},"effect":"drop-after","times":1}"#).unwrap();
/// assert_eq!(fault.times, Some(1));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fault {
    /// Which requests it strikes.
    #[serde(default)]
    pub when: When,
    /// What happens to them.
    pub effect: Effect,
    /// How often at most; without it, until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// Which requests a fault strikes; everything that is given has to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct When {
    /// The operation's name (`leads.sync`), the part before a dot of it (`leads`), a beginning with a star (`leads.s*`), or `*` for all, the default.
    #[serde(default = "all")]
    pub operation: String,
    /// The HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A part of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only the n-th request that matches the above, the first being 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Every n-th request that matches the above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// This share of the requests that match the above, by the fault's own dice: 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// It takes longer, in addition to the latency of every request; several of these add up.
    Latency(Latency),
    /// It is refused at the gate, in the vendor's shape, at the level that the code usually has; nothing is applied.
    Refuse {
        /// The vendor's code or the HTTP status: `606`, `607`, `615`, `429`, `500`, `503`, `401`, `413`, `611`, …
        code: String,
        /// How long the answer asks the client to wait, in seconds, where the shape has a place for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_s: Option<u64>,
    },
    /// It fails with the vendor's code at a level of choice, usual or not.
    Fail {
        /// Where the failure is told.
        level: Level,
        /// The code; at the level of HTTP a status.
        code: String,
        /// How long the answer asks the client to wait, in seconds. Not for records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_s: Option<u64>,
        /// Only these records of the request, the first being 0; without this and a share, all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        records: Option<Vec<usize>>,
        /// Only this share of the records, by the fault's own dice: 0 to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<f64>,
    },
    /// The connection breaks before anything is applied.
    DropBefore,
    /// It is applied, and then the connection breaks: the answer is lost.
    DropAfter,
    /// It is applied; the answer ends in the middle, with a Content-Length that fits what is left.
    Truncate,
    /// A proxy in between answers 502 with a page of HTML; nothing is applied.
    Html,
    /// Nothing comes for a while, then the connection breaks.
    Hang {
        /// How long, in milliseconds.
        ms: u64,
        /// Whether the request is applied before the silence.
        #[serde(default)]
        applied: bool,
    },
}

/// Where a failure is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// By the HTTP status; nothing is applied.
    Http,
    /// By the vendor's envelope around the answer; nothing is applied.
    Response,
    /// By the result of single records; the others are applied. For vendors who answer records one by one.
    Record,
}

/// Records of one request that fail, while the others are applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoil {
    /// The vendor's code.
    pub code: String,
    records: Option<Vec<usize>>,
    percent: Option<f64>,
    chance: u64,
}

impl Spoil {
    /// Whether each of `count` records fails, in their order.
    #[must_use]
    pub fn strikes(&self, count: usize) -> Vec<bool> {
        let mut dice = Dice::new(self.chance);
        let named = |at: usize| self.records.as_ref().is_none_or(|records| records.contains(&at));
        // The dice fall for every record, so that naming some doesn't shift them.
        (0..count).map(|at| self.percent.is_none_or(|percent| dice.percent(percent)) && named(at)).collect()
    }
}

/// How long an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Latency {
    /// Always as long.
    Fixed {
        /// In milliseconds.
        fixed_ms: f64,
    },
    /// Log-normal: many answers near the median, a few much later.
    Spread {
        /// Half of the answers take less, in milliseconds.
        median_ms: f64,
        /// One in a hundred takes longer, in milliseconds; at least the median.
        p99_ms: f64,
    },
}

/// A fault with what it has done so far.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Armed {
    /// Its number, by which it is removed.
    pub id: u64,
    /// The fault.
    pub fault: Fault,
    /// Requests that fitted operation, method and path.
    pub seen: u64,
    /// Requests it struck.
    pub struck: u64,
    #[serde(skip)]
    dice: Dice,
}

/// All faults of one emulator, and the latency of every request.
#[derive(Debug, Clone)]
pub struct Faults {
    seed: u64,
    next: u64,
    armed: Vec<Armed>,
    latency: Option<Latency>,
    dice: Dice,
}

/// What was decided for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Fate {
    /// How long it takes in all.
    pub latency: Duration,
    /// What else happens; never a [`Effect::Latency`].
    pub effect: Option<Effect>,
    /// The chance of what is struck inside the request.
    pub chance: u64,
}

impl Fate {
    /// The records that fail, when the effect is about records.
    #[must_use]
    pub fn spoil(&self) -> Option<Spoil> {
        match &self.effect {
            Some(Effect::Fail { level: Level::Record, code, records, percent, .. }) => {
                Some(Spoil { code: code.clone(), records: records.clone(), percent: *percent, chance: self.chance })
            }
            Some(_) | None => None,
        }
    }
}

/// No latency is longer: one hour.
const LATENCY_MAX_MS: f64 = 3_600_000.0;

/// The 99th percentile of a normal distribution lies so many deviations above its middle.
const P99_DEVIATIONS: f64 = 2.326;

fn all() -> String {
    "*".to_owned()
}

impl Default for When {
    fn default() -> Self {
        Self { operation: all(), method: None, path: None, nth: None, every: None, percent: None }
    }
}

impl When {
    /// The fault that strikes this operation each time.
    #[must_use]
    pub fn operation(name: &str) -> Self {
        Self { operation: name.to_owned(), ..Self::default() }
    }

    fn fits(&self, operation: &str, method: &Method, path: &str) -> bool {
        let named = match self.operation.strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => operation.strip_prefix(self.operation.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        };
        named
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
            && self.path.as_deref().is_none_or(|part| path.contains(part))
    }
}

impl Latency {
    /// Always this long.
    #[must_use]
    pub fn fixed(ms: f64) -> Self {
        Self::Fixed { fixed_ms: ms }
    }

    /// Log-normal by its median and the deviation `sigma` of its logarithm; its mean is the median times `exp(sigma² / 2)`.
    #[must_use]
    pub fn log_normal(median_ms: f64, sigma: f64) -> Self {
        Self::Spread { median_ms, p99_ms: median_ms * (P99_DEVIATIONS * sigma).exp() }
    }

    fn throw(self, dice: &mut Dice) -> Duration {
        let ms = match self {
            Self::Fixed { fixed_ms } => fixed_ms,
            Self::Spread { median_ms, p99_ms } => {
                let (median, p99) = (median_ms.max(0.001), p99_ms.max(median_ms).max(0.001));
                let deviation = (p99 / median).ln() / P99_DEVIATIONS;
                let radius = (-2.0 * (1.0 - dice.fraction()).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * dice.fraction()).cos();
                median * (deviation * normal).exp()
            }
        };
        let ms = if ms.is_finite() { ms.clamp(0.0, LATENCY_MAX_MS) } else { 0.0 };
        Duration::from_secs_f64(ms / 1000.0)
    }
}

impl Faults {
    /// No faults yet; all chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, next: 1, armed: Vec::new(), latency: None, dice: Dice::new(seed) }
    }

    /// Adds one; the number is what [`Faults::remove`] takes.
    pub fn add(&mut self, fault: Fault) -> u64 {
        let id = self.next;
        self.next += 1;
        // Dice of its own, so that adding one fault changes nothing for the others.
        let dice = Dice::new(self.seed.wrapping_add(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        self.armed.push(Armed { id, fault, seen: 0, struck: 0, dice });
        id
    }

    /// Removes one; false when there is none with this number.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    /// Removes all, and the latency of every request stays.
    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// Sets the latency of every request; none at first.
    pub fn set_latency(&mut self, latency: Option<Latency>) {
        self.latency = latency;
    }

    /// The latency of every request.
    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        self.latency
    }

    /// All faults, also those that are used up, in the order they were added.
    #[must_use]
    pub fn armed(&self) -> &[Armed] {
        &self.armed
    }

    /// What becomes of this request. Each call counts as one request.
    pub fn decide(&mut self, operation: &str, method: &Method, path: &str) -> Fate {
        let mut latency = self.latency.map_or(Duration::ZERO, |latency| latency.throw(&mut self.dice));
        let (mut effect, mut chance) = (None, 0);
        for armed in &mut self.armed {
            if !armed.fault.when.fits(operation, method, path) {
                continue;
            }
            armed.seen += 1;
            // The dice fall for every request that fits, so that a count beside a share doesn't shift them.
            let lucky = armed.fault.when.percent.is_none_or(|percent| armed.dice.percent(percent));
            let when = &armed.fault.when;
            let due = lucky
                && when.nth.is_none_or(|nth| armed.seen == nth)
                && when.every.is_none_or(|every| every > 0 && armed.seen.is_multiple_of(every))
                && armed.fault.times.is_none_or(|times| armed.struck < times);
            if !due {
                continue;
            }
            if let Effect::Latency(more) = &armed.fault.effect {
                latency += more.throw(&mut armed.dice);
            } else if effect.is_none() {
                effect = Some(armed.fault.effect.clone());
                if let Effect::Fail { percent: Some(_), .. } = &armed.fault.effect {
                    chance = armed.dice.bits();
                }
            } else {
                // Another fault has already struck this request; this one waits for the next.
                continue;
            }
            armed.struck += 1;
        }
        Fate { latency, effect, chance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    fn struck(faults: &mut Faults, operations: &[&str]) -> Vec<bool> {
        operations.iter().map(|operation| faults.decide(operation, &Method::POST, "/rest/v1/leads.json").effect.is_some()).collect()
    }

    #[test]
    fn names_prefixes_and_stars() {
        for (name, expected) in [
            ("leads.sync", [true, false, false]),
            ("leads", [true, true, false]),
            ("lead", [false, false, false]),
            ("lead*", [true, true, true]),
            ("*", [true, true, true]),
        ] {
            let mut faults = Faults::new(1);
            faults.add(Fault { when: When::operation(name), effect: Effect::DropAfter, times: None });
            assert_eq!(struck(&mut faults, &["leads.sync", "leads.get", "leadsother"]), expected, "{name}");
        }
    }

    #[test]
    fn nth_every_and_times() {
        let mut faults = Faults::new(1);
        faults.add(fault(r#"{"when":{"nth":2},"effect":"drop-before"}"#));
        assert_eq!(struck(&mut faults, &["a"; 4]), [false, true, false, false]);
        let mut faults = Faults::new(1);
        faults.add(fault(r#"{"when":{"every":2,"method":"post"},"effect":{"refuse":{"code":"606","wait-s":3}},"times":2}"#));
        assert_eq!(struck(&mut faults, &["a"; 8]), [false, true, false, true, false, false, false, false]);
    }

    #[test]
    fn a_seed_gives_the_same_weather_and_a_percentage_holds() {
        let weather = |seed| {
            let mut faults = Faults::new(seed);
            faults.set_latency(Some(Latency::Spread { median_ms: 100.0, p99_ms: 900.0 }));
            faults.add(fault(r#"{"when":{"percent":20},"effect":"truncate"}"#));
            (0..2000).map(|_| faults.decide("a", &Method::GET, "/")).collect::<Vec<_>>()
        };
        assert_eq!(weather(3), weather(3));
        assert_ne!(weather(3), weather(4));
        let fates = weather(3);
        let hit = fates.iter().filter(|fate| fate.effect.is_some()).count();
        assert!((320..480).contains(&hit), "{hit} of 2000 at 20 percent");
        let slow = fates.iter().filter(|fate| fate.latency > Duration::from_millis(100)).count();
        assert!((900..1100).contains(&slow), "half lies above the median: {slow}");
        let slowest = fates.iter().filter(|fate| fate.latency > Duration::from_millis(900)).count();
        assert!((5..45).contains(&slowest), "one in a hundred lies above the 99th percentile: {slowest}");
    }

    #[test]
    fn a_log_normal_latency_has_the_mean_that_follows_from_its_sigma() {
        let mut faults = Faults::new(7);
        faults.set_latency(Some(Latency::log_normal(1200.0, 0.5)));
        let total: Duration = (0..20_000).map(|_| faults.decide("a", &Method::GET, "/").latency).sum();
        let (mean, expected) = (total.as_secs_f64() / 20_000.0, 1.2 * (0.5_f64 * 0.5 / 2.0).exp());
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} s on average, {expected} s expected");
    }

    #[test]
    fn latencies_add_up_and_one_other_effect_wins() {
        let mut faults = Faults::new(1);
        faults.set_latency(Some(Latency::fixed(10.0)));
        faults.add(fault(r#"{"effect":{"latency":{"fixed-ms":5}}}"#));
        faults.add(fault(r#"{"effect":"html","times":1}"#));
        faults.add(fault(r#"{"effect":{"hang":{"ms":7}},"times":1}"#));
        let fate = faults.decide("a", &Method::GET, "/");
        assert_eq!(fate, Fate { latency: Duration::from_millis(15), effect: Some(Effect::Html), chance: 0 });
        assert_eq!(faults.decide("a", &Method::GET, "/").effect, Some(Effect::Hang { ms: 7, applied: false }));
        assert_eq!(faults.decide("a", &Method::GET, "/").effect, None);
        assert_eq!(faults.armed().iter().map(|armed| armed.struck).collect::<Vec<_>>(), [3, 1, 1]);
    }

    #[test]
    fn a_share_of_the_records_fails_the_same_way_for_a_seed() {
        let spoilt = |json: &str| {
            let mut faults = Faults::new(5);
            faults.add(fault(json));
            faults.decide("a", &Method::POST, "/").spoil().map(|spoil| spoil.strikes(300))
        };
        let share = r#"{"effect":{"fail":{"level":"record","code":"1014","percent":20}}}"#;
        let struck = spoilt(share).unwrap().iter().filter(|struck| **struck).count();
        assert!((35..85).contains(&struck), "{struck} of 300 at 20 percent");
        assert_eq!(spoilt(share), spoilt(share));
        let named = spoilt(r#"{"effect":{"fail":{"level":"record","code":"1007","records":[0,2]}}}"#).unwrap();
        assert_eq!(named.iter().enumerate().filter(|(_, struck)| **struck).map(|(at, _)| at).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(spoilt(r#"{"effect":{"fail":{"level":"response","code":"500"}}}"#), None);
    }

    #[test]
    fn misspelt_faults_are_refused() {
        for json in [
            r#"{"effect":"drop"}"#,
            r#"{"effect":"html","when":{"operaton":"x"}}"#,
            r#"{"effect":{"latency":{"ms":5}}}"#,
            r#"{"effect":{"fail":{"code":"606"}}}"#,
            r#"{"effect":{"refuse":{"code":"606","wait_s":1}}}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(json).is_err(), "{json}");
        }
    }
}
