//! Asks the process that serves a bridge, and says what it says as if it were done here.

use std::io::{self, ErrorKind};

use anyhow::anyhow;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::{Reply, Request, VERSION, place::Place};
use crate::{
    exit::{Failure, OTHER},
    job::Job,
    out::Out,
    printer,
    signal::asked_to_stop,
};

/// Has it done by the process that serves the bridge whose state this is; none where there is none. The exit code comes from there.
pub(crate) async fn ask(state: &str, job: &Job, out: &Out) -> Result<Option<u8>, Failure> {
    let Some(file) = store::file_of(state)? else { return Ok(None) };
    let place = Place::beside(&file);
    let cut = |error: io::Error| {
        let next = match error.kind() == ErrorKind::PermissionDenied {
            true => "run the command as the user that serve runs as, or as root",
            false => "run the command again, and see the log of serve if it stays so",
        };
        Failure::Control(format!("the serving process at {} can't be asked: {error}; {next}", place.path().display()))
    };
    let Some(stream) = place.connect().await.map_err(cut)? else { return Ok(None) };
    let asked = asked_to_stop();
    tokio::select! {
        outcome = converse(stream, job, out) => outcome.map(Some),
        () = asked => {
            printer::say("the serving process goes on with it");
            Ok(Some(OTHER))
        }
    }
}

async fn converse(stream: UnixStream, job: &Job, out: &Out) -> Result<u8, Failure> {
    let cut = |why: String| {
        Failure::Control(format!(
            "the serving process stopped answering ({why}); see in status what came of it, then run the command again"
        ))
    };
    let (answers, mut questions) = stream.into_split();
    let request = Request { version: VERSION, width: out.width(), job: job.clone() };
    let mut line = serde_json::to_vec(&request).map_err(|error| anyhow!(error))?;
    line.push(b'\n');
    questions.write_all(&line).await.map_err(|error| cut(error.to_string()))?;
    let mut answers = BufReader::new(answers);
    loop {
        let mut line = String::new();
        // A summary may be longer than any request.
        answers.read_line(&mut line).await.map_err(|error| cut(error.to_string()))?;
        if line.is_empty() {
            return Err(cut("it ended".into()));
        }
        match serde_json::from_str(&line) {
            Ok(Reply::Said(said)) => out.pass(said),
            Ok(Reply::End { code }) => return Ok(code),
            Err(error) => return Err(cut(format!("this isn't understood: {error}"))),
        }
    }
}
