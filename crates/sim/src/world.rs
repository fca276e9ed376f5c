//! Both emulators, the state, and cycles over them. Each cycle is a process of its own: new clients, new tokens, the same state.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use base::{Clock, Guid, Object, Timestamp};
use emulator::{Effect, Fault, When};
use engine::{Bridge, Options, Progress, Quota, Summary, SyncError, bridge::Parts, cycle, options::RunOptions, plan::LeftOut};
use futures::{FutureExt, future::BoxFuture};
use marketo_emulator::Object as Theirs;
use sandbox::{Agreement, Sandbox, control::Side};
use serde_json::{Map, Value, json};
use store::MemoryStore;
use tokio::time::Instant;
use wire::{
    Pace, PaceOptions, RetryOptions,
    transport::{Transport, in_process},
};

use crate::{recorder::Recorder, simulation::watch::Watch, tap::Tap};

pub const ANN: u64 = 0x01;
pub const BEN: u64 = 0x02;
pub const FIRM: u64 = 0x21;

/// Both sides and the bridge's state.
pub struct World {
    pub sandbox: Sandbox,
    pub store: MemoryStore,
    pub options: Options,
    /// Held records are tried again in the next cycle.
    pub retry_held: bool,
    /// What the brake lets through in the next cycle.
    pub allow: Vec<&'static str>,
    /// What was written to Marketo.
    pub to_marketo: Recorder,
    /// What was written to Dynamics.
    pub to_dynamics: Recorder,
    pub retry: RetryOptions,
    pub page_rows: u32,
    pub quota: Quota,
    pub calls_per_20s: usize,
    /// The subscription's gate, where several bridges of a process share it.
    pub gate: Option<Pace>,
    /// What every call says, and what happens in its middle.
    pub tap: Tap,
    /// Who watches every call, where somebody does.
    pub watch: Option<Watch>,
    /// Where cycles are planned before they are run: what of the plans was not done.
    pub unplanned: Option<Vec<LeftOut>>,
    clock: Clock,
    /// How far the bridge's own clock is ahead, in seconds.
    ahead_s: Arc<AtomicI64>,
}

/// What a cycle came to.
#[derive(Debug)]
pub struct Ran {
    pub summary: Summary,
    pub error: Option<SyncError>,
}

/// The GUID of a number.
pub fn id(n: u64) -> Guid {
    Guid::from_u128(u128::from(n) << 96 | 0xabcd_4000_8000_0000_0000_0000)
}

/// A JSON object as a map.
pub fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A Dynamics row: an array `["table", number]` is a lookup.
pub fn row(value: Value) -> Map<String, Value> {
    let mut row = Map::new();
    for (name, value) in map(value) {
        let Some(target) = value.as_array() else {
            row.insert(name, value);
            continue;
        };
        row.insert(format!("_{name}_value"), json!(id(target[1].as_u64().unwrap())));
        row.insert(format!("_{name}_value@Microsoft.Dynamics.CRM.lookuplogicalname"), target[0].clone());
    }
    row
}

impl World {
    /// Ann and Ben, who sell, and Ann's account.
    pub fn small() -> Self {
        Self::small_with(|_| ())
    }

    /// The same with other settings of the emulators.
    pub fn small_with(change: impl FnOnce(&mut sandbox::Options)) -> Self {
        let world = Self::with(0, 1, change);
        world.user(ANN, "Ann");
        world.user(BEN, "Ben");
        world.account(FIRM, "Firm");
        world
    }

    /// An organisation of so many people.
    pub fn generated(people: u64, seed: u64) -> Self {
        Self::with(people, seed, |_| ())
    }

    pub fn with(people: u64, seed: u64, change: impl FnOnce(&mut sandbox::Options)) -> Self {
        let (start, begun): (Timestamp, Instant) = ("2026-08-03T12:00:00Z".parse().unwrap(), Instant::now());
        let clock = Clock::from_fn(move || base::time::later(start, begun.elapsed()));
        let mut options = sandbox::Options { people, seed, ..sandbox::Options::default() };
        change(&mut options);
        let sandbox = Sandbox::new(options, clock.clone()).unwrap();
        Self {
            sandbox,
            store: MemoryStore::new(),
            options: Options::default(),
            retry_held: false,
            allow: Vec::new(),
            to_marketo: Recorder::default(),
            to_dynamics: Recorder::default(),
            retry: RetryOptions::default(),
            page_rows: 1000,
            quota: Quota::default(),
            calls_per_20s: 100,
            gate: None,
            tap: Tap::default(),
            watch: None,
            unplanned: None,
            clock,
            ahead_s: Arc::default(),
        }
    }

