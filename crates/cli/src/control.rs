//! The control socket: how other processes of the same user ask the one that serves a bridge.
//!
//! It is a Unix socket beside the state's file. Whoever has the lease has the socket, so that a command either finds it or can take the lease.
//! Each connection carries one [`Request`] and then [`Reply`]s, each a line of JSON. A request names the version of this language; the lines
//! `{"talk":"…"}` and `{"end":{"code":1}}`, by which another version is refused, are the same in all versions.

#[cfg(unix)]
mod place;
#[cfg(unix)]
mod client;
#[cfg(unix)]
mod server;
#[cfg(not(unix))]
mod elsewhere;

use serde::{Deserialize, Serialize};

use crate::{job::Job, out::Said};

#[cfg(unix)]
pub(crate) use client::ask;
#[cfg(unix)]
pub(crate) use server::listen;

#[cfg(not(unix))]
pub(crate) use elsewhere::{ask, listen};

/// The version of the language.
const VERSION: u32 = 1;

/// A line is no longer than this, in bytes.
const LINE_MAX: u64 = 64 * 1024;

/// What is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    version: u32,
    /// How wide the terminal is, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u16>,
    /// What is to be done.
    job: Job,
}

/// What of a request is read first.
#[derive(Debug, Deserialize)]
struct Spoken {
    version: u32,
}

/// One line of the answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    /// It is done; nothing follows.
    End {
        /// The exit code.
        code: u8,
    },
    /// Data, talk, or progress.
    #[serde(untagged)]
    Said(Said),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args, job::Task};

    #[test]
    fn the_language_is_as_documented() {
        let sync = Job::Task(Task::Sync(args::Sync { json: true, retry_held: false, only: None, allow: Vec::new(), plan: None }));
        let request = serde_json::to_string(&Request { version: 1, width: None, job: sync }).unwrap();
        assert_eq!(request, r#"{"version":1,"job":{"task":{"sync":{"json":true,"retry_held":false,"allow":[]}}}}"#);
        for (reply, line) in [
            (Reply::Said(Said::Data("x".into())), r#"{"data":"x"}"#),
            (Reply::Said(Said::Talk("x".into())), r#"{"talk":"x"}"#),
            (Reply::Said(Said::Step(engine::Step::Preparing)), r#"{"step":"preparing"}"#),
            (Reply::End { code: 3 }, r#"{"end":{"code":3}}"#),
        ] {
            assert_eq!(serde_json::to_string(&reply).unwrap(), line);
            assert_eq!(format!("{:?}", serde_json::from_str::<Reply>(line).unwrap()), format!("{reply:?}"));
        }
    }

    #[test]
    fn what_isn_t_known_is_refused_rather_than_left_out() {
        assert!(serde_json::from_str::<Request>(r#"{"version":1,"job":{"task":{"erase":{"id":"7","yes":true,"gently":true}}}}"#).is_err());
    }
}
