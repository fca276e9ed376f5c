//! A first load: what is read is sent while the rest is being read, so that it takes as long as Marketo's quota asks for and not as both
//! together.
//!
//! Nothing is sent before what it refers to has been (rule R1), and no person before leads and contacts are both read, because one may stand for
//! the other (rule R4). So it goes in stages, of which each reads what the next one sends. Later cycles read a page of changes or two, and have
//! nothing to gain.

use base::{Object, Table};
use futures::future::{join, try_join_all};
use store::{
    StoreExt,
    record::{Cursor, PersonIndex},
};
use tokio_util::sync::CancellationToken;
use wire::Lane;

use crate::{
    bridge::Bridge,
    capture::{Context, feed::Walk, refetch},
    error::SyncError,
    prepare::Prepared,
    push::{learn_spellings, look_ahead, push_early},
    share::Share,
};

/// Whether no people were read or linked yet.
///
/// # Errors
/// When the state can't be read.
pub async fn is_first(bridge: &Bridge) -> Result<bool, SyncError> {
    let cursors = bridge.store.read::<Cursor>(&[Table::Lead, Table::Contact].map(|table| table.name().into())).await?;
    Ok(cursors.iter().all(Option::is_none) && bridge.store.list::<PersonIndex>(&[], None, 1).await?.is_empty())
}

/// Reads all tables and sends sales persons, companies, people and opportunities meanwhile. What else there is to be sent is in the outbox when it
/// ends. What was deleted while its table was read is still to be found: [`find_gone`].
///
/// # Errors
/// When a side can't be read, a quota is used up, or the state can't be written. What was read and what was answered is saved.
pub async fn first_load<'a>(bridge: &'a Bridge, prepared: &'a Prepared) -> Result<Vec<Walk<'a>>, SyncError> {
    let mut context = Context::load(bridge, prepared).await?;
    let pusher = bridge.beside(Share::Push);
    let mut walks = rows(&context, &[Table::SystemUser, Table::Team, Table::ConnectionRole]).await?;
    walks.append(&mut rows(&context, &[Table::Account]).await?);
    context.keep_intents().await?;

    let over = CancellationToken::new();
    let spare = pusher.beside(Share::Push).in_lane(Lane::Spare).unwatched();
    let begun = async {
        let people = people_and_parents(&mut context, &pusher, &over).await;
        over.cancel();
        people
    };
    let (people, looked) = join(begun, look_ahead(&spare, prepared, &over)).await;
    walks.append(&mut people?);
    if let Err(error) = looked {
        tracing::info!(code = error.code(), "people are looked up when their turn comes");
    }

    let rest = async {
        let mut rest = rows(&context, &[Table::Opportunity, Table::Connection]).await?;
        walks.append(&mut rest);
        let ids = async {
            // One table after the other: nobody waits for it, and people are in memory meanwhile.
            for walk in &mut walks {
                walk.ids(&context).await?;
            }
            Ok::<(), SyncError>(())
        };
        // Opportunities refer to companies and owners only, and take the calls that people leave.
        let (read, sent) = join(ids, push_early(&spare, prepared, &[Object::Opportunity])).await;
        read.and(sent)
    };
    let (read, sent) = join(rest, push_early(&pusher, prepared, &[Object::Lead])).await;
    pusher.ahead.forget();
    read?;
    sent?;
    refetch::drain(&mut context).await?;
    context.keep_intents().await?;
    Ok(walks)
}

/// Reads people while sales persons and companies are sent, then those who are wanted only by reference; `over` is cancelled at the first failure.
async fn people_and_parents<'a>(context: &mut Context<'a>, pusher: &Bridge, over: &CancellationToken) -> Result<Vec<Walk<'a>>, SyncError> {
    let (prepared, parents) = (context.prepared, [Object::SalesPerson, Object::Company]);
    let sending = async { push_early(pusher, prepared, &parents).await.inspect_err(|_| over.cancel()) };
    let reading = async { rows(context, &[Table::Lead, Table::Contact]).await.inspect_err(|_| over.cancel()) };
    let (people, sent) = join(reading, sending).await;
    let people = people?;
    sent?;
    refetch::drain(context).await?;
    context.keep_intents().await?;
    let (sent, learnt) = join(push_early(pusher, prepared, &parents), learn_spellings(pusher, prepared)).await;
    sent.and(learnt).map(|_| people)
}

/// Parts with what was deleted while its table was read; whether there was any.
///
/// # Errors
/// When Dynamics can't be asked, or the state can't be written.
pub async fn find_gone(bridge: &Bridge, prepared: &Prepared, walks: Vec<Walk<'_>>) -> Result<bool, SyncError> {
    let mut context = Context::load(bridge, prepared).await?;
    let mut any = false;
    for walk in walks {
        any |= walk.finish(&mut context).await?;
    }
    context.keep_intents().await?;
    Ok(any)
}

/// Reads the rows of these tables, all at once.
async fn rows<'a>(context: &Context<'a>, tables: &[Table]) -> Result<Vec<Walk<'a>>, SyncError> {
    let there = tables.iter().filter(|table| context.prepared.tables.contains_key(table));
    try_join_all(there.map(|table| {
        let mut context = context.clone();
        async move { Walk::rows(&mut context, *table).await }
    }))
    .await
}
