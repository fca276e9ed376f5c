//! The answers for the emulators: where `sandbox` serves them, and what opens them and nothing else.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use super::answers::{Answers, Secret};
use crate::{args::init::Init, command::sandbox::PORTS, config::is_loopback, exit::Failure, private_file::PrivateFile};

/// The files with the emulators' secrets, beside the configuration.
const MARKETO: &str = "sandbox-marketo.secret";
const DYNAMICS: &str = "sandbox-dynamics.secret";

/// What the emulators take.
pub(super) fn answers(file: &Path, args: &Init) -> Answers {
    let sandbox::Options { marketo, dataverse, .. } = sandbox::Options::default();
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let dynamics_url = args.dynamics_url.clone().unwrap_or_else(|| at(PORTS[1]));
    let given = Answers::given(args);
    let marketo_url = args.marketo_url.clone().unwrap_or_else(|| at(PORTS[0]));
    Answers {
        unpaced: is_loopback(&marketo_url),
        marketo_url: Some(marketo_url),
        marketo_client_id: Some(marketo.client_id),
        marketo_secret: Secret::File(beside(file, MARKETO)),
        authority: Some(args.authority.clone().unwrap_or_else(|| dynamics_url.clone())),
        dynamics_url: Some(dynamics_url),
        tenant_id: Some(dataverse.tenant_id),
        dynamics_client_id: Some(dataverse.client_id),
        dynamics_secret: Secret::File(beside(file, DYNAMICS)),
        state: Some(args.state.clone().unwrap_or_else(|| "sqlite:sandbox.db".into())),
        ..given
    }
}

/// Writes the secrets, which open nothing but the emulators. Another's file of that name is replaced only with `force`.
pub(super) fn write_secrets(file: &Path, force: bool) -> Result<(), Failure> {
    let sandbox::Options { marketo, dataverse, .. } = sandbox::Options::default();
    for (name, secret) in [(MARKETO, marketo.client_secret), (DYNAMICS, dataverse.client_secret)] {
        let path = beside(file, name);
        if fs::read_to_string(&path).is_ok_and(|there| there.trim() == secret) {
            continue;
        }
        let mut file = PrivateFile::begin(&path, force)?;
        writeln!(file, "{secret}").map_err(|error| file.not_written(&error))?;
        file.finish()?;
    }
    Ok(())
}

fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().map_or_else(|| name.into(), |folder| folder.join(name))
}
