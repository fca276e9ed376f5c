//! A stranger's Marketo and Dynamics: every behaviour that the vendors leave open, one by one, both ways.

use std::time::Duration;

use dataverse_emulator::{
    Options as Dynamics,
    options::{ClosedRows, DeltaStamp, MergedLead, RetryAfter},
};
use marketo_emulator::options::{
    ActivityTokens, Codes, CompanyFields, EmptyResult, EmptyText, ErrorLevel, MergeIds, Nulls, Options as Marketo, Overlong, ReadOnly,
    RelativeScoreName, Throttle, UnknownLead, UnknownParent, Unlink, UrgencyName, Warnings,
};
use sandbox::edits;

use crate::world::{Ran, World};

const PEOPLE: u64 = 40;
/// More than any delay in the tables below.
const LAG: Duration = Duration::from_secs(90);

type Change<T> = (&'static str, fn(&mut T));

/// Hold codes that a stranger's Marketo may bring about, as documented.
const EXPECTED_CODES: [&str; 3] = ["ambiguous", "no-email-of-its-own", "two-persons"];

const MARKETO: &[Change<Marketo>] = &[
    ("as it is", |_| ()),
    ("throttled with 429", |o| (o.throttle_status, o.rate_max) = (429, 12)),
    ("throttled with 503", |o| (o.throttle_status, o.rate_max) = (503, 12)),
    ("throttled with 200", |o| o.rate_max = 12),
    ("three in flight", |o| o.concurrency_max = 3),
    ("short tokens", |o| (o.token_life_s, o.expires_in_zero) = (90, 2)),
    ("empty text ignored", |o| o.empty_text = EmptyText::Ignored),
    ("unlink ignored", |o| o.company_unlink = Unlink::Ignore),
    ("company fields spread", |o| o.company_fields = CompanyFields::Spread),
    ("company fields refused", |o| o.company_fields = CompanyFields::Refused),
    ("dangling links accepted", |o| o.accept_dangling = true),
    ("unknown owner by record", |o| o.unknown_owner = ErrorLevel::Record),
    ("only relativeScore", |o| o.relative_score = RelativeScoreName::Score),
    ("only relativeScoring", |o| o.relative_score = RelativeScoreName::Scoring),
    ("only relativeUrgency", |o| o.urgency = UrgencyName::Relative),
    ("overlong cut", |o| o.overlong = Overlong::Truncate),
    ("read-only ignored", |o| o.read_only = ReadOnly::Ignore),
    ("msi in lead changes", |o| o.msi_in_lead_changes = true),
    ("merge losers deleted", |o| (o.merge_losers_deleted, o.merge_ids) = (true, MergeIds::Array)),
    ("activities late", |o| o.activity_delay_s = 30),
    ("reads late", |o| o.read_lag_s = 45),
    ("upsert race", |o| o.upsert_race = true),
    ("unknown lead is empty", |o| o.unknown_lead = UnknownLead::Empty),
    ("pages of 30", |o| o.page_size_max = Some(30)),
    ("pages of 7 with empty ones", |o| (o.page_size_max, o.empty_pages) = (Some(7), true)),
    ("empty pages", |o| o.empty_pages = true),
    ("nulls left out", |o| o.nulls = Nulls::Omitted),
    ("currency as text", |o| o.currency_as_text = true),
    ("offset datetimes", |o| o.offset_datetimes = true),
    ("case-sensitive keys", |o| o.case_sensitive_keys = true),
    ("no lookup by external id", |o| o.external_person_id_lookup = false),
    ("partitions", |o| o.partitions = vec!["Default".into(), "Europe".into()]),
    ("a gateway throttles", |o| {
        (o.throttle, o.throttle_status, o.throttle_retry_after_s, o.rate_max) = (Throttle::Plain, 503, Some(7), 12)
    }),
    ("numeric codes", |o| o.codes = Codes::Number),
    ("nothing found is no result", |o| o.empty_result = EmptyResult::Absent),
    ("nothing found is an error", |o| o.empty_result = EmptyResult::NoData),
    ("warnings in words", |o| o.warnings = Warnings::Texts),
    ("padded GUIDs", |o| o.padded_guids = true),
    ("ids as text, no seq", |o| (o.ids_as_text, o.omit_seq) = (true, true)),
    ("tokens are times and activities late", |o| (o.activity_tokens, o.activity_delay_s) = (ActivityTokens::Dates, 60)),
    ("e-mails of sales persons refused", |o| o.sales_person_email_refused = true),
    ("unknown parents are wrong data", |o| o.unknown_parent = UnknownParent::Invalid),
    ("all that is only shape", |o| {
        (o.nulls, o.currency_as_text, o.offset_datetimes, o.empty_pages, o.page_size_max) = (Nulls::Omitted, true, true, true, Some(11));
    }),
];

const DYNAMICS: &[Change<Dynamics>] = &[
    ("few requests", |o| (o.limit_requests, o.limit_concurrent) = (120, 4)),
    ("few requests, no wait named", |o| (o.limit_concurrent, o.retry_after) = (2, RetryAfter::Absent)),
    ("no parallelism hint", |o| o.dop_hint = None),
    ("a hint of one", |o| o.dop_hint = Some(1)),
    ("pages of 7", |o| o.page_max = 7),
    ("connections untracked", |o| o.track_connections = false),
    ("roles untracked", |o| o.track_connection_roles = false),
    ("everything untracked", |o| {
        (o.track_connections, o.track_connection_roles, o.page_max) = (false, false, 20);
        o.untracked_tables = ["systemuser", "team", "account", "lead", "contact", "opportunity"].map(str::to_owned).into();
    }),
    ("token at the start", |o| o.delta_stamp = DeltaStamp::Start),
    ("no delta link with annotations", |o| o.omit_delta_link_with_annotations = true),
    ("delta pages repeat", |o| (o.repeat_between_delta_pages, o.page_max) = (true, 9)),
    ("pages repeat", |o| (o.repeat_between_pages, o.page_max) = (true, 9)),
    ("closed leads writable", |o| o.closed_leads = ClosedRows::Accept),
    ("closed others writable", |o| o.closed_others = ClosedRows::Accept),
    ("merged leads cancelled", |o| o.merged_lead = MergedLead::Canceled),
    ("long text accepted", |o| o.reject_long_text = false),
    ("cascades unseen", |o| o.cascades_move_modifiedon = false),
    ("no bulk at all", |o| o.no_bulk.extend(["contact", "lead"].map(str::to_owned))),
    ("metadata late", |o| o.metadata_lag_s = 30),
    ("short tokens", |o| o.token_life_s = 360),
];

fn stir(world: &World, seed: u64) {
    let now = world.now();
    {
        let mut dynamics = world.sandbox.dataverse.state();
        edits::edit_people(&mut dynamics, seed, 10.0, now).unwrap();
        edits::edit_owners(&mut dynamics, seed + 1, 4, now).unwrap();
        edits::edit_roles(&mut dynamics, seed + 2, 6, now).unwrap();
    }
    sandbox::activity::moments(&mut world.sandbox.marketo.state(), seed + 3, 10, now);
}

/// What is held, by code, of all objects.
fn codes(ran: &Ran) -> Vec<String> {
    ran.summary.pushed.values().flat_map(|pushed| pushed.held.keys().cloned()).collect()
}

async fn lives(name: &str, world: World) {
    world.cycle().await;
    stir(&world, 500);
    // What lags behind is there by then.
    world.pass(LAG).await;
    world.cycle().await;
    world.pass(LAG).await;
    let last = world.cycle().await;
    let unexpected: Vec<String> = codes(&last).into_iter().filter(|code| !EXPECTED_CODES.contains(&code.as_str())).collect();
    assert!(unexpected.is_empty(), "{name}: held {unexpected:?}");
    let agreement = world.agreement();
    // Those who can't be created are held, and what belongs to them is missing.
    let excused = codes(&last).iter().any(|code| code == "no-email-of-its-own");
    assert!(agreement.is_full() || excused, "{name}: {agreement}");
    let duplicates = world.sandbox.marketo.state().duplicates();
    assert!(duplicates.is_empty(), "{name}: {duplicates:?}");
    assert_eq!((last.written(), last.summary.written_back.written), (0, 0), "{name}: at rest");
}

async fn all_of<T>(changes: &[Change<T>], set: impl Fn(&mut sandbox::Options, fn(&mut T))) {
    for (seed, (name, change)) in (100..).zip(changes) {
        lives(name, World::with(PEOPLE, seed, |options| set(options, *change))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_s_marketo_in_limits_and_rules() {
    all_of(&MARKETO[..MARKETO.len() / 2], |options, change| change(&mut options.marketo)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_s_marketo_in_shapes_and_delays() {
    all_of(&MARKETO[MARKETO.len() / 2..], |options, change| change(&mut options.marketo)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_s_dynamics_in_limits_and_feeds() {
    all_of(&DYNAMICS[..DYNAMICS.len() / 2], |options, change| change(&mut options.dataverse)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_s_dynamics_in_rules() {
    all_of(&DYNAMICS[DYNAMICS.len() / 2..], |options, change| change(&mut options.dataverse)).await;
}
