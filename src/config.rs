//! Configuration: flag, else `SWORN_*`, else file, else default; one table of settings.
//!
//! ```toml
//! tenant = "acme"
//! host = "ledger.example.com"
//!
//! [http]
//! listen = "127.0.0.1:7420"
//!
//! [[routes]]
//! name = "*"
//! url = "https://alerts.example.com/sworn"
//! secret_file = "/etc/sworn/alerts.secret"
//! ```

mod file;
mod http;
mod layers;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use schemas::id::Tenant;

use crate::access::Oidc;
use file::File;
use layers::Layers;

use crate::routes::{Route, RouteError, Routing};

/// Where a configuration file is looked for when none is named.
const FILES: [&str; 2] = ["/etc/sworn/config.toml", "./sworn.toml"];

/// A setting: its dotted name in the file, and its default.
struct Setting {
    name: &'static str,
    default: Option<&'static str>,
}

const SETTINGS: &[Setting] = &[
    Setting { name: "tenant", default: None },
    Setting { name: "host", default: Some("localhost") },
    Setting { name: "data", default: Some("/var/lib/sworn") },
    Setting { name: "mark", default: Some("/var/lib/sworn-mark") },
    Setting { name: "key", default: Some("/etc/sworn/ledger.key") },
    Setting { name: "store.cache_mib", default: Some("128") },
    Setting { name: "store.reserve_mib", default: Some("1024") },
    Setting { name: "http.listen", default: Some("127.0.0.1:7420") },
    Setting { name: "http.names", default: None },
    Setting { name: "http.auth", default: None },
    Setting { name: "http.record_reads", default: None },
    Setting { name: "http.tls.cert", default: None },
    Setting { name: "http.tls.key", default: None },
    Setting { name: "http.oidc.issuer", default: None },
    Setting { name: "http.oidc.audience", default: None },
    Setting { name: "http.oidc.keys", default: None },
    Setting { name: "http.oidc.algorithms", default: None },
    Setting { name: "http.oidc.claim", default: Some("roles") },
    Setting { name: "http.oidc.tenant_claim", default: None },
    Setting { name: "http.oidc.roles.publisher", default: None },
    Setting { name: "http.oidc.roles.auditor", default: None },
    Setting { name: "http.oidc.roles.responder", default: None },
    Setting { name: "http.oidc.roles.operator", default: None },
    Setting { name: "witness.policy", default: None },
    Setting { name: "retention.detail_days", default: None },
    Setting { name: "retention.body_days", default: None },
    Setting { name: "nats.url", default: Some("nats://127.0.0.1:4222") },
    Setting { name: "nats.credentials", default: None },
    Setting { name: "nats.nkey", default: None },
    Setting { name: "nats.ca", default: None },
    Setting { name: "nats.certificate", default: None },
    Setting { name: "nats.certificate_key", default: None },
    Setting { name: "nats.replicas", default: Some("1") },
    Setting { name: "nats.mark", default: Some("false") },
    Setting { name: "nats.committed", default: Some("false") },
];

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file could not be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path}: {source}", path = path.display())]
    Toml {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A key that does not exist.
    #[error("{path}: unknown key `{key}`; did you mean `{nearest}`?", path = path.display())]
    UnknownKey {
        /// In which file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The most similar one.
        nearest: &'static str,
    },
    /// A value of the file that is neither text nor a truth value.
    #[error("{path}: `{key}` must be text in quotes", path = path.display())]
    NotText {
        /// In which file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A setting without a default was not given.
    #[error("`{name}` is not set: set {variable}, or write it into the configuration file", variable = variable(name))]
    Unset {
        /// Which.
        name: &'static str,
    },
    /// A value that the setting cannot have.
    #[error("{origin}: `{name}` is {value:?}, expected {expected}")]
    Invalid {
        /// Which.
        name: &'static str,
        /// The value.
        value: String,
        /// Who set it.
        origin: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Routes for findings.
    #[error("{path}: {source}", path = path.display())]
    Routes {
        /// In which file.
        path: PathBuf,
        /// Which and why.
        source: RouteError,
    },
    /// The API would be open to the network.
    #[error(
        "http.listen is {0}, which is not a loopback address, so everyone who reaches it could read: set [http] auth = \"required\" and the files of [http.tls], or listen on 127.0.0.1 or [::1]"
    )]
    Exposed(SocketAddr),
    /// A development server would be open to the network.
    #[error(
        "{0} is not a loopback address: a development server listens on 127.0.0.1 or [::1] alone"
    )]
    NotLoopback(SocketAddr),
    /// An issuer of tokens where nobody looks at them.
    #[error("[http.oidc] is set, but nobody is asked for a token: set [http] auth = \"required\"")]
    Unasked,
    /// An issuer's users would all be without rights.
    #[error(
        "[http.oidc.roles] gives no role to anybody: set auditor = \"a value of the claim\", or another role"
    )]
    NoRoles,
    /// The mark must survive what happens to the store.
    #[error("mark {mark} lies inside the store {store}: a rollback of the store would roll the mark back with it", mark = mark.display(), store = store.display())]
    MarkInStore {
        /// The mark's directory.
        mark: PathBuf,
        /// The store.
        store: PathBuf,
    },
}

