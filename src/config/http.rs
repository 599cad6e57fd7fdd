//! The listener's settings: its address, its names, TLS, and who may come in.

use std::path::PathBuf;

use jsonwebtoken::Algorithm;
use schemas::access::Role;

use super::layers::{Layers, host, path};
use super::{ConfigError, Http};
use crate::access::{ALGORITHMS, Oidc};

/// Settings of which one alone says that an issuer is meant.
const PINNED: [&str; 5] = [
    "http.oidc.issuer",
    "http.oidc.audience",
    "http.oidc.keys",
    "http.oidc.algorithms",
    "http.oidc.tenant_claim",
];

impl Layers<'_> {
    pub(super) fn http(&self) -> Result<Http, ConfigError> {
        let address = |text: &str| text.parse().ok();
        let names = self.optional("http.names");
        let auth = |text: &str| match text {
            "required" => Some(true),
            "none" => Some(false),
            _ => None,
        };
        let auth = self.optional("http.auth").map(|set| set.parse("required or none", auth));
        let records = self.optional("http.record_reads");
        Ok(Http {
            listen: self
                .choose("http.listen")?
                .parse("an address and a port, as in 127.0.0.1:7420", address)?,
            names: match names {
                Some(names) => names.parse("host names with commas between them", hosts)?,
                None => vec![self.choose("host")?.parse("a host name", host)?],
            },
            auth: auth.transpose()?.unwrap_or(false),
            record_reads: records
                .map_or(Ok(false), |set| set.parse("true or false", |text| text.parse().ok()))?,
            tls: self.tls()?,
            oidc: self.oidc()?,
        })
    }

    fn tls(&self) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        match (self.file("http.tls.cert")?, self.file("http.tls.key")?) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(ConfigError::Unset { name: "http.tls.key" }),
            (None, Some(_)) => Err(ConfigError::Unset { name: "http.tls.cert" }),
        }
    }

    /// All of it or nothing: what is not pinned would be anybody's.
    fn oidc(&self) -> Result<Option<Oidc>, ConfigError> {
        let set = |name| self.optional(name).is_some();
        let roles = Role::ALL.map(|role| (role, role_setting(role)));
        if !PINNED.into_iter().chain(roles.map(|(_, name)| name)).any(set) {
            return Ok(None);
        }
        let word = |name| self.choose(name)?.parse("text", some);
        let roles = roles.into_iter().filter_map(|(role, name)| {
            let values = self.optional(name)?.parse("values with commas between them", words);
            Some(values.map(|values| (role, values)))
        });
        let oidc = Oidc {
            issuer: word("http.oidc.issuer")?,
            audience: word("http.oidc.audience")?,
            keys: self.choose("http.oidc.keys")?.parse("a file", path)?,
            algorithms: self
                .choose("http.oidc.algorithms")?
                .parse("of EdDSA, RS256 and ES256", algorithms)?,
            claim: word("http.oidc.claim")?,
            roles: roles.collect::<Result<_, _>>()?,
            tenant: self
                .optional("http.oidc.tenant_claim")
                .map(|set| set.parse("text", some))
                .transpose()?,
        };
        if oidc.roles.is_empty() { Err(ConfigError::NoRoles) } else { Ok(Some(oidc)) }
    }

    fn file(&self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        self.optional(name).map(|file| file.parse("a file", path)).transpose()
    }
}

fn role_setting(role: Role) -> &'static str {
    match role {
        Role::Publisher => "http.oidc.roles.publisher",
        Role::Auditor => "http.oidc.roles.auditor",
        Role::Responder => "http.oidc.roles.responder",
        Role::Operator => "http.oidc.roles.operator",
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn words(text: &str) -> Option<Vec<String>> {
    text.split(',').map(|word| some(word.trim())).collect()
}

fn hosts(text: &str) -> Option<Vec<String>> {
    text.split(',').map(|name| host(name.trim())).collect()
}

fn algorithms(text: &str) -> Option<Vec<Algorithm>> {
    let known = |word: String| {
        ALGORITHMS.iter().find(|(name, _)| *name == word).map(|(_, algorithm)| *algorithm)
    };
    words(text)?.into_iter().map(known).collect()
}
