//! Tokens that end, refusals, answers that are cut off or never come.

use std::time::Duration;

use emulator::Effect;
use marketo::{Action, DescribeLeads, SyncLeads};
use serde_json::json;
use wire::{CallError, Class};

use crate::world::{World, client_of, record, timed, world, world_with};

fn sync(action: Action) -> SyncLeads {
    let person = json!({"email": "a@x.example", "firstName": "Ann"});
    SyncLeads { action, lookup_field: "email".into(), records: vec![record(person)], partition: None }
}

async fn described(world: &World) {
    world.client.call(&DescribeLeads).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ended_or_was_forgotten_is_renewed_once() {
    let world = world();
    described(&world).await;
    let now = world.served.now();
    world.served.state().expire_tokens(now);
    described(&world).await;
    world.served.state().revoke_tokens();
    world.client.call(&sync(Action::CreateOrUpdate)).await.unwrap();
    assert_eq!((world.arrived("identity.token"), world.arrived("leads.sync")), (3, 2));
    tokio::time::advance(Duration::from_secs(3700)).await;
    described(&world).await;
    assert_eq!(world.arrived("identity.token"), 4);
    assert_eq!(world.arrived("leads.describe2"), 4, "the end of a token that is known is not found out by a call");
}

#[tokio::test(start_paused = true)]
async fn a_good_token_that_is_refused_once_is_tried_again() {
    for code in ["601", "602"] {
        let world = world();
        described(&world).await;
        world.refuse("leads", code, 1);
        let ((), took) = timed(described(&world)).await;
        assert!(took < Duration::from_secs(10), "{code}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_in_its_last_second_is_waited_out() {
    let world = world_with(|instance| instance.expires_in_zero = 2, |_| ());
    described(&world).await;
    assert_eq!(world.arrived("leads.describe2"), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_for_the_operator() {
    let world = world();
    let client = client_of(&world.served, |options| options.client_secret = "wrong-secret".into());
    let error = client.call(&DescribeLeads).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Some(Class::Config), "invalid_client"));
    assert!(!format!("{error} {error:?} {client:?}").contains("wrong-secret"));
}

#[tokio::test(start_paused = true)]
async fn identity_in_trouble_is_asked_again_even_for_what_must_not_be_repeated() {
    for effect in [Effect::DropBefore, Effect::DropAfter, Effect::Html, Effect::Truncate, Effect::Hang { ms: 90_000, applied: false }] {
        let world = world();
        world.fault("identity", effect.clone(), 2);
        let verdicts = world.client.call(&sync(Action::CreateOrUpdate)).await.unwrap_or_else(|e| panic!("{effect:?}: {e}"));
        assert!(verdicts[0].is_confirmed());
        assert_eq!(world.arrived("leads.sync"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_or_shortly_away_is_sent_again_even_if_it_creates() {
    for (code, at_least) in [("606", 20), ("615", 2), ("608", 0), ("713", 0), ("429", 0)] {
        let world = world();
        world.refuse("leads.sync", code, 2);
        let (answer, took) = timed(world.client.call(&sync(Action::CreateOrUpdate))).await;
        assert!(answer.unwrap()[0].is_confirmed());
        assert!(took >= Duration::from_secs(2 * at_least), "{code}: {took:?}");
        assert_eq!(world.arrived("leads.sync"), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_tried_again_is_not() {
    for (code, class) in [("607", Class::Quota), ("603", Class::Config), ("610", Class::Bug), ("413", Class::Split)] {
        let world = world();
        world.refuse("leads.describe2", code, 1);
        assert_eq!(world.client.call(&DescribeLeads).await.unwrap_err().class(), Some(class), "{code}");
        assert_eq!(world.arrived("leads.describe2"), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_where_that_is_safe() {
    for effect in [Effect::DropBefore, Effect::DropAfter, Effect::Truncate, Effect::Html, Effect::Hang { ms: 5_000, applied: true }] {
        let world = world();
        world.insert_leads(1, |_| json!({"email": "a@x.example"}));
        world.fault("leads", effect.clone(), 2);
        let verdicts = world.client.call(&sync(Action::UpdateOnly)).await.unwrap_or_else(|e| panic!("{effect:?}: {e}"));
        assert!(verdicts[0].is_confirmed());
        assert_eq!((world.arrived("leads.sync"), world.served.state().lead_count()), (3, 1), "{effect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_created_is_sent_once_and_said_to_be_unknown() {
    for (effect, created) in [(Effect::DropBefore, 0), (Effect::DropAfter, 1), (Effect::Truncate, 1), (Effect::Html, 0)] {
        let world = world();
        world.fault("leads", effect.clone(), 1);
        let error = world.client.call(&sync(Action::CreateOrUpdate)).await.unwrap_err();
        let unknown = matches!(&error, CallError::Unanswered(_) | CallError::Garbled(_)) || error.class() == Some(Class::Doubtful);
        assert!(unknown, "{effect:?}: {error:?}");
        assert_eq!((world.arrived("leads.sync"), world.served.state().lead_count()), (1, created), "{effect:?}");
    }
}
