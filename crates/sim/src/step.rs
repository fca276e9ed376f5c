//! The steps of a history: everything that can happen to both sides and the bridge, as data. Scenarios and the simulation speak it.
//!
//! Ids are final here, GUIDs and Marketo's numbers; the short names of scenarios are resolved before (`names.rs`).

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use base::Guid;
use emulator::{Fault, Latency};
use engine::{
    Bridge, SyncError, cycle, erase,
    held::{
        Selection, dismiss,
        retry::{self, Reach},
    },
    mend,
    options::{PersonParting, RunOptions},
    plan::{self, Carried, LeftOut, Wanted},
    summary::Summary,
};
use sandbox::control::{Expiring, Operation, Settings, Side};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    tap::{Act, Call, Moment, Nth},
    world::{Ran, World},
};

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// People, marketers and other integrations change rows, on either side.
    Do(Vec<Operation>),
    /// A cycle, in a process of its own.
    Cycle(Cycle),
    /// Somebody asks for something besides cycles.
    Ask(Asked),
    /// Time passes, in seconds.
    Pass(u64),
    /// The clock of the bridge's machine is set on or back, in seconds; the vendors' clocks don't notice.
    Jump(i64),
    /// From now on something goes wrong.
    Fault(Trouble),
    /// How long every answer of both sides takes from now on.
    Latency(Option<Latency>),
    /// Nothing goes wrong any more.
    Heal,
    /// Tokens or delta links stop working before their time.
    Expire {
        /// Whose; of delta links always Dynamics'.
        side: Side,
        /// What.
        what: Expiring,
    },
    /// The configuration changes: a merge patch of [`engine::Options`], in which null brings back the default.
    Configure(Map<String, Value>),
    /// The emulators' settings change.
    Emulators(Settings),
}

/// One cycle.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Cycle {
    /// Held records are tried again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retry_held: bool,
    /// What the brake lets through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// The process dies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill: Option<Kill>,
    /// What others do while it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meanwhile: Vec<Meanwhile>,
}

/// A request of somebody's, in a process of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Asked {
    /// What for.
    pub what: Request,
    /// The process dies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<Kill>,
}

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// One person is erased.
    Erase {
        /// A GUID of its, or Marketo's id.
        id: String,
        /// What becomes of it in Marketo, if not what the configuration says.
        #[serde(default)]
        how: Option<PersonParting>,
    },
    /// A held record is let be.
    Dismiss {
        /// Its GUID.
        id: Guid,
        /// Why.
        reason: String,
    },
    /// What is held or dismissed of a record is tried in the next cycle.
    Retry {
        /// Its GUID.
        id: Guid,
    },
    /// A sales person whose e-mail Marketo keeps is made anew.
    MendOwnerEmail {
        /// The user.
        user: Guid,
        /// Who owns everything meanwhile.
        #[serde(default)]
        via: Option<Guid>,
    },
}

/// When the process dies, if the cycle doesn't end before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kill {
    /// A call is about to be made; the side never hears of it.
    Before(Nth),
    /// A side has done what a call asked for; the answer never arrives.
    After(Nth),
    /// After so many polls of the cycle.
    Polls(u64),
    /// After so many milliseconds; answers need a latency then, because nothing else takes time.
    Ms(u64),
}

/// What others do in the middle of a cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meanwhile {
    /// When.
    pub at: Moment,
    /// What.
    #[serde(rename = "do")]
    pub operations: Vec<Operation>,
}

/// A fault and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Of calls to Marketo.
    Marketo(Fault),
    /// Of calls to Dynamics.
    Dynamics(Fault),
}

/// What came of a step.
#[derive(Debug, Default)]
pub struct Performed {
    /// The cycle's summary and error; none where it died, and of other steps.
    pub ran: Option<Ran>,
    /// Whether the process died.
    pub died: bool,
    /// All calls of the cycle.
    pub calls: Vec<Call>,
    /// What each operation of [`Step::Do`] answered: the id of what was made, or null.
    pub made: Vec<Value>,
}

