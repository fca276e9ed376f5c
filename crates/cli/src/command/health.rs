//! `health`: whether the process that serves is there, and whether its bridges are ready.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    args::Health,
    config::{File, Source},
    control,
    exit::{Failure, IN_STEP, OTHER},
    job::{Job, Steer},
    out::Out,
    printer,
};

/// How long the process may take to answer for one bridge: whoever looks after processes wants to know of one that hangs, and not to hang with it.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Runs it: for the bridge that is named, or all.
pub(crate) async fn run(source: &Source, args: Health) -> Result<u8, Failure> {
    let file = File::load(&source.file)?;
    let bridges = match &source.bridge {
        Some(name) => vec![file.bridge(Some(name))?],
        None => file.bridges,
    };
    let mut worst = IN_STEP;
    for bridge in bridges {
        worst = worst.max(match ask(&bridge.state()).await {
            Ok(Some(code)) if args.ready => code,
            Ok(Some(_)) => IN_STEP,
            Ok(None) => {
                printer::data(&format!("{}: no process serves it, or could open it", bridge.name));
                OTHER
            }
            Err(failure) => {
                printer::say(&failure.to_string());
                OTHER
            }
        });
    }
    Ok(worst)
}

/// Asks the process that serves the bridge whose state this is; none where there is none.
async fn ask(state: &str) -> Result<Option<u8>, Failure> {
    timeout(ANSWER_MAX, control::ask(state, &Job::Steer(Steer::Health), &Out::here())).await.unwrap_or_else(|_| {
        let max = ANSWER_MAX.as_secs();
        Err(Failure::Control(format!(
            "the serving process did not answer within {max} s; see its log, and start serve anew if it stays so"
        )))
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_process_that_hangs_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        // Whoever connects is put into the listener's queue, and never answered.
        let _hanging = UnixListener::bind(folder.path().join("state.db.sock")).unwrap();
        let answer = ask(&format!("sqlite:{}", folder.path().join("state.db").display())).await;
        assert!(matches!(&answer, Err(Failure::Control(told)) if told.contains("within 5 s")), "{answer:?}");
    }
}
