//! `demo`: the whole product on two emulators, without any account or set-up. Nothing is left behind.

use std::{collections::BTreeMap, sync::Arc};

use base::{Clock, Object, Secret};
use engine::{Bridge, Summary, bridge::Parts, cycle, options::RunOptions};
use sandbox::{Agreement, Census, Sandbox, activity, agreement, edits};
use store::MemoryStore;
use tokio::sync::oneshot;
use wire::PaceOptions;

use crate::{
    args::Demo,
    exit::{Failure, IN_STEP, OTHER},
    job::until_asked_to_stop,
    printer, watch,
};

/// Runs it.
pub(crate) async fn run(args: Demo) -> Result<u8, Failure> {
    // A later version goes on to serve a dashboard here; until then both ways end the same.
    let _ = args.no_serve;
    let options = sandbox::Options { people: args.people, seed: args.seed, enforce_limits: false, ..sandbox::Options::default() };
    let world = Sandbox::new(options, Clock::system()).map_err(anyhow::Error::from)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = sandbox::start(&world, 0, 0, async {
        let _ = stopped.await;
    })
    .await
    .map_err(anyhow::Error::from)?;
    let census = world.census();
    introduce(&running.ready, &census);
    let bridge = bridge(&running.ready).await?;

    printer::data("\n── First sync: everything is new ──");
    let Some(first) = sync(&bridge).await? else { return Ok(OTHER) };
    let first_agreement = compare(&world);
    printer::data(&format!("{first_agreement}"));

    printer::data("\n── People work: records change in Dynamics, and Marketo sees interesting moments ──");
    make_changes(&world, args.seed)?;
    let bridge = reopen(&bridge);

    printer::data("\n── Second sync: only what changed ──");
    let Some(second) = sync(&bridge).await? else { return Ok(OTHER) };
    let agreement = compare(&world);
    printer::data(&format!("{agreement}"));
    bridge.close().await?;
    let _ = stop.send(());
    running.finished().await.map_err(anyhow::Error::from)?;
    Ok(judge(&census, [&first, &second], [&first_agreement, &agreement]))
}

fn introduce(ready: &sandbox::Ready, census: &Census) {
    printer::data(&format!("Marketo emulator at {}, Dynamics emulator at {}", ready.marketo.base_url, ready.dataverse.url));
    printer::data(&format!(
        "An organisation: {} users, {} accounts, {} leads, {} contacts, {} opportunities, {} connections.",
        census.users, census.accounts, census.leads, census.contacts, census.opportunities, census.connections
    ));
    printer::data(&format!(
        "Some of it is awkward: {} people without e-mail, {} people that web forms have put into Marketo already, {} records owned by teams, {} leads qualified into contacts …",
        census.people_without_email,
        census.web_adoptable + census.web_ambiguous + census.web_upper_case + census.web_braces,
        census.owned_by_team,
        census.leads_qualified
    ));
}

async fn bridge(ready: &sandbox::Ready) -> Result<Bridge, Failure> {
    open(ready, Arc::new(MemoryStore::new())).await
}

async fn open(ready: &sandbox::Ready, store: Arc<MemoryStore>) -> Result<Bridge, Failure> {
    let client = reqwest::Client::builder().no_proxy().build().map_err(anyhow::Error::from)?;
    let transport = wire::transport::network(client);
    let mut options = marketo::Options::new(&ready.marketo.base_url, &ready.marketo.client_id, secret(&ready.marketo.client_secret));
    options.pace = PaceOptions { calls_max: None, in_flight_max: 5, ..PaceOptions::default() };
    let marketo = marketo::Client::new(options, transport.clone()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let credential = dataverse::Credential::ClientSecret {
        client_id: ready.dataverse.client_id.clone(),
        secret: secret(&ready.dataverse.client_secret),
    };
    let mut options = dataverse::Options::new(&ready.dataverse.url, &ready.dataverse.tenant_id, credential);
    options.authority.clone_from(&ready.dataverse.authority);
    let dynamics = dataverse::Client::new(options, transport.clone(), transport).map_err(|error| anyhow::anyhow!("{error}"))?;
    let parts = Parts {
        dynamics,
        marketo,
        store,
        clock: Clock::system(),
        options: engine::Options::default(),
        run: RunOptions::default(),
        progress: watch::progress(),
        quota: engine::Quota::NONE,
    };
    Ok(Bridge::open(parts, "demo").await?)
}

fn secret(text: &str) -> Secret {
    text.to_owned().into()
}

/// A new bridge over the same clients and state, as the next run of `sync` would have it.
fn reopen(bridge: &Bridge) -> Bridge {
    bridge.pass(RunOptions::default(), watch::progress())
}

/// A cycle and its summary; none when it was stopped.
async fn sync(bridge: &Bridge) -> Result<Option<Summary>, Failure> {
    let (summary, error) = until_asked_to_stop(bridge, cycle::run(bridge)).await;
    printer::data(&printer::summary(&summary, printer::width()));
    match error {
        None => Ok(Some(summary)),
        Some(error) => {
            printer::say(&Failure::from(error).to_string());
            Ok(None)
        }
    }
}

/// Compares what both emulators hold, without asking the bridge.
fn compare(world: &Sandbox) -> Agreement {
    agreement::agree(&world.dataverse.state(), &world.marketo.state(), &agreement::Rules::default())
}

fn make_changes(world: &Sandbox, seed: u64) -> Result<(), Failure> {
    let now = world.now();
    let failed = |why: String| Failure::Other(anyhow::anyhow!("the organisation could not be changed: {why}"));
    let mut changed = BTreeMap::new();
    {
        let mut dynamics = world.dataverse.state();
        changed.insert("people edited", edits::edit_people(&mut dynamics, seed, 1.0, now).map_err(failed)?.len());
        changed.insert("records with a new owner", edits::edit_owners(&mut dynamics, seed + 1, 5, now).map_err(failed)?.len());
        changed.insert(
            "connections added, removed or given another role",
            edits::edit_roles(&mut dynamics, seed + 2, 9, now).map_err(failed)?.len(),
        );
    }
    changed.insert("interesting moments and score changes", activity::moments(&mut world.marketo.state(), seed + 3, 40, now).len());
    for (what, count) in changed {
        printer::data(&format!("{count:>5} {what}"));
    }
    Ok(())
}

/// 0 when both sides agree after both syncs and only the records are held that should be.
fn judge(census: &Census, summaries: [&Summary; 2], agreements: [&Agreement; 2]) -> u8 {
    let agree = agreements.iter().all(|agreement| agreement.is_full());
    let held = |summary: &Summary| summary.pushed.values().map(engine::summary::Pushed::held_total).sum::<u64>();
    let expected = census.expected.held_ambiguous;
    let waiting_roles = summaries[0].pushed.get(&Object::Role).map(|pushed| pushed.waiting).unwrap_or_default();
    let only_expected = held(summaries[0]) == expected && summaries.iter().all(|summary| left_elsewhere(summary) == 0);
    printer::data(&format!(
        "\n{} {} records are held, as they should be: several Marketo persons could be each. {} of their roles wait for them.",
        if agree { "Both sides agree." } else { "The sides DIFFER." },
        held(summaries[1]),
        waiting_roles
    ));
    if agree && only_expected { IN_STEP } else { OTHER }
}

/// Records that wait, other than roles of held people.
fn left_elsewhere(summary: &Summary) -> u64 {
    summary.pushed.iter().filter(|(object, _)| **object != Object::Role).map(|(_, pushed)| pushed.waiting).sum()
}