/// A cycle that is planned first and then does what was planned, and what of the plan was left out.
async fn planned(bridge: &Bridge) -> Result<((Summary, Option<SyncError>), Vec<LeftOut>), StepError> {
    let plan = match plan::plan(bridge, Wanted { samples: 0, values: false }).await {
        Ok(plan) => plan,
        Err(error) => {
            let (summary, stopped) = cycle::run(bridge).await;
            let same = stopped.as_ref().is_some_and(|stopped| stopped.code() == error.code());
            return if same {
                Ok(((summary, stopped), Vec::new()))
            } else {
                Err(format!("the plan stops: {error}; the cycle: {stopped:?}"))
            };
        }
    };
    match plan::carry_out(bridge, &plan).await.map_err(|error| error.to_string())? {
        Carried::Out { summary, error, kept } => Ok(((*summary, error), kept.left_out)),
        Carried::Refused(refusal) => Err(format!("the plan is refused: {} {:?}", refusal.reason, refusal.changed)),
    }
}

/// A step that can't be done: the history is wrong, not the bridge.
pub type StepError = String;

impl World {
    /// Does one step. A cycle that stops with an error is an outcome, not an error.
    ///
    /// # Errors
    /// In words, when an operation finds no such row, or the configuration isn't one.
    pub async fn perform(&mut self, step: Step) -> Result<Performed, StepError> {
        match step {
            Step::Do(operations) => {
                let made: Result<Vec<Value>, String> = operations.into_iter().map(|operation| operation.apply(&self.sandbox)).collect();
                return Ok(Performed { made: made?, ..Performed::default() });
            }
            Step::Cycle(cycle) => return self.perform_cycle(cycle).await,
            Step::Ask(asked) => return self.perform_request(asked).await,
            Step::Pass(seconds) => self.pass(Duration::from_secs(seconds)).await,
            Step::Jump(seconds) => self.jump(seconds),
            Step::Fault(Trouble::Marketo(fault)) => drop(self.sandbox.marketo.faults().add(fault)),
            Step::Fault(Trouble::Dynamics(fault)) => drop(self.sandbox.dataverse.faults().add(fault)),
            Step::Latency(latency) => {
                self.sandbox.marketo.faults().set_latency(latency);
                self.sandbox.dataverse.faults().set_latency(latency);
            }
            Step::Heal => self.heal(),
            Step::Expire { side, what } => what.apply(&self.sandbox, side),
            Step::Configure(patch) => self.configure(patch)?,
            Step::Emulators(settings) => settings.apply(&self.sandbox)?,
        }
        Ok(Performed::default())
    }

    /// Changes the options by a merge patch.
    ///
    /// # Errors
    /// In words, where it makes no options.
    pub fn configure(&mut self, patch: Map<String, Value>) -> Result<(), StepError> {
        let mut whole = serde_json::to_value(&self.options).map_err(|error| error.to_string())?;
        merge_patch(&mut whole, Value::Object(patch));
        let secured = std::mem::take(&mut self.options.fields.readable_secured);
        self.options = serde_json::from_value(whole).map_err(|error| format!("the configuration: {error}"))?;
        self.options.fields.readable_secured = secured;
        Ok(())
    }

    async fn perform_cycle(&mut self, asked: Cycle) -> Result<Performed, StepError> {
        let run = RunOptions { retry_held: asked.retry_held, allow: asked.allow.into_iter().collect(), ..RunOptions::default() };
        let is_planned = self.unplanned.is_some();
        let work = async |bridge: &Bridge| if is_planned { planned(bridge).await } else { Ok((cycle::run(bridge).await, Vec::new())) };
        let ended = self.in_a_process(run, asked.kill, asked.meanwhile, work).await?;
        let ran = ended.map(|((summary, error), left_out)| {
            self.unplanned.iter_mut().for_each(|unplanned| unplanned.extend(left_out.iter().cloned()));
            Ran { summary, error }
        });
        Ok(Performed { died: ran.is_none(), ran, calls: self.tap.calls(), ..Performed::default() })
    }

