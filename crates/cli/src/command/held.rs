//! `held`: what is held or waiting, why, and what becomes of it.
//!
//! Lists are read from the state, without the lease and without calling anybody. What changes it is done by the process that serves, where
//! there is one.

pub(crate) mod dismiss;
mod export;
mod lines;
mod list;
pub(crate) mod retry;
mod show;
mod told;

use std::sync::Arc;

use store::Store;

use crate::{
    args::held::{Held, Part},
    config::Source,
    connect,
    exit::Failure,
    job::{self, Job, Task},
};

/// Runs it.
pub(crate) async fn run(source: &Source, held: Held) -> Result<u8, Failure> {
    match held.part.unwrap_or(Part::List(held.list)) {
        Part::List(args) => list::list(&*state(source).await?, &args).await,
        Part::Show(args) => show::show(&*state(source).await?, &args).await,
        Part::Export(args) => export::export(&*state(source).await?, &args).await,
        Part::Retry(args) => job::run(source, Job::Task(Task::HeldRetry(args))).await,
        Part::Dismiss(mut args) => {
            args.by = args.by.or_else(dismiss::who);
            job::run(source, Job::Task(Task::HeldDismiss(args))).await
        }
    }
}

async fn state(source: &Source) -> Result<Arc<dyn Store>, Failure> {
    connect::store(&source.load()?).await
}
