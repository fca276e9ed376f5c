//! The client against the emulated environment, in process: same bytes, no sockets, virtual time.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{collections::BTreeSet, time::Duration};

use base::{Clock, Guid, Timestamp};
use dataverse::{
    Batch, BulkAvailable, BulkMessage, Client, ColumnKind, Create, CreateMultiple, Credential, Delete, Filter, Get, Item, Key, List,
    NewValues, Options, Organization, Page, Part, PartOutcome, Query, Relations, Row, Update, UpdateMultiple, Upsert, UpsertMode, WhoAmI,
    bind, is_duplicate_key, is_expired_delta, is_not_tracked, is_stale_version,
};
use dataverse_emulator::State;
use emulator::{Effect, Fault, Served, When};
use serde_json::{Value, json};
use tokio::time::Instant;
use wire::{Class, transport::in_process};

const URL: &str = "http://dynamics.test";

struct World {
    served: Served<State>,
    client: Client,
}

fn clock() -> Clock {
    let (start, begun): (Timestamp, Instant) = ("2026-03-02T09:00:00Z".parse().unwrap(), Instant::now());
    Clock::from_fn(move || base::time::later(start, begun.elapsed()))
}

fn options(secret: &str) -> Options {
    let emulated = dataverse_emulator::Options::default();
    let credential = Credential::ClientSecret { client_id: emulated.client_id, secret: secret.to_owned().into() };
    Options { authority: URL.into(), ..Options::new(URL, emulated.tenant_id, credential) }
}

fn client(served: &Served<State>, options: Options) -> Client {
    let transport = in_process(served.router());
    Client::new(options, transport.clone(), transport).unwrap()
}

fn world() -> World {
    let clock = clock();
    let served = Served::new(State::new(dataverse_emulator::Options::default(), clock.now()), clock, 1);
    let client = client(&served, options(&dataverse_emulator::Options::default().client_secret));
    World { served, client }
}

fn values(value: Value) -> NewValues {
    value.as_object().unwrap().clone()
}

impl World {
    fn insert(&self, table: &str, row: Value) -> Guid {
        let now = self.served.now();
        self.served.state().insert(table, values(row), now).unwrap()
    }

    fn leads(&self, number: usize) -> Vec<Guid> {
        (0..number).map(|at| self.insert("lead", json!({"lastname": format!("Lead {at}"), "subject": "s"}))).collect()
    }

    fn fault(&self, operation: &str, effect: Effect) {
        let when = When { operation: operation.into(), ..When::default() };
        self.served.faults().add(Fault { when, effect, times: Some(1) });
    }

    fn count(&self, table: &str) -> usize {
        self.served.state().count(table)
    }

    fn text(&self, id: Guid, column: &str) -> Option<String> {
        self.served.state().get("lead", id).and_then(|row| row.get(column)?.as_str().map(str::to_owned))
    }

    /// All pages of a listing.
    async fn pages(&self, list: &List) -> Vec<Page> {
        let mut pages = vec![self.client.call(list).await.unwrap()];
        while let Some(next) = pages.last().unwrap().next.clone() {
            pages.push(self.client.call(&list.follow(next)).await.unwrap());
        }
        pages
    }
}

fn tracked(table: &str, columns: &[&str]) -> List {
    List {
        set: format!("{table}s"),
        query: Query::select(columns.iter().copied()),
        annotations: true,
        page_rows: 10,
        track_changes: true,
        id_column: Some(format!("{table}id")),
    }
}

fn keys(pages: &[Page], column: &str) -> BTreeSet<Guid> {
    rows(pages).map(|row| row.guid(column).unwrap()).collect()
}

fn rows(pages: &[Page]) -> impl Iterator<Item = Row> {
    pages.iter().flat_map(|page| page.items.clone()).filter_map(|item| match item {
        Item::Row(row) => Some(row),
        Item::Deleted(_) | Item::Bad(_) => None,
    })
}

fn deleted(page: &Page) -> Vec<Guid> {
    page.items.clone().filter_map(|item| if let Item::Deleted(id) = item { Some(id) } else { None }).collect()
}