    async fn perform_request(&mut self, asked: Asked) -> Result<Performed, StepError> {
        let ended = match asked.what {
            Request::Erase { id, how } => {
                self.in_a_process(RunOptions::default(), asked.kill, Vec::new(), async |bridge| {
                    let found = erase::find(bridge, &id, how).await.map_err(|error| error.to_string())?;
                    let erasure = found.ok_or_else(|| format!("the state knows nobody with the id {id}"))?;
                    erase::erase(bridge, &erasure).await.map_err(|error| error.to_string())
                })
                .await?
            }
            Request::Dismiss { id, reason } => {
                self.in_a_process(RunOptions::default(), asked.kill, Vec::new(), async |bridge| {
                    let found = dismiss::find(bridge, &[id]).await.map_err(|error| error.to_string())?;
                    if found.records.is_empty() {
                        return Err(format!("nothing of {id} can be dismissed"));
                    }
                    dismiss::dismiss(bridge, &found, "somebody", &reason).await.map_err(|error| error.to_string())
                })
                .await?
            }
            Request::Retry { id } => {
                self.in_a_process(RunOptions::default(), asked.kill, Vec::new(), async |bridge| {
                    retry::retry(bridge, &Selection::of([id]), Reach::Both).await.map(drop).map_err(|error| error.to_string())
                })
                .await?
            }
            Request::MendOwnerEmail { user, via } => {
                self.in_a_process(RunOptions::default(), asked.kill, Vec::new(), async |bridge| {
                    let mending = mend::plan(bridge, user, via).await.map_err(|error| error.to_string())?;
                    mend::mend(bridge, &mending).await.map_err(|error| error.to_string())
                })
                .await?
            }
        };
        Ok(Performed { died: ended.is_none(), calls: self.tap.calls(), ..Performed::default() })
    }

    /// Does something in a process of its own, which may die; nothing then.
    async fn in_a_process<T>(
        &mut self,
        run: RunOptions,
        kill: Option<Kill>,
        meanwhile: Vec<Meanwhile>,
        work: impl AsyncFnOnce(&Bridge) -> Result<T, StepError>,
    ) -> Result<Option<T>, StepError> {
        let mut armed: Vec<(Moment, Act)> = meanwhile.into_iter().map(|entry| (entry.at, Act::Do(entry.operations))).collect();
        let (mut polls, mut span) = (None, None);
        match kill {
            None => {}
            Some(Kill::Before(nth)) => armed.push((Moment::Before(nth), Act::Die)),
            Some(Kill::After(nth)) => armed.push((Moment::After(nth), Act::Die)),
            Some(Kill::Polls(number)) => polls = Some(number),
            Some(Kill::Ms(ms)) => span = Some(Duration::from_millis(ms)),
        }
        self.fresh_records();
        self.tap.arm(armed);
        let bridge = self.bridge_for(run).await;
        let ended = {
            let death = async {
                match span {
                    Some(span) => tokio::time::sleep(span).await,
                    None => self.tap.died().await,
                }
            };
            let run = limited(work(&bridge), polls);
            tokio::select! {
                biased;
                () = death => None,
                ended = run => ended,
            }
        };
        if ended.is_some() {
            bridge.close().await.map_err(|error| error.to_string())?;
        } else {
            drop(bridge);
            self.store = self.store.restart();
        }
        match self.tap.failures() {
            failures if failures.is_empty() => ended.transpose(),
            failures => Err(failures.join("; ")),
        }
    }
}

/// A future that ends with nothing after so many polls.
async fn limited<T>(future: impl Future<Output = T>, polls: Option<u64>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls.unwrap_or(u64::MAX);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// RFC 7396: members replace members, null takes one away, anything else replaces the whole.
pub fn merge_patch(whole: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *whole = patch;
        return;
    };
    if !whole.is_object() {
        *whole = Value::Object(Map::new());
    }
    if let Some(whole) = whole.as_object_mut() {
        for (name, value) in patch {
            if value.is_null() {
                whole.remove(&name);
            } else {
                merge_patch(whole.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}