/// Settings on the command line.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Flags {
    /// Configuration file [default: /etc/sworn/config.toml, else ./sworn.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Tenant whose ledger this is
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Host in the ledger's origin, HOST/TENANT, which never changes
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Directory of the ledger
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Directory of the high-water mark, best on another disk
    #[arg(long, value_name = "DIR")]
    pub(crate) mark: Option<String>,
    /// The ledger's key file
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// Address of the API
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Address of the NATS server
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// File with the witnesses to ask for cosignatures (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<String>,
}

impl Flags {
    fn value(&self, name: &str) -> Option<&String> {
        match name {
            "tenant" => self.tenant.as_ref(),
            "host" => self.host.as_ref(),
            "data" => self.data.as_ref(),
            "mark" => self.mark.as_ref(),
            "key" => self.key.as_ref(),
            "http.listen" => self.listen.as_ref(),
            "witness.policy" => self.policy.as_ref(),
            "nats.url" => self.nats.as_ref(),
            _ => None,
        }
    }
}

/// Everything that a server needs to know before it starts.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Whose ledger.
    pub(crate) tenant: Tenant,
    /// First half of the origin.
    pub(crate) host: String,
    /// Directory of the ledger.
    pub(crate) data: PathBuf,
    /// Directory of the high-water mark.
    pub(crate) mark: PathBuf,
    /// The ledger's key file.
    pub(crate) key: PathBuf,
    /// Memory for what was read of the store, in MiB.
    pub(crate) cache_mib: usize,
    /// What events leave free on the store's disk, in MiB.
    pub(crate) reserve_mib: u64,
    /// The listener.
    pub(crate) http: Http,
    /// The broker.
    pub(crate) nats: ingest::Config,
    /// The witnesses and their quorum.
    pub(crate) policy: Option<PathBuf>,
    /// Where findings go.
    pub(crate) routes: Vec<Route>,
}

/// Settings of the listener.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// Address to listen on.
    pub(crate) listen: SocketAddr,
    /// Names by which it may be asked, beside those of this machine.
    pub(crate) names: Vec<String>,
    /// Whether every request but public ones needs a token.
    pub(crate) auth: bool,
    /// Whether reads become entries where nobody has a name.
    pub(crate) record_reads: bool,
    /// Certificate chain and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Whose tokens are taken beside our own.
    pub(crate) oidc: Option<Oidc>,
}

impl Config {
    /// Reads the configuration of this process.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and who set it.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = flags.config.clone().or_else(|| variable("SWORN_CONFIG").map(PathBuf::from));
        let path = named.or_else(|| FILES.map(PathBuf::from).into_iter().find(|p| p.exists()));
        let file = path.as_deref().map(File::read).transpose()?;
        Layers { flags, variable: &variable, file }.config()
    }

    /// Where the ledger keeps its store and its mark.
    pub(crate) fn ledger(&self) -> ledger::Config {
        ledger::Config {
            store: self.data.join("store"),
            mark: self.mark.join(format!("{}.note", self.tenant)),
        }
    }

    /// Where findings go, and the file that remembers how far they came.
    pub(crate) fn routing(&self) -> Routing {
        Routing { routes: self.routes.clone(), position: self.data.join("routes.position") }
    }

    /// Refuses what must not be started.
    ///
    /// # Errors
    /// [`ConfigError::Exposed`], [`ConfigError::Unasked`], [`ConfigError::MarkInStore`].
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Http { listen, auth, tls, oidc, .. } = &self.http;
        if !(listen.ip().is_loopback() || *auth && tls.is_some()) {
            return Err(ConfigError::Exposed(*listen));
        }
        if oidc.is_some() && !auth {
            return Err(ConfigError::Unasked);
        }
        let ledger::Config { store, .. } = self.ledger();
        if self.mark.starts_with(&store) {
            return Err(ConfigError::MarkInStore { mark: self.mark.clone(), store });
        }
        Ok(())
    }
}

/// The flag of a setting: the last word of a group's, but the broker's is named for it.
fn flag(name: &str) -> &str {
    match name {
        "nats.url" => "nats",
        name => name.rsplit_once('.').map_or(name, |(_, last)| last),
    }
}

/// The variable of a setting: `SWORN_HTTP_LISTEN` of `http.listen`.
fn variable(name: &str) -> String {
    format!("SWORN_{}", name.replace('.', "_").to_uppercase())
}
