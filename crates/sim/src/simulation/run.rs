//! Runs a history to its end, heals everything, and looks whether all is right.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use engine::Harm;
use sandbox::control::Operation;
use serde::Serialize;

use super::{
    event::Names,
    history::{History, Move},
    lean, oracle,
    watch::{Limits, Violation, Watch},
};
use crate::{
    step::{Cycle, Meanwhile, Step},
    world::World,
};

/// Cycles after which both sides have to be in step once nothing goes wrong any more.
const SETTLE_MAX: usize = 12;

/// A history that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The fingerprint of every request, answer and virtual time.
    pub trace: u64,
    /// Cycles in all.
    pub cycles: usize,
}

/// A history that didn't.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was broken, the first thing first.
    pub broken: Vec<Violation>,
    /// Every request and answer.
    pub lines: Vec<String>,
    /// The steps as they were done, with all ids.
    pub steps: Vec<Step>,
}

impl Failure {
    /// The rule that was broken first.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.broken.first().map_or("nothing", |violation| violation.rule)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.broken {
            writeln!(f, "{}: {}", violation.rule, violation.what)?;
        }
        Ok(())
    }
}

/// Runs a history in a runtime of its own.
///
/// # Errors
/// What was broken.
pub fn run(history: &History, verbose: bool) -> Result<Passed, Box<Failure>> {
    fastrand::seed(history.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let stage = std::sync::Mutex::new(None);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut run = Run::new(history, verbose);
            *stage.lock().unwrap() = Some(run.watch.clone());
            run.all(history).await
        })
    }));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let lines = stage.lock().unwrap().as_ref().map(Watch::lines).unwrap_or_default();
        Err(Box::new(Failure { broken: vec![Violation::new("panic", text.unwrap_or_default())], lines, steps: Vec::new() }))
    })
}

/// Runs a seed twice: both times it ends well, and the same way.
///
/// # Errors
/// What was broken.
pub fn check_seed(seed: u64) -> Result<Passed, Box<Failure>> {
    let history = super::draw::history(seed);
    let passed = run(&history, false)?;
    let again = run(&history, false)?;
    if passed == again {
        return Ok(passed);
    }
    let what = "two runs of one seed went different ways";
    Err(Box::new(Failure { broken: vec![Violation::new("repeatable", what)], lines: Vec::new(), steps: Vec::new() }))
}

struct Run {
    world: World,
    names: Names,
    watch: Watch,
    steps: Vec<Step>,
    cycles: usize,
    ahead_s: i64,
}

impl Run {
    fn new(history: &History, verbose: bool) -> Self {
        let mut world = World::with(0, history.seed, |_| ());
        lean::slim(&world);
        world.calls_per_20s = 50;
        let watch = Watch::new(world.sandbox.clone(), Limits::new(world.calls_per_20s, 5), verbose);
        world.watch = Some(watch.clone());
        Self { world, names: history.names(), watch, steps: Vec::new(), cycles: 0, ahead_s: 0 }
    }

    async fn all(&mut self, history: &History) -> Result<Passed, Box<Failure>> {
        for step in &history.settings {
            self.step(step.clone()).await;
        }
        for event in &history.given {
            self.event(event).await;
        }
        for step in &history.moves {
            match step {
                Move::Event(event) => self.event(event).await,
                Move::Step(step) => self.step(step.clone()).await,
                Move::Cycle { meanwhile, kill } => {
                    let resolved = meanwhile.iter().filter_map(|(at, event)| Some((*at, event.resolve(&self.world, &self.names)?)));
                    let meanwhile = resolved.map(|(at, operation)| Meanwhile { at, operations: vec![operation] }).collect();
                    self.cycle(Cycle { kill: *kill, meanwhile, ..Cycle::default() }).await;
                }
            }
            self.check()?;
        }
        self.settle().await?;
        Ok(Passed { trace: self.watch.trace(), cycles: self.cycles })
    }

    async fn event(&mut self, event: &super::event::Event) {
        if let Some(operation) = event.resolve(&self.world, &self.names) {
            // People take longer than a second.
            self.world.pass(Duration::from_secs(2)).await;
            self.step(Step::Do(vec![operation])).await;
        }
    }

