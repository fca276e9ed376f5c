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
mod email;
mod object;
mod person;
mod person_answers;
mod person_calls;
mod role;
mod role_wish;
mod spelling;
mod tally;

use base::Object;

pub(crate) use gate::{PARENT_MISSING, desired_of, load_links};
pub(crate) use role_wish::all_role_names;
pub use tally::{Left, left};

use crate::{bridge::Bridge, error::SyncError, prepare::Prepared};

/// Sends what the outbox holds.
///
/// # Errors
/// When a quota is used up, a side can't be reached, or the state can't be written. Everything answered until then is saved.
pub async fn push(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    for object in Object::ALL {
        let pushed = match object {
            Object::SalesPerson | Object::Company | Object::Opportunity => object::push(bridge, prepared, object).await,
            Object::Lead => person::push(bridge, prepared).await,
            Object::Role => role::push(bridge, prepared).await,
        };
        tally::count_left(bridge, object).await?;
        pushed?;
    }
    email::read_back(bridge).await?;
    email::warn(bridge).await
}
