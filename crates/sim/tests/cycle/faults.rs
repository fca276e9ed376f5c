//! R11 and R3 under bad weather: whatever goes wrong with a share of the calls, a few cycles later both sides agree and nobody is there twice.

use emulator::{Effect, Fault, When};
use sandbox::edits;

use crate::world::{Ran, World, refuse};

const PEOPLE: u64 = 40;

fn effects() -> Vec<(&'static str, Effect)> {
    vec![
        ("refuse 606", refuse("606")),
        ("refuse 615", refuse("615")),
        ("refuse 611", refuse("611")),
        ("refuse 604", refuse("604")),
        ("refuse 601", refuse("601")),
        ("refuse 602", refuse("602")),
        ("refuse 502", refuse("502")),
        ("refuse 503", refuse("503")),
        ("refuse 429", refuse("429")),
        ("drop before", Effect::DropBefore),
        ("drop after", Effect::DropAfter),
        ("truncate", Effect::Truncate),
        ("html", Effect::Html),
        ("hang", Effect::Hang { ms: 2_000, applied: false }),
        ("hang applied", Effect::Hang { ms: 2_000, applied: true }),
        ("hang for minutes", Effect::Hang { ms: 400_000, applied: true }),
    ]
}

fn stir(world: &World, seed: u64) {
    let now = world.now();
    {
        let mut dynamics = world.sandbox.dataverse.state();
        edits::edit_people(&mut dynamics, seed, 10.0, now).unwrap();
        edits::edit_owners(&mut dynamics, seed + 1, 4, now).unwrap();
        edits::edit_roles(&mut dynamics, seed + 2, 4, now).unwrap();
    }
    sandbox::activity::moments(&mut world.sandbox.marketo.state(), seed + 3, 10, now);
}

/// Nobody is held for the weather's sake: only who is somebody else's look-alike, by the organisation's making.
fn assert_held_for_good_reasons(name: &str, ran: &Ran) {
    for (object, pushed) in &ran.summary.pushed {
        assert!(pushed.held.keys().all(|code| code == "ambiguous"), "{name}, {}: {:?}", object.name(), pushed.held);
    }
}

/// Cycles in bad weather, with life going on, then one in good weather.
async fn weather(name: &str, seed: u64, marketo: Option<&Effect>, dynamics: Option<&Effect>, percent: f64) {
    let world = World::generated(PEOPLE, seed);
    let fault = |effect: &Effect| Fault { when: When { percent: Some(percent), ..When::default() }, effect: effect.clone(), times: None };
    if let Some(effect) = marketo {
        world.sandbox.marketo.faults().add(fault(effect));
    }
    if let Some(effect) = dynamics {
        world.sandbox.dataverse.faults().add(fault(effect));
    }
    for round in 0..2 {
        world.try_cycle().await;
        let duplicates = world.sandbox.marketo.state().duplicates();
        assert!(duplicates.is_empty(), "{name}, round {round}: {duplicates:?}");
        stir(&world, seed * 100 + round * 10);
    }
    world.heal();
    let calm = world.cycle().await;
    assert_held_for_good_reasons(name, &calm);
    let last = world.cycle().await;
    let agreement = world.agreement();
    assert!(agreement.is_full(), "{name}: {agreement}\n{:?}", last.summary.pushed);
    assert_eq!(last.written(), 0, "{name}");
    let duplicates = world.sandbox.marketo.state().duplicates();
    assert!(duplicates.is_empty(), "{name}: {duplicates:?}");
}

#[tokio::test(start_paused = true)]
async fn marketo_in_bad_weather() {
    for (seed, (name, effect)) in (1..).zip(effects()) {
        weather(&format!("Marketo, {name}"), seed, Some(&effect), None, 15.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn dynamics_in_bad_weather() {
    let not_marketos = |name: &str| !["606", "615", "611", "604", "601", "602"].iter().any(|code| name.ends_with(code));
    for (seed, (name, effect)) in (31..).zip(effects().into_iter().filter(|(name, _)| not_marketos(name))) {
        weather(&format!("Dynamics, {name}"), seed, None, Some(&effect), 10.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn everything_at_once_on_both_sides() {
    for seed in 60..62 {
        let world = World::generated(PEOPLE, seed);
        for (_, effect) in effects() {
            let fault = Fault { when: When { percent: Some(2.0), ..When::default() }, effect, times: None };
            world.sandbox.marketo.faults().add(fault.clone());
            if !matches!(&fault.effect, Effect::Refuse { code, .. } if code.starts_with('6')) {
                world.sandbox.dataverse.faults().add(fault);
            }
        }
        for round in 0..4 {
            world.try_cycle().await;
            stir(&world, seed * 100 + round * 10);
        }
        world.heal();
        assert_held_for_good_reasons("everything at once", &world.cycle().await);
        world.assert_agreed();
    }
}
