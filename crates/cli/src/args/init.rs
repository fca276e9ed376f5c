//! Flags of `init`.

use std::path::PathBuf;

/// Flags of `init`. Where it is run on a terminal, it asks for what is not given.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Init {
    /// For the emulators that `insight-bridge sandbox` serves, instead of real systems; with two small files for their secrets.
    #[arg(long, conflicts_with_all = ["marketo_client_id", "tenant_id", "dynamics_client_id", "credential"])]
    pub(crate) sandbox: bool,
    /// Marketo's address: Admin, Web Services, REST API, Endpoint.
    #[arg(long, value_name = "URL")]
    pub(crate) marketo_url: Option<String>,
    /// The client id of Marketo's custom service: Admin, LaunchPoint, View Details.
    #[arg(long, value_name = "ID")]
    pub(crate) marketo_client_id: Option<String>,
    /// The environment variable with Marketo's client secret; MARKETO_SECRET unless it is said. The secret itself is never given.
    #[arg(long, value_name = "NAME", conflicts_with = "marketo_secret_file")]
    pub(crate) marketo_secret_env: Option<String>,
    /// The file with Marketo's client secret, instead of a variable.
    #[arg(long, value_name = "FILE")]
    pub(crate) marketo_secret_file: Option<PathBuf>,
    /// The Dynamics environment's address, such as <https://contoso.crm4.dynamics.com>.
    #[arg(long, value_name = "URL")]
    pub(crate) dynamics_url: Option<String>,
    /// The Entra tenant: a GUID or a domain.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant_id: Option<String>,
    /// The client id of the app registration; for a managed identity only where it is user-assigned.
    #[arg(long, value_name = "ID")]
    pub(crate) dynamics_client_id: Option<String>,
    /// How the application proves who it is; secret unless it is said.
    #[arg(long, value_name = "KIND", value_parser = ["secret", "managed-identity", "workload-identity"])]
    pub(crate) credential: Option<String>,
    /// The environment variable with the app registration's secret; DYNAMICS_SECRET unless it is said.
    #[arg(long, value_name = "NAME", conflicts_with = "dynamics_secret_file")]
    pub(crate) dynamics_secret_env: Option<String>,
    /// The file with the app registration's secret, instead of a variable.
    #[arg(long, value_name = "FILE")]
    pub(crate) dynamics_secret_file: Option<PathBuf>,
    /// The file with the service account's token, for workload-identity.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The login service, where it is another: in sovereign clouds.
    #[arg(long, value_name = "URL")]
    pub(crate) authority: Option<String>,
    /// The bridge's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Where the state is to be; sqlite:insight-bridge.db unless it is said.
    #[arg(long, value_name = "URL")]
    pub(crate) state: Option<String>,
    /// The Marketo person field for the Dynamics GUID, where it isn't externalPersonId.
    #[arg(long, value_name = "FIELD")]
    pub(crate) person_key: Option<String>,
    /// A custom field of Marketo's companies that gets the GUID, too.
    #[arg(long, value_name = "FIELD")]
    pub(crate) company_key: Option<String>,
    /// Call neither side: nothing is tested, and the field maps are written without types.
    #[arg(long)]
    pub(crate) untested: bool,
    /// Ask nothing: take what is proposed, and end where an answer is missing.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Replace the file if it is there.
    #[arg(long)]
    pub(crate) force: bool,
    /// Print what was found, and what comes next, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
