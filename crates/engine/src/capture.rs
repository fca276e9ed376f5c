//! Reads what changed in Dynamics into the outbox.
//!
//! Tables are read in an order in which what others need comes first: users, teams and role names before the records they own or
//! name. A page's rows are mapped and compared, and what differs goes into the outbox in the same commit as the rows' links. The cursor
//! moves only after all pages of a feed are saved, so that a process that dies reads some rows twice and misses none.

mod apply;
mod known;
mod left;
mod record;
mod stands_for;
mod company;
mod feed;
mod first_load;
mod gone;
mod refetch;
mod sources;

use base::Table;
use store::{StoreExt, record::Refetch};

use crate::{bridge::Bridge, error::SyncError, held::dismissed, prepare::Prepared};

pub use apply::Context;
pub(crate) use company::climb;
pub use first_load::{find_gone, first_load, is_first};
pub(crate) use gone::dirty_by;
pub(crate) use known::{ERASED_FACT, erased};
pub(crate) use record::EMAIL_FACT;

/// Reads all tables, then whatever has to be read again because of them.
///
/// # Errors
/// When Dynamics can't be read or the state can't be written.
pub async fn capture(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let mut context = Context::load(bridge, prepared).await?;
    for table in Table::ALL {
        if prepared.tables.contains_key(&table) {
            feed::read(&mut context, table).await?;
        }
    }
    dismissed::wake(bridge).await?;
    refetch::drain(&mut context).await?;
    context.keep_intents().await
}

/// Reads again what has turned out, while sending, to need it; whether there was anything.
///
/// # Errors
/// As [`capture`].
pub async fn again(bridge: &Bridge, prepared: &Prepared) -> Result<bool, SyncError> {
    let woken = dismissed::wake(bridge).await?;
    if bridge.store.list::<Refetch>(&[], None, 1).await?.is_empty() {
        return Ok(woken);
    }
    let mut context = Context::load(bridge, prepared).await?;
    refetch::drain(&mut context).await?;
    context.keep_intents().await?;
    Ok(true)
}
