//! Marketo's fields, read anew when it refuses what its describe allowed.
//!
//! Describes are believed for a day. A field that was removed, or made read-only, shows before that as a refusal: of a whole call that names it, or
//! of each record that has it. Then they are read at once, once in a pass, and everything that follows goes without that field.

use futures::{FutureExt, future::BoxFuture};
use store::Batch;

use crate::{
    bridge::Bridge,
    capture::again,
    error::{Side, SyncError},
    prepare::{Prepared, forget_describes, prepare},
    push::push,
    write_back::{self, Left},
};

/// Marketo's codes of a record that has a field it doesn't take: there is none of that name, it isn't to be written or takes no such text, or it is of
/// another type (Adobe, "Error codes").
pub(crate) const FIELD_CODES: [&str; 3] = ["1006", "1003", "1001"];

/// Whether a call was refused because it names a field that isn't there.
fn names_no_field(error: &SyncError) -> bool {
    matches!(error, SyncError::Side { side: Side::Marketo, error } if error.code() == FIELD_CODES[0])
}

/// What follows from Marketo's fields as they are now, where they are others than `prepared` was made of, and there is a reason to look.
///
/// # Errors
/// When a side can't be read, or the configuration doesn't fit any more.
async fn renewed(bridge: &Bridge, prepared: &Prepared, error: Option<&SyncError>) -> Result<Option<Prepared>, SyncError> {
    let may_be_that = error.map_or_else(|| bridge.metadata.were_fields_doubted(), names_no_field);
    if !may_be_that || prepared.fields_are_fresh {
        return Ok(None);
    }
    let mut batch = Batch::new();
    forget_describes(&mut batch);
    bridge.commit(batch).await?;
    let now = prepare(bridge).await?;
    if now.objects == prepared.objects {
        return Ok(None);
    }
    tracing::info!("Marketo's fields have changed; the pass goes on by what they are now");
    Ok(Some(now))
}

/// What a pass goes on with after an error of reading Dynamics: where its tables are others now, all that follows from them.
///
/// # Errors
/// The error, where that isn't why; or when a side can't be read.
pub(crate) async fn made_anew(bridge: &Bridge, prepared: &Prepared, error: SyncError) -> Result<Prepared, SyncError> {
    let error = prepared.explained(bridge, error).await?;
    if matches!(error, SyncError::Stale) { prepare(bridge).await } else { Err(error) }
}

/// Pushes; where Marketo's fields turn out to be others, once more by what they are.
///
/// # Errors
/// As [`push`].
pub(crate) async fn pushed(bridge: &Bridge, prepared: &mut Prepared) -> Result<(), SyncError> {
    let outcome = push(bridge, prepared).await;
    match renewed(bridge, prepared, outcome.as_ref().err()).await? {
        Some(now) => {
            *prepared = now;
            // What was refused is made anew of its row.
            again(bridge, prepared).await?;
            push(bridge, prepared).await
        }
        None => outcome,
    }
}

/// Writes back; where Marketo's fields turn out to be others, once more by what they are.
///
/// # Errors
/// As [`write_back::write_back`].
pub(crate) async fn wrote_back(bridge: &Bridge, prepared: &mut Prepared, left: Left) -> Result<(), SyncError> {
    once_more(bridge, prepared, move |bridge, prepared| write_back::write_back(bridge, prepared, left.clone()).boxed()).await
}

/// The same for those with whom something has just happened.
///
/// # Errors
/// As [`write_back::write_urgent`].
pub(crate) async fn wrote_urgent(bridge: &Bridge, prepared: &mut Prepared) -> Result<(), SyncError> {
    once_more(bridge, prepared, |bridge, prepared| write_back::write_urgent(bridge, prepared).boxed()).await
}

/// The same for everybody.
///
/// # Errors
/// As [`write_back::sweep`].
pub(crate) async fn swept(bridge: &Bridge, prepared: &mut Prepared) -> Result<(), SyncError> {
    once_more(bridge, prepared, |bridge, prepared| write_back::sweep(bridge, prepared).boxed()).await
}

/// Does something; where it fails and Marketo's fields turn out to be others, once more by what they are.
async fn once_more<F>(bridge: &Bridge, prepared: &mut Prepared, act: F) -> Result<(), SyncError>
where
    F: for<'a> Fn(&'a Bridge, &'a Prepared) -> BoxFuture<'a, Result<(), SyncError>> + Send + Sync,
{
    let Err(error) = act(bridge, prepared).await else { return Ok(()) };
    let Some(now) = renewed(bridge, prepared, Some(&error)).await? else { return Err(error) };
    *prepared = now;
    act(bridge, prepared).await
}