    /// Does a step; what can't be done changes nothing.
    async fn step(&mut self, step: Step) {
        self.watch.note(&shown(&step));
        match &step {
            Step::Do(operations) => operations.iter().for_each(|operation| self.notice(operation)),
            Step::Jump(seconds) => {
                self.ahead_s += seconds;
                self.watch.clock_was_set();
            }
            Step::Cycle(_)
            | Step::Pass(_)
            | Step::Fault(_)
            | Step::Latency(_)
            | Step::Heal
            | Step::Ask(_)
            | Step::Expire { .. }
            | Step::Configure(_)
            | Step::Emulators(_) => {}
        }
        if self.world.perform(step.clone()).await.is_ok() {
            self.steps.push(step);
        }
        self.note_foreign();
    }

    fn notice(&self, operation: &Operation) {
        self.watch.notice(operation);
    }

    /// Notes the persons that web forms and others have made.
    fn note_foreign(&self) {
        let marker = |lead: &serde_json::Map<String, serde_json::Value>| {
            lead.get("originalSourceInfo").and_then(|_| lead.get("id")).and_then(serde_json::Value::as_i64)
        };
        self.watch.add_foreign(self.world.people().iter().filter_map(marker));
    }

    async fn cycle(&mut self, cycle: Cycle) -> Option<crate::world::Ran> {
        cycle.meanwhile.iter().flat_map(|entry| &entry.operations).for_each(|operation| self.notice(operation));
        self.watch.note(&shown(&Step::Cycle(cycle.clone())));
        // With a percentage of 0 the number alone decides.
        let brake = &self.world.options.brake;
        let limit = (cycle.allow.is_empty() && brake.percent == 0.0).then_some(brake.count);
        self.watch.process_begins(&self.world.options, limit);
        self.cycles += 1;
        let performed = self.world.perform(Step::Cycle(cycle.clone())).await;
        self.steps.push(Step::Cycle(cycle));
        let performed = performed.map_err(|error| self.watch.note(&error)).ok();
        self.watch.process_ends(performed.as_ref().is_some_and(|performed| !performed.died));
        self.note_foreign();
        let ran = performed.and_then(|performed| performed.ran);
        if let Some(ran) = &ran {
            let left = oracle::left(&self.world).await;
            self.watch.note(&format!("{:?} {:?} {left:?}", ran.summary.outcome, ran.error.as_ref().map(ToString::to_string)));
        }
        ran
    }

    fn check(&self) -> Result<(), Box<Failure>> {
        let broken = self.watch.broken();
        if broken.is_empty() { Ok(()) } else { Err(self.failure(broken)) }
    }

    fn failure(&self, broken: Vec<Violation>) -> Box<Failure> {
        Box::new(Failure { broken, lines: self.watch.lines(), steps: self.steps.clone() })
    }

    /// Nothing goes wrong any more, and everything is allowed: a few cycles later both sides are in step, and one more writes nothing.
    async fn settle(&mut self) -> Result<(), Box<Failure>> {
        self.step(Step::Heal).await;
        self.step(Step::Jump(-self.ahead_s)).await;
        self.step(Step::Do(vec![Operation::MarketoUsage { others: 0 }])).await;
        let mut quiet = false;
        for round in 0..SETTLE_MAX {
            // The sweep looks at everybody once a day, a share in each cycle.
            self.step(Step::Pass(if round < 2 { 26 * 3600 } else { 600 })).await;
            let ran = self.cycle(self.allowing()).await;
            self.check()?;
            let Some(ran) = ran else { return Err(self.failure(vec![Violation::new("settle", "a cycle died of itself")])) };
            if let Some(error) = &ran.error {
                if round + 1 == SETTLE_MAX {
                    return Err(self.failure(vec![Violation::new("settle", format!("it goes on failing: {error}"))]));
                }
                continue;
            }
            quiet = round > 1 && ran.written() == 0 && ran.summary.written_back.written == 0;
            if quiet {
                break;
            }
        }
        if !quiet {
            return Err(self.failure(vec![Violation::new("quiet", "it goes on writing")]));
        }
        let differences = oracle::differences(&self.world, &self.watch, &oracle::left(&self.world).await);
        if differences.is_empty() { Ok(()) } else { Err(self.failure(differences)) }
    }

    fn allowing(&self) -> Cycle {
        Cycle { retry_held: true, allow: Harm::ALL.map(|harm| harm.name().to_owned()).to_vec(), ..Cycle::default() }
    }
}

fn shown(step: &impl Serialize) -> String {
    serde_json::to_string(step).unwrap_or_default()
}
