//! A setting's value, from the strongest of its sources.

use std::path::PathBuf;

use schemas::id::Tenant;

use super::file::File;
use super::{Config, ConfigError, Flags, SETTINGS, flag, variable};

/// The sources of a setting, the strongest first.
pub(super) struct Layers<'a> {
    pub(super) flags: &'a Flags,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) file: Option<File>,
}

/// A value and who set it.
pub(super) struct Chosen {
    name: &'static str,
    value: String,
    origin: String,
}

impl Chosen {
    pub(super) fn parse<T>(
        self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let Self { name, value, origin } = self;
        parse(&value).ok_or(ConfigError::Invalid { name, value, origin, expected })
    }
}

impl Layers<'_> {
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        let tenant = self.choose("tenant")?.parse("[a-z0-9-]{1,63}", Tenant::parse)?;
        let config = Config {
            nats: self.nats(&tenant)?,
            tenant,
            host: self.choose("host")?.parse("a host name", host)?,
            data: self.choose("data")?.parse("a directory", path)?,
            mark: self.choose("mark")?.parse("a directory", path)?,
            key: self.choose("key")?.parse("a file", path)?,
            policy: self
                .optional("witness.policy")
                .map(|file| file.parse("a file", path))
                .transpose()?,
            routes: self.file.as_ref().map(|file| file.routes.clone()).unwrap_or_default(),
            cache_mib: self
                .choose("store.cache_mib")?
                .parse("a number of MiB, 8 to 1048576", mebibytes)?,
            reserve_mib: self
                .choose("store.reserve_mib")?
                .parse("a number of MiB, 0 to 1073741824", reserve)?,
            http: self.http()?,
        };
        config.check()?;
        Ok(config)
    }

    fn nats(&self, tenant: &Tenant) -> Result<ingest::Config, ConfigError> {
        let urls = |text: &str| {
            let urls: Vec<_> = text.split(',').map(|url| url.trim().to_owned()).collect();
            urls.iter().all(|url| !url.is_empty()).then_some(urls)
        };
        let file = |name| self.optional(name).map(|file| file.parse("a file", path)).transpose();
        let client = match (file("nats.certificate")?, file("nats.certificate_key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(ConfigError::Unset { name: "nats.certificate_key" }),
            (None, Some(_)) => return Err(ConfigError::Unset { name: "nats.certificate" }),
        };
        let ca = file("nats.ca")?;
        let broker = ingest::Broker {
            urls: self.choose("nats.url")?.parse("addresses with commas between them", urls)?,
            credentials: file("nats.credentials")?,
            nkey: file("nats.nkey")?,
            tls: (ca.is_some() || client.is_some()).then_some(ingest::Tls { ca, client }),
        };
        let replicas = |text: &str| text.parse().ok().filter(|count| (1..=5).contains(count));
        let mut config = ingest::Config::new(broker, tenant.clone());
        config.replicas = self.choose("nats.replicas")?.parse("1 to 5", replicas)?;
        let truth = |text: &str| text.parse().ok();
        config.mark = self.choose("nats.mark")?.parse("true or false", truth)?;
        config.committed = self.choose("nats.committed")?.parse("true or false", truth)?;
        config.retention = ledger::Retention {
            detail_days: self.days("retention.detail_days")?,
            body_days: self.days("retention.body_days")?,
        };
        Ok(config)
    }

    fn days(&self, name: &'static str) -> Result<Option<u32>, ConfigError> {
        let days = |text: &str| text.parse().ok().filter(|days| *days > 0);
        self.optional(name).map(|set| set.parse("a number of days, at least 1", days)).transpose()
    }

    pub(super) fn choose(&self, name: &'static str) -> Result<Chosen, ConfigError> {
        self.optional(name).ok_or(ConfigError::Unset { name })
    }

    pub(super) fn optional(&self, name: &'static str) -> Option<Chosen> {
        let flag_set =
            self.flags.value(name).map(|value| (value.clone(), format!("--{}", flag(name))));
        let variable = variable(name);
        let variable_set = || (self.variable)(&variable).map(|value| (value, variable.clone()));
        let file_set = || {
            let file = self.file.as_ref()?;
            Some((file.values.get(name)?.clone(), file.path.display().to_string()))
        };
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let default = || Some((setting?.default?.to_owned(), "default".to_owned()));
        let chosen = flag_set.or_else(variable_set).or_else(file_set).or_else(default);
        chosen.map(|(value, origin)| Chosen { name, value, origin })
    }
}

pub(super) fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// A host is the first half of the origin, which is a key name in signed notes.
pub(super) fn host(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    ((1..=253).contains(&text.len()) && text.chars().all(allowed)).then(|| text.to_owned())
}

/// Up to a pebibyte, which is more than any disk has free.
fn reserve(text: &str) -> Option<u64> {
    text.parse().ok().filter(|mib| *mib <= 1 << 30)
}

fn mebibytes(text: &str) -> Option<usize> {
    text.parse().ok().filter(|mib| (8..=1 << 20).contains(mib))
}
