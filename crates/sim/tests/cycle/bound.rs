//! A state belongs to two systems: others are refused before anything is read or sent.

use base::Guid;
use serde_json::json;
use store::{Batch, Store, record::Fact};

use crate::world::World;

const BO: u64 = 0x31;

#[tokio::test(start_paused = true)]
async fn a_state_of_other_systems_is_refused_until_somebody_says_that_they_are_the_same() {
    let mut world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.clean_cycle().await;
    // As if the state had been made with another organization.
    let fence = world.store.acquire("test").await.unwrap();
    let mut batch = Batch::new();
    batch.put(&Fact { name: "bound_to".into(), value: json!({"organization": Guid::from_u128(7), "marketo": "http://marketo.test"}) });
    world.store.commit(fence, batch).await.unwrap();
    world.store.release(fence).await.unwrap();
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    let refused = world.try_cycle().await;
    assert_eq!((refused.summary.exit_code, refused.error.unwrap().code()), (2, "other-systems"));
    assert_eq!((refused.summary.captured.len(), world.to_marketo.all().len()), (0, 0));
    world.allow = vec!["other-systems"];
    world.clean_cycle().await;
    world.allow.clear();
    world.update("contact", BO, json!({"jobtitle": "Chair"}));
    world.clean_cycle().await;
    world.assert_agreed();
}
