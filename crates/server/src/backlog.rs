//! What is left in each bridge's outbox, counted now and then.
//!
//! Counting reads all of it, which takes long while a first load is under way; so it takes a small part of the time, whoever asks how often.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::Object;
use engine::push::{Left, left};
use store::{Store, StoreError};
use tokio::{sync::Mutex, time::Instant};

/// A count is good for so long at least.
const GOOD_MIN: Duration = Duration::from_secs(15);

/// And for so many times as long as counting took.
const GOOD_TIMES: u32 = 50;

/// What is left of each object.
pub(crate) type Backlog = Arc<BTreeMap<Object, Left>>;

#[derive(Debug)]
struct Counted {
    backlog: Backlog,
    good_until: Instant,
}

/// The last counts, by bridge.
#[derive(Debug, Default)]
pub(crate) struct Backlogs(Mutex<BTreeMap<String, Counted>>);

impl Backlogs {
    /// What is left of a bridge; none where the state can't be read.
    pub(crate) async fn of(&self, bridge: &str, store: &dyn Store) -> Option<Backlog> {
        let mut known = self.0.lock().await;
        let begun = Instant::now();
        if let Some(counted) = known.get(bridge).filter(|counted| begun < counted.good_until) {
            return Some(counted.backlog.clone());
        }
        match count(store).await {
            Ok(backlog) => {
                let backlog = Arc::new(backlog);
                let good = (begun.elapsed() * GOOD_TIMES).max(GOOD_MIN);
                known.insert(bridge.to_owned(), Counted { backlog: backlog.clone(), good_until: Instant::now() + good });
                Some(backlog)
            }
            Err(error) => {
                tracing::warn!(bridge, %error, "the backlog can't be counted");
                None
            }
        }
    }
}

async fn count(store: &dyn Store) -> Result<BTreeMap<Object, Left>, StoreError> {
    let mut backlog = BTreeMap::new();
    for object in Object::ALL {
        backlog.insert(object, left(store, object).await?);
    }
    Ok(backlog)
}