    /// A bridge as a process that starts now has it.
    pub fn bridge(&self) -> BoxFuture<'_, Bridge> {
        async move {
            let allow = self.allow.iter().map(|what| (*what).to_owned()).collect();
            self.bridge_for(RunOptions { retry_held: self.retry_held, allow, ..RunOptions::default() }).await
        }
        .boxed()
    }

    /// Clients of both sides, as a process that starts now has them.
    pub fn clients(&self) -> (dataverse::Client, marketo::Client) {
        let (theirs, ours) = (self.sandbox.marketo.state().options().clone(), self.sandbox.dataverse.state().options().clone());
        let mut options = marketo::Options::new("http://marketo.test", theirs.client_id, theirs.client_secret.into());
        options.pace = PaceOptions { calls_max: Some(self.calls_per_20s), in_flight_max: 5, ..PaceOptions::default() };
        options.retry = self.retry.clone();
        let transport = self.watched(Side::Marketo, self.to_marketo.over(in_process(self.sandbox.marketo_router())));
        let transport = self.tap.over(Side::Marketo, self.sandbox.clone(), transport);
        let pace = self.gate.as_ref().map_or_else(|| Pace::new(options.pace.clone()), Pace::share);
        let marketo = marketo::Client::within(pace, options, transport).unwrap();
        let credential = dataverse::Credential::ClientSecret { client_id: ours.client_id, secret: ours.client_secret.into() };
        let mut options = dataverse::Options::new("http://dynamics.test", ours.tenant_id, credential);
        options.authority = "http://dynamics.test".into();
        options.retry = self.retry.clone();
        options.page_rows = self.page_rows;
        let transport = self.watched(Side::Dataverse, self.to_dynamics.over(in_process(self.sandbox.dataverse_router())));
        let transport = self.tap.over(Side::Dataverse, self.sandbox.clone(), transport);
        (dataverse::Client::new(options, transport.clone(), transport).unwrap(), marketo)
    }

    /// The same, asked to do this differently.
    pub fn bridge_for(&self, run: RunOptions) -> BoxFuture<'_, Bridge> {
        async move {
            let (dynamics, marketo) = self.clients();
            let parts = Parts {
                dynamics,
                marketo,
                store: Arc::new(self.store.clone()),
                clock: self.own_clock(),
                options: self.options.clone(),
                run,
                progress: Progress::silent(),
                quota: self.quota,
            };
            Bridge::open(parts, "test").await.unwrap()
        }
        .boxed()
    }

    fn watched(&self, side: Side, transport: Transport) -> Transport {
        self.watch.as_ref().map_or(transport.clone(), |watch| watch.over(side, transport))
    }

    /// A cycle, whatever becomes of it. Journals and recorders start anew.
    pub fn try_cycle(&self) -> BoxFuture<'_, Ran> {
        async move {
            self.fresh_records();
            self.tap.disarm();
            let bridge = self.bridge().await;
            let (summary, error) = cycle::run(&bridge).await;
            bridge.close().await.unwrap();
            Ran { summary, error }
        }
        .boxed()
    }

    /// Journals and recorders start anew.
    pub fn fresh_records(&self) {
        self.to_marketo.clear();
        self.to_dynamics.clear();
        self.sandbox.marketo.journal().reset();
        self.sandbox.dataverse.journal().reset();
    }

    /// A cycle that nothing stops.
    pub fn cycle(&self) -> BoxFuture<'_, Ran> {
        async move {
            let ran = self.try_cycle().await;
            assert!(ran.error.is_none(), "{}", ran.error.unwrap());
            ran
        }
        .boxed()
    }

    /// A cycle that leaves nothing.
    pub fn clean_cycle(&self) -> BoxFuture<'_, Ran> {
        async move {
            let ran = self.cycle().await;
            assert_eq!(ran.summary.exit_code, 0, "{:#?}", ran.summary);
            ran
        }
        .boxed()
    }

    pub fn agreement(&self) -> Agreement {
        self.sandbox.agreement()
    }

    /// Both sides agree, and nobody is in Marketo twice.
    #[track_caller]
    pub fn assert_agreed(&self) {
        let agreement = self.agreement();
        assert!(agreement.is_full(), "{agreement}");
        let duplicates = self.sandbox.marketo.state().duplicates();
        assert!(duplicates.is_empty(), "{duplicates:?}");
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock of the bridge's machine, which may be wrong.
    fn own_clock(&self) -> Clock {
        let (clock, ahead_s) = (self.clock.clone(), Arc::clone(&self.ahead_s));
        Clock::from_fn(move || {
            let (now, ahead_s) = (clock.now(), ahead_s.load(Ordering::Relaxed));
            let span = Duration::from_secs(ahead_s.unsigned_abs());
            if ahead_s < 0 { base::time::earlier(now, span) } else { base::time::later(now, span) }
        })
    }

    /// Sets the clock of the bridge's machine on or back; the vendors' don't notice.
    pub fn jump(&self, seconds: i64) {
        self.ahead_s.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Lets so much time pass.
    pub async fn pass(&self, span: Duration) {
        tokio::time::advance(span).await;
    }

    // ── Dynamics ──

    pub fn insert(&self, table: &str, value: Value) -> Guid {
        let now = self.now();
        self.sandbox.dataverse.state().insert(table, row(value), now).unwrap()
    }

    /// Changes a row; the modification date moves on, as it does for people, who take longer than a second.
    pub fn update(&self, table: &str, n: u64, value: Value) {
        let now = self.now();
        self.sandbox.dataverse.state().update(table, id(n), row(value), now).unwrap();
    }

    pub fn delete(&self, table: &str, n: u64) {
        let now = self.now();
        self.sandbox.dataverse.state().delete(table, id(n), now).unwrap();
    }

    pub fn user(&self, n: u64, name: &str) {
        let email = format!("{}@seller.example", name.to_lowercase());
        self.insert(
            "systemuser",
            json!({"systemuserid": id(n), "domainname": email, "firstname": name, "lastname": "Seller", "internalemailaddress": email,
                "isdisabled": false, "accessmode": 0}),
        );
    }

    /// An account of Ann's.
    pub fn account(&self, n: u64, name: &str) {
        self.insert("account", json!({"accountid": id(n), "name": name, "ownerid": ["systemuser", ANN]}));
    }

    /// A contact of Ann's at her account, with more or other columns.
    pub fn contact(&self, n: u64, name: &str, more: Value) {
        let email = format!("{}@buyer.example", name.to_lowercase());
        let mut whole = map(json!({"contactid": id(n), "firstname": name, "lastname": "Buyer", "emailaddress1": email,
            "ownerid": ["systemuser", ANN], "parentcustomerid": ["account", FIRM]}));
        whole.extend(map(more));
        whole.retain(|_, value| !value.is_null());
        self.insert("contact", whole.into());
    }

    /// A lead of Ann's without account, with more or other columns.
    pub fn lead(&self, n: u64, name: &str, more: Value) {
        let email = format!("{}@prospect.example", name.to_lowercase());
        let mut whole =
            map(json!({"leadid": id(n), "lastname": name, "subject": "s", "emailaddress1": email, "ownerid": ["systemuser", ANN]}));
        whole.extend(map(more));
        whole.retain(|_, value| !value.is_null());
        self.insert("lead", whole.into());
    }

    /// An opportunity of Ann's at her account.
    pub fn deal(&self, n: u64, more: Value) {
        let mut whole = map(json!({"opportunityid": id(n), "name": format!("Deal {n:x}"), "ownerid": ["systemuser", ANN],
            "customerid": ["account", FIRM], "statecode": 0, "statuscode": 1}));
        whole.extend(map(more));
        self.insert("opportunity", whole.into());
    }

    pub fn role_name(&self, n: u64, name: &str) {
        self.insert("connectionrole", json!({"connectionroleid": id(n), "name": name}));
    }

    /// A connection from an opportunity to a contact.
    pub fn connect(&self, n: u64, deal: u64, contact: u64, role: Option<u64>) {
        let mut whole = map(json!({"connectionid": id(n), "record1id": ["opportunity", deal], "record2id": ["contact", contact],
            "ownerid": ["systemuser", ANN]}));
        if let Some(role) = role {
            whole.insert("record2roleid".into(), json!(["connectionrole", role]));
        }
        self.insert("connection", whole.into());
    }

    /// A row of Dynamics as it is now.
    pub fn dynamics(&self, table: &str, n: u64) -> Map<String, Value> {
        self.sandbox.dataverse.state().get(table, id(n)).unwrap()
    }

    // ── Marketo ──

    pub fn insert_person(&self, value: Value) -> i64 {
        let now = self.now();
        self.sandbox.marketo.state().insert_lead(map(value), now)
    }

    pub fn insert_record(&self, object: Theirs, value: Value) {
        let now = self.now();
        self.sandbox.marketo.state().insert(object, map(value), now).unwrap();
    }

    pub fn update_person(&self, person: i64, value: Value) {
        let now = self.now();
        assert!(self.sandbox.marketo.state().update_lead(person, map(value), now));
    }

    /// All Marketo persons.
    pub fn people(&self) -> Vec<Map<String, Value>> {
        self.sandbox.marketo.state().leads().collect()
    }

    /// The Marketo ids of a record's persons.
    pub fn persons_of(&self, n: u64) -> Vec<i64> {
        self.sandbox.marketo.state().leads_by_person().remove(&id(n).to_string()).unwrap_or_default()
    }

    /// The one Marketo person of a record.
    #[track_caller]
    pub fn person(&self, n: u64) -> Map<String, Value> {
        let ids = self.persons_of(n);
        assert_eq!(ids.len(), 1, "persons of {n:x}");
        self.sandbox.marketo.state().lead(ids[0]).unwrap()
    }

    /// All records of an object.
    pub fn records(&self, object: Theirs) -> Vec<Map<String, Value>> {
        self.sandbox.marketo.state().rows(object).collect()
    }

    /// The roles of an opportunity: person, text, whether primary; in order.
    pub fn roles(&self, deal: u64) -> Vec<(i64, String, bool)> {
        let deal = json!(id(deal));
        let of_deal = self.records(Theirs::Roles).into_iter().filter(|role| role.get("externalOpportunityId") == Some(&deal));
        let mut roles: Vec<(i64, String, bool)> = of_deal
            .map(|role| {
                (role["leadId"].as_i64().unwrap(), role["role"].as_str().unwrap().to_owned(), role.get("isPrimary") == Some(&json!(true)))
            })
            .collect();
        roles.sort();
        roles
    }

    // ── Trouble ──

    /// From now on this goes wrong with an operation of Marketo; without a number, until it is healed.
    pub fn marketo_fault(&self, operation: &str, effect: Effect, times: Option<u64>) {
        self.sandbox.marketo.faults().add(Fault { when: When::operation(operation), effect, times });
    }

    pub fn dynamics_fault(&self, operation: &str, effect: Effect, times: Option<u64>) {
        self.sandbox.dataverse.faults().add(Fault { when: When::operation(operation), effect, times });
    }

    pub fn heal(&self) {
        self.sandbox.marketo.faults().clear();
        self.sandbox.dataverse.faults().clear();
    }
}

pub fn refuse(code: &str) -> Effect {
    Effect::Refuse { code: code.into(), wait_s: None }
}

impl Ran {
    pub fn pushed(&self, object: Object) -> &engine::summary::Pushed {
        &self.summary.pushed[&object]
    }

    /// Held records of an object, by code.
    pub fn held(&self, object: Object) -> Vec<(String, u64)> {
        self.pushed(object).held.iter().map(|(code, count)| (code.clone(), *count)).collect()
    }

    /// Fields sent of all objects.
    pub fn fields(&self) -> u64 {
        self.summary.pushed.values().map(|pushed| pushed.fields).sum()
    }

    /// Records created, changed or removed in Marketo.
    pub fn written(&self) -> u64 {
        self.summary.pushed.values().map(|pushed| pushed.created + pushed.updated + pushed.removed).sum()
    }

    pub fn marketo_calls(&self) -> u64 {
        self.summary.marketo_calls.values().sum()
    }
}
