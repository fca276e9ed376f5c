//! `support-bundle`: one file for whoever is asked for help. It calls nobody, and needs neither the lease nor a secret.
//!
//! The file is JSON: who sends it can read it first and see what is in it, and what isn't; a program can, too. An archive of several files
//! would have to be unpacked for that, by a further crate.

use std::{io::Write, path::PathBuf};

use base::Timestamp;
use engine::support::{self, Personal};
use serde_json::{Map, Value, json};

use crate::{
    args::support::SupportBundle,
    config::{Config, Source, as_written},
    exit::{Failure, IN_STEP},
    printer,
    private_file::PrivateFile,
};

/// Runs it.
pub(crate) async fn run(source: &Source, args: SupportBundle) -> Result<u8, Failure> {
    let (config, now) = (source.load()?, Timestamp::now());
    let personal = if args.values { Personal::OfHeld } else { Personal::LeftOut };
    let state = match store::open_existing(&config.state()).await? {
        Some(store) => support::of_state(&*store, now, personal).await?,
        None => Value::Null,
    };
    let mut bundle = json!({
        "made": now,
        "program": program(),
        "configuration": configuration(source, &config)?,
        "size_of_state": size_of_state(&config),
    });
    // What people have written there may name somebody.
    support::discreet(&mut bundle);
    if let Some(bundle) = bundle.as_object_mut() {
        bundle.insert("state".into(), state);
    }
    let path = args.output.unwrap_or_else(|| PathBuf::from(now.strftime("insight-bridge-support-%Y%m%d-%H%M%S.json").to_string()));
    let mut file = PrivateFile::begin(&path, args.force)?;
    let written = serde_json::to_writer_pretty(&mut file, &bundle).map_err(Into::into).and_then(|()| writeln!(file));
    written.map_err(|error| file.not_written(&error))?;
    file.finish()?;
    let what = match args.values {
        true => "it has the values of held records, which are personal data",
        false => "secrets, values and e-mail addresses are left out; look through it before you pass it on",
    };
    printer::say(&format!("written: {} ({what})", path.display()));
    Ok(IN_STEP)
}

/// Which program this is, and where it runs.
fn program() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpus": std::thread::available_parallelism().map(usize::from).ok(),
        "debug": cfg!(debug_assertions),
        "jemalloc": cfg!(feature = "jemalloc"),
    })
}

/// What the file says of this bridge. Of a secret it says only where it is to be had.
fn configuration(source: &Source, config: &Config) -> Result<Value, Failure> {
    let mut written = serde_json::to_value(as_written(&source.file, &config.name)?).map_err(anyhow::Error::from)?;
    hide_secrets(&mut written);
    Ok(json!({ "file": source.file, "bridge": config.name, "written": written }))
}

/// A secret that stands in the file itself is refused when it is read. Should one be there all the same, it doesn't get out.
fn hide_secrets(value: &mut Value) {
    let is_secret = |name: &str| ["secret", "password"].iter().any(|word| name.to_lowercase().contains(word));
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (is_secret(name), &mut *value) {
                    (true, Value::Object(source)) => keep_names(source),
                    (true, value) => *value = "***".into(),
                    (false, value) => hide_secrets(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(hide_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Of where a secret is to be had only what names it.
fn keep_names(source: &mut Map<String, Value>) {
    source.retain(|name, _| matches!(name.as_str(), "env" | "file"));
}

/// Bytes of the state's file and of the log beside it.
fn size_of_state(config: &Config) -> Value {
    let Some(file) = store::file_of(&config.state()).ok().flatten() else { return Value::Null };
    let size = |behind: &str| {
        let mut path = file.clone().into_os_string();
        path.push(behind);
        std::fs::metadata(path).map(|about| about.len()).ok()
    };
    json!({ "file": size(""), "log": size("-wal"), "served": size(".sock").is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_secrets_only_the_name_is_told() {
        let mut written = json!({
            "marketo": {"client_id": "a", "client_secret": {"env": "X", "value": "hunter1"}},
            "bridge": [{"dynamics": {"client_secret": "hunter2", "Password": 7, "tenant_id": "t"}}],
        });
        hide_secrets(&mut written);
        assert_eq!(
            written,
            json!({
                "marketo": {"client_id": "a", "client_secret": {"env": "X"}},
                "bridge": [{"dynamics": {"client_secret": "***", "Password": "***", "tenant_id": "t"}}],
            })
        );
    }
}
