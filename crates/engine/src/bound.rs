//! Which two systems a state belongs to.
//!
//! A state that meets other systems than those it was made with would take everything it knows for deleted, and write to people by ids that
//! belong to others. So it remembers both, and refuses others until somebody says that they are the same under a new name.

use base::Guid;
use serde::{Deserialize, Serialize};
use store::{Batch, StoreExt, record::Fact};

use crate::{
    bridge::Bridge,
    error::{Problem, SyncError},
};

const FACT: &str = "bound_to";

/// What lets a state go on with other systems, in [`crate::options::RunOptions::allow`].
pub const OTHER_SYSTEMS: &str = "other-systems";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    /// The organization's own id, which stays when its address changes.
    organization: Guid,
    /// Marketo's address.
    marketo: String,
}

/// Makes sure that the state belongs to the systems that are there, or binds it to them.
///
/// # Errors
/// When it belongs to others, or can't be read.
pub(crate) async fn check(bridge: &Bridge, batch: &mut Batch) -> Result<(), SyncError> {
    // Emulators on this machine come and go with other addresses and ids.
    let (Some(organization), Some(marketo)) = (bridge.dynamics.organization(), bridge.marketo.address()) else { return Ok(()) };
    let now = Bound { organization, marketo };
    let before = bridge.store.read_one::<Fact>(FACT.into()).await?;
    let before = before.and_then(|fact| serde_json::from_value::<Bound>(fact.value).ok());
    match before {
        Some(before) if before == now => return Ok(()),
        Some(before) if !bridge.run.allow.contains(OTHER_SYSTEMS) => {
            return Err(SyncError::Configuration(vec![Problem {
                code: OTHER_SYSTEMS,
                place: "state.url".into(),
                message: format!(
                    "this state belongs to Dynamics organization {} and Marketo {}, and the configuration leads to organization {} and {}; give \
                     the other systems a state of their own, or run `sync --allow {OTHER_SYSTEMS}` once, if they hold the same records under a new \
                     name",
                    before.organization, before.marketo, now.organization, now.marketo
                ),
            }]));
        }
        Some(_) | None => {}
    }
    batch.put(&Fact { name: FACT.into(), value: serde_json::to_value(&now).unwrap_or_default() });
    Ok(())
}