#[tokio::test(start_paused = true)]
async fn token_errors_carry_their_number() {
    let World { served, client: good } = world();
    let me = good.call(&WhoAmI).await.unwrap();
    assert_eq!(me.user_id, served.state().fixtures().application_user);
    assert_eq!(me.parallel_hint, Some(8));
    assert_eq!(good.call(&Organization).await.unwrap().delta_retention_days, Some(7));
    let right = options(&dataverse_emulator::Options::default().client_secret);
    let nobody = Credential::ClientSecret { client_id: "00000000-0000-0000-0000-000000000001".into(), secret: "x".to_owned().into() };
    for (options, code) in [
        (options("wrong"), "AADSTS7000215"),
        (Options { tenant_id: "00000000-0000-0000-0000-000000000001".into(), ..right.clone() }, "AADSTS90002"),
        (Options { credential: nobody, ..right }, "AADSTS700016"),
    ] {
        let error = client(&served, options).call(&WhoAmI).await.unwrap_err();
        assert_eq!((error.code(), error.class()), (code, Some(Class::Config)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_followed_to_their_end() {
    let world = world();
    let ids = world.leads(25);
    let list = tracked("lead", &["fullname", "_ownerid_value"]);
    let pages = world.pages(&list).await;
    assert_eq!(pages.len(), 3);
    assert_eq!(keys(&pages, "leadid"), ids.iter().copied().collect());
    assert!(pages[0].tracked && pages[0].delta.is_none() && deleted(&pages[0]).is_empty());
    let owner = rows(&pages).next().unwrap().lookup("ownerid").unwrap();
    assert_eq!(owner.table.as_deref(), Some("systemuser"));

    let delta = pages[2].delta.clone().unwrap();
    world.client.call(&Update { set: "leads".into(), id: ids[3], row: values(json!({"lastname": "Roth"})), if_match: None }).await.unwrap();
    world.client.call(&Delete { set: "leads".into(), id: ids[4], if_match: None }).await.unwrap();
    let follow = dataverse::Follow { track_changes: false, ..list.follow(delta.clone()) };
    let page = world.client.call(&follow).await.unwrap();
    assert_eq!((keys(std::slice::from_ref(&page), "leadid"), deleted(&page)), (BTreeSet::from([ids[3]]), vec![ids[4]]));
    assert!(page.delta.is_some_and(|next| next != delta));

    world.served.state().expire_delta_tokens();
    let error = world.client.call(&follow).await.unwrap_err();
    assert!(is_expired_delta(&error) && !is_not_tracked(&error), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_untracked_table_says_so() {
    let world = world();
    world.served.state().options_mut().untracked_tables.insert("lead".into());
    let told = match world.client.call(&tracked("lead", &["fullname"])).await {
        Ok(page) => !page.tracked,
        Err(error) => is_not_tracked(&error),
    };
    assert!(told);
    assert!(!world.client.table("lead").await.unwrap().change_tracking);
}

#[tokio::test(start_paused = true)]
async fn queries_mean_what_they_say() {
    let world = world();
    let ids = world.leads(6);
    let odd = world.insert("lead", json!({"lastname": "O'Neil & Co+50%", "subject": "Zoë"}));
    let found = async |filter: Filter| {
        let query = Query { order_by: vec!["leadid".into()], count: true, ..Query::select(["lastname"]).filter(filter) };
        let list = List { set: "leads".into(), query, page_rows: 4, id_column: Some("leadid".into()), ..List::default() };
        let pages = world.pages(&list).await;
        assert_eq!(pages[0].count, Some(keys(&pages, "leadid").len() as u64));
        keys(&pages, "leadid")
    };
    assert_eq!(found(Filter::any_of("leadid", &ids)).await, ids.iter().copied().collect());
    assert_eq!(found(Filter::within("leadid", &ids[..2])).await, ids[..2].iter().copied().collect());
    assert_eq!(found(Filter::eq("lastname", "O'Neil & Co+50%").and(Filter::eq("subject", "zoë"))).await, BTreeSet::from([odd]));
    assert_eq!(found(Filter::eq("leadid", odd).negated().and(Filter::ge("modifiedon", world.served.now()))).await.len(), 6);
    let nothing = List { set: "leads".into(), query: Query::default().filter(Filter::any_of("leadid", &[])), ..List::default() };
    assert!(matches!(world.client.call(&nothing).await, Err(wire::CallError::Unwritable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_row_stays_deleted() {
    let world = world();
    let id = world.leads(1)[0];
    let row = world.client.call(&Get { set: "leads".into(), id, select: vec!["lastname".into()] }).await.unwrap();
    let update = |if_match| Update { set: "leads".into(), id, row: values(json!({"jobtitle": "CTO"})), if_match };
    world.client.call(&update(row.etag.clone())).await.unwrap();
    assert!(is_stale_version(&world.client.call(&update(row.etag)).await.unwrap_err()));
    let delete = Delete { set: "leads".into(), id, if_match: None };
    world.client.call(&delete).await.unwrap();
    assert_eq!(world.client.call(&update(None)).await.unwrap_err().class(), Some(Class::Missing));
    assert_eq!(world.client.call(&delete).await.unwrap_err().class(), Some(Class::Missing));
    assert_eq!(world.count("lead"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_bad_row_undoes_a_bulk_call() {
    let world = world();
    let ids = world.leads(3);
    let target = |id: Guid| (id, values(json!({"jobtitle": "CTO"})));
    let mut update = UpdateMultiple {
        set: "leads".into(),
        table: "lead".into(),
        id_column: "leadid".into(),
        targets: vec![target(ids[0]), target(Guid::from_u128(1)), target(ids[1])],
    };
    assert_eq!(world.client.call(&update).await.unwrap_err().class(), Some(Class::Missing));
    assert_eq!(world.text(ids[0], "jobtitle"), None);
    update.targets.remove(1);
    world.client.call(&update).await.unwrap();
    assert_eq!(world.text(ids[1], "jobtitle").as_deref(), Some("CTO"));

    let targets = vec![values(json!({"lastname": "A"})), values(json!({"lastname": "B"}))];
    let create = CreateMultiple { set: "leads".into(), table: "lead".into(), id_column: "leadid".into(), targets };
    let made = world.client.call(&create).await.unwrap();
    assert_eq!((made.len(), world.text(made[1], "lastname").as_deref()), (2, Some("B")));
    for (table, has) in [("lead", true), ("connection", false)] {
        let available = BulkAvailable { message: BulkMessage::Update, table: table.into() };
        assert_eq!(world.client.call(&available).await.unwrap(), has, "{table}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_tells_of_each_part() {
    let world = world();
    let ids = world.leads(4);
    let update = |id: Guid, title: &str| Update { set: "leads".into(), id, row: values(json!({"jobtitle": title})), if_match: None };
    let get = Get { set: "leads".into(), id: ids[0], select: vec!["jobtitle".into()] };
    let gone = Guid::from_u128(9);
    let request = |update: Update| wire::Endpoint::request(&update).unwrap();
    let parts = vec![
        Part::single(&update(ids[0], "a")).unwrap(),
        Part::single(&update(gone, "b")).unwrap(),
        Part::ChangeSet(vec![request(update(ids[1], "c")), request(update(gone, "c"))]),
        Part::ChangeSet(vec![request(update(ids[2], "d")), request(update(ids[3], "d"))]),
        Part::single(&get).unwrap(),
    ];
    let mut batch = Batch { parts, continue_on_error: true };
    let outcomes = world.client.call(&batch).await.unwrap();
    let classes: Vec<Option<Class>> = outcomes.iter().map(|outcome| outcome.error().and_then(wire::CallError::class)).collect();
    assert_eq!(classes, [None, Some(Class::Missing), Some(Class::Missing), None, None]);
    let PartOutcome::Single(Ok(answer)) = &outcomes[4] else { panic!("{outcomes:?}") };
    assert_eq!(wire::Endpoint::decode(&get, answer).unwrap().text("jobtitle"), Some("a"));
    assert_eq!((world.text(ids[1], "jobtitle"), world.text(ids[3], "jobtitle").as_deref()), (None, Some("d")));

    batch.continue_on_error = false;
    let outcomes = world.client.call(&batch).await.unwrap();
    assert!(
        matches!(outcomes[1], PartOutcome::Single(Err(_))) && outcomes[2..].iter().all(|outcome| matches!(outcome, PartOutcome::NotRun))
    );
}

#[tokio::test(start_paused = true)]
async fn troubles_on_the_way_are_overcome() {
    let world = world();
    let id = world.leads(1)[0];
    let get = Get { set: "leads".into(), id, select: vec!["lastname".into()] };
    let refuse = |code: &str| Effect::Refuse { code: code.into(), wait_s: None };
    for effect in [Effect::Truncate, Effect::DropBefore, Effect::DropAfter, Effect::Html, refuse("503"), refuse("500"), refuse("504")] {
        world.served.journal().reset();
        world.fault("lead.get", effect.clone());
        assert_eq!(world.client.call(&get).await.unwrap().text("lastname"), Some("Lead 0"), "{effect:?}");
        assert_eq!(world.served.journal().count("lead.get"), 2, "{effect:?}");
    }
    world.served.journal().reset();
    world.served.state().revoke_tokens();
    world.client.call(&get).await.unwrap();
    assert_eq!(world.served.journal().count("token"), 1, "a revoked token is renewed once");
}

#[tokio::test(start_paused = true)]
async fn one_throttled_call_stops_all() {
    let world = world();
    let ids = world.leads(3);
    world.client.call(&WhoAmI).await.unwrap();
    world.fault("lead.get", Effect::Refuse { code: "429".into(), wait_s: Some(30) });
    let begun = Instant::now();
    let calls = ids.iter().map(|id| {
        let client = world.client.clone();
        let get = Get { set: "leads".into(), id: *id, select: vec!["lastname".into()] };
        async move { client.call(&get).await }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let waited = begun.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(90)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_row() {
    let world = world();
    let own = Guid::from_u128(0x7eb6);
    let row = values(json!({"lastname": "Roth"}));
    let with_key = Create { set: "leads".into(), own_id: Some(("leadid".into(), own)), row: row.clone(), representation: vec![] };
    world.fault("lead.create", Effect::DropAfter);
    let error = world.client.call(&with_key).await.unwrap_err();
    assert!(is_duplicate_key(&error), "{error}");
    world.fault("lead.create", Effect::DropAfter);
    let without = Create { own_id: None, ..with_key };
    assert!(world.client.call(&without).await.is_err());
    assert_eq!(world.count("lead"), 2);
    let created = world.client.call(&without).await.unwrap();
    assert!(world.served.state().get("lead", created.id).is_some());
}

#[tokio::test(start_paused = true)]
async fn lookups_and_keys_are_written() {
    let world = world();
    let account = world.insert("account", json!({"name": "Fabrikam", "accountnumber": "A-1"}));
    let id = world.leads(1)[0];
    let relations = world.client.call(&Relations { table: "lead".into() }).await.unwrap();
    let relation = relations.iter().find(|relation| relation.column == "parentaccountid").unwrap();
    assert_eq!(relation.target, "account");
    let row = NewValues::from_iter([bind(&relation.navigation, "accounts", account).unwrap()]);
    world.client.call(&Update { set: "leads".into(), id, row, if_match: None }).await.unwrap();
    let lead = world.client.call(&Get { set: "leads".into(), id, select: vec!["_parentaccountid_value".into()] }).await.unwrap();
    assert_eq!(lead.lookup("parentaccountid").unwrap().id, account);
    let wrong = NewValues::from_iter([bind("ParentAccountId", "accounts", account).unwrap()]);
    let error = world.client.call(&Update { set: "leads".into(), id, row: wrong, if_match: None }).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("0x80048d19", Some(Class::Bug)));

    world.served.state().add_key("account", "number", &["accountnumber"]).unwrap();
    let mut upsert = Upsert {
        set: "accounts".into(),
        key: Key::Alternate(vec![("accountnumber".into(), "A-1".into())]),
        row: values(json!({"name": "Fabrikam Inc."})),
        mode: UpsertMode::CreateOrUpdate,
        representation: vec!["accountid".into()],
    };
    let upserted = world.client.call(&upsert).await.unwrap();
    assert_eq!((upserted.id, upserted.created), (Some(account), Some(false)));
    upsert.mode = UpsertMode::CreateOnly;
    assert!(is_duplicate_key(&world.client.call(&upsert).await.unwrap_err()));
    upsert.key = Key::Alternate(vec![("accountnumber".into(), "A-2".into())]);
    assert_eq!(world.client.call(&upsert).await.unwrap().created, Some(true));
    upsert = Upsert { key: Key::Id(Guid::from_u128(5)), mode: UpsertMode::UpdateOnly, ..upsert };
    assert_eq!(world.client.call(&upsert).await.unwrap_err().class(), Some(Class::Missing));
}

#[tokio::test(start_paused = true)]
async fn a_table_is_described() {
    let world = world();
    let lead = world.client.table("lead").await.unwrap();
    assert_eq!((lead.set_name.as_str(), lead.primary_id.as_str(), lead.primary_name.as_deref()), ("leads", "leadid", Some("fullname")));
    assert!(lead.change_tracking);
    assert_eq!((&lead.columns["subject"].kind, lead.columns["subject"].max_length), (&ColumnKind::String, Some(300)));
    assert!(lead.columns["leadsourcecode"].options.contains(&(8, "Web".into())));
    assert_eq!(lead.columns["statecode"].options.len(), 3);
    assert_eq!(lead.columns["parentaccountid"].targets, ["account"]);
    let moment = lead.labelled("last interesting moment type");
    assert_eq!((moment.len(), moment[0].max_length), (1, Some(100)));
    let contact = world.client.table("contact").await.unwrap();
    assert_eq!(contact.columns["birthdate"].kind, ColumnKind::DateTime { date_only: true });
    assert_eq!(contact.columns["createdon"].kind, ColumnKind::DateTime { date_only: false });
    assert_eq!(contact.columns["donotemail"].options.len(), 2);
    let mut targets = contact.columns["parentcustomerid"].targets.clone();
    targets.sort();
    assert_eq!(targets, ["account", "contact"]);
    world.served.state().secure_column("lead", "mobilephone", true).unwrap();
    assert!(world.client.table("lead").await.unwrap().columns["mobilephone"].secured);
    assert_eq!(world.client.table("ledas").await.unwrap_err().class(), Some(Class::Missing));
    let selectable: Vec<String> = lead
        .columns
        .values()
        .filter(|column| column.readable && column.attribute_of.is_none())
        .map(dataverse::Column::selected_as)
        .collect();
    let list = List { set: "leads".into(), query: Query::select(selectable), page_rows: 1, ..List::default() };
    world.client.call(&list).await.unwrap();
}
