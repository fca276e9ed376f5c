//! Drains the outbox, object by object, parents before children (rule R1).
//!
//! Every outcome is saved record by record as soon as its call is answered: confirmed, waiting, held, or left to be tried again. What a
//! call that was never answered did is asked for, not guessed.

mod flight;
mod gate;
mod outcome;
mod pieces;
mod absent;
mod alias;
mod body;
mod brake;
mod bulk;
mod bulk_job;
mod bulk_settle;
mod bulk_write;
mod email;
mod join;
mod look_ahead;
mod object;
mod part;
mod person;
mod person_answers;
mod person_calls;
mod person_create;
mod person_flow;
mod person_one;
mod person_written;
mod role;
mod role_wish;
mod spelling;
mod tally;

use base::Object;
use store::{StoreExt, record::Outbox};

pub(crate) use absent::has_it;
pub(crate) use alias::aliases_of;
pub(crate) use email::FROZEN_FACT;
pub(crate) use gate::{PARENT_MISSING, forget_confirmed, holders, load_links, parents};
pub(crate) use look_ahead::{Ahead, look_ahead};
pub(crate) use part::people::take_out;
pub(crate) use role::pass_on_roles;
pub(crate) use role_wish::{Wish, all_role_names, read_wish};
pub use tally::{Left, left};

use brake::Brake;
use gate::{Gate, sendable};
use part::people::Tried;
use spelling::Spellings;

use crate::{bridge::Bridge, error::SyncError, prepare::Prepared};

/// Records of the outbox that are read at a time.
const LEFT: usize = 1_000;

/// Sends what the outbox holds, then parts with what is to be parted with.
///
/// # Errors
/// When a quota is used up, a side can't be reached, or the state can't be written. Everything answered until then is saved.
pub async fn push(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let pushed = push_all(bridge, prepared).await;
    for object in Object::ALL {
        tally::count_left(bridge, object).await?;
    }
    pushed
}

/// Reads back what may have been taken without being done, and tells what people should know of sales persons.
///
/// # Errors
/// When Marketo can't be read, or the state can't be written.
pub async fn tell(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    email::read_back(bridge).await?;
    email::warn(bridge, prepared).await
}

/// Learns from a sample of the people to be sent how Marketo spells their keys, before they are sent.
///
/// # Errors
/// When Marketo can't be asked, or the state can't be written.
pub(crate) async fn learn_spellings(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    if Spellings::load(bridge, Object::Lead, &prepared.person_key).await?.is_some() {
        return Ok(());
    }
    let sample = sendable(bridge.store.list::<Outbox>(&[Object::Lead.code()], None, LEFT).await?, |_| true)?;
    let links = Gate::new(bridge, false).links(&sample).await?;
    // Who waits costs no call.
    let ids: Vec<_> =
        sample.iter().filter(|(_, desired)| Gate::missing_parent(desired, &links).is_none()).map(|(entry, _)| entry.record.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    Spellings::sample(bridge, Object::Lead, &prepared.person_key, &ids).await.map(drop)
}

/// Sends what the outbox holds of these objects, before everything is known that is to be sent. Only in a first load: nobody is linked yet who could be
/// harmed, so that the brake has nothing to count.
///
/// # Errors
/// As [`push`].
pub(crate) async fn push_early(bridge: &Bridge, prepared: &Prepared, objects: &[Object]) -> Result<(), SyncError> {
    let mut brake = Brake::default();
    for object in objects {
        push_object(bridge, prepared, &mut brake, *object).await?;
        let mut left = bridge.store.pages::<Outbox>(vec![object.code()], LEFT);
        loop {
            let page = left.next_page().await?;
            if page.is_empty() {
                break;
            }
            bridge.note_tried(&page);
        }
    }
    Ok(())
}

async fn push_all(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let mut brake = Brake::measure(bridge, prepared).await?;
    let mut tried = Tried::new();
    for object in Object::ALL {
        tried.append(&mut push_object(bridge, prepared, &mut brake, object).await?);
    }
    part::push(bridge, prepared, &brake, &tried).await
}

/// Sends one object; gives the records that were to be parted with before and were tried in vain.
async fn push_object(bridge: &Bridge, prepared: &Prepared, brake: &mut Brake, object: Object) -> Result<Tried, SyncError> {
    bridge.ledger.learn(&bridge.marketo).await?;
    let mut tried = Tried::new();
    match object {
        Object::SalesPerson | Object::Company | Object::Opportunity => object::push(bridge, prepared, brake, object).await?,
        Object::Lead => {
            let resting = bulk_write::finish_imports(bridge, prepared, brake).await?;
            join::wake(bridge, brake).await?;
            tried = part::people::unlink_deleted(bridge, prepared, brake).await?;
            person::push(bridge, prepared, brake, resting).await?;
            join::push(bridge, prepared, brake).await?;
        }
        Object::Role => role::push(bridge, prepared, brake).await?,
    }
    Ok(tried)
}
