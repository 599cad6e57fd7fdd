//! A route as the operator configures it.
//!
//! ```toml
//! [[routes]]
//! name = "platform-team@company.com"   # an owner, a route that the registry names, or "*"
//! url = "https://alerts.company.com/sworn"
//! secret_file = "/etc/sworn/platform.secret"
//! rate_per_minute = 60
//! ```

use std::path::PathBuf;
use std::time::Duration;

use schemas::limits::{ROUTE_ATTEMPTS_MAX, ROUTE_PAUSE_MS_MAX, ROUTE_RATE_MAX, ROUTES_MAX};
use toml::{Table, Value};
use ureq::http::Uri;

use super::sign::{Secret, SecretError};
use crate::client::is_loopback;

/// Keys of a route in the configuration file.
const KEYS: [&str; 6] = ["name", "url", "secret_file", "rate_per_minute", "attempts", "pause_ms"];
/// Messages a minute where nothing else is said.
const RATE: u32 = 60;
/// Attempts at one message: the last of them about 45 minutes after the first.
const ATTEMPTS: u32 = 8;
/// Pause after the first attempt; each further one is twice as long.
const PAUSE_MS: u64 = 30_000;

/// Where findings go.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// An owner's id, the name that the registry gives as an owner's route, or `*` for all others.
    pub(crate) name: String,
    /// Address of the receiver. It may be a secret by itself, so it is not shown.
    pub(crate) url: String,
    /// What messages are signed with.
    pub(crate) secret: Secret,
    /// Messages a minute, tries that failed included.
    pub(crate) rate_per_minute: u32,
    /// Attempts before a delivery counts as failed.
    pub(crate) attempts: u32,
    /// Pause after the first attempt that failed.
    pub(crate) pause: Duration,
}

impl Route {
    /// A route with everything else as it is by default.
    pub(crate) fn new(name: &str, url: String, secret: Secret) -> Self {
        Self {
            name: name.to_owned(),
            url,
            secret,
            rate_per_minute: RATE,
            attempts: ATTEMPTS,
            pause: Duration::from_millis(PAUSE_MS),
        }
    }
}

/// Why routes cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    /// Not a list of tables.
    #[error("`routes` must be written as [[routes]]")]
    Form,
    /// Too many.
    #[error("{0} routes, at most {ROUTES_MAX}")]
    TooMany(usize),
    /// A key that does not exist.
    #[error("route {number}: unknown key `{key}`; known are {}", KEYS.join(", "))]
    UnknownKey {
        /// Which route, from 1.
        number: usize,
        /// The key.
        key: String,
    },
    /// A key that is missing, or cannot be that.
    #[error("route {number}: `{key}` must be {expected}")]
    Field {
        /// Which route, from 1.
        number: usize,
        /// Which key.
        key: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// Two of one name.
    #[error("route {number}: there is one of the name {name:?} already")]
    Twice {
        /// Which route, from 1.
        number: usize,
        /// Its name.
        name: String,
    },
    /// The file with the secret.
    #[error("route {number}: {source}")]
    Secret {
        /// Which route, from 1.
        number: usize,
        /// Why.
        source: SecretError,
    },
}

/// Routes of a configuration file.
///
/// # Errors
/// [`RouteError`], for a file with a secret that others can read too.
pub(crate) fn read(value: &Value) -> Result<Vec<Route>, RouteError> {
    let tables = value.as_array().ok_or(RouteError::Form)?;
    if tables.len() > ROUTES_MAX {
        return Err(RouteError::TooMany(tables.len()));
    }
    let mut routes: Vec<Route> = Vec::new();
    for (number, table) in (1..).zip(tables) {
        let table = table.as_table().ok_or(RouteError::Form)?;
        let route = Entry { number, table }.route()?;
        if routes.iter().any(|known| known.name == route.name) {
            return Err(RouteError::Twice { number, name: route.name });
        }
        routes.push(route);
    }
    Ok(routes)
}

struct Entry<'t> {
    number: usize,
    table: &'t Table,
}

impl Entry<'_> {
    fn route(&self) -> Result<Route, RouteError> {
        let number = self.number;
        if let Some(key) = self.table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(RouteError::UnknownKey { number, key: key.clone() });
        }
        let expected = "https://…, or http:// to this machine, without a password";
        let url = self.text("url", expected)?;
        if !is_sound(url) {
            return Err(RouteError::Field { number, key: "url", expected });
        }
        let file = PathBuf::from(self.text("secret_file", "the path of a file")?);
        let secret = Secret::load(&file).map_err(|source| RouteError::Secret { number, source })?;
        let name = self.text("name", "an owner, a route of the registry, or \"*\"")?;
        let route = Route::new(name, url.to_owned(), secret);
        Ok(Route {
            rate_per_minute: self.number("rate_per_minute", RATE, ROUTE_RATE_MAX)?,
            attempts: self.number("attempts", ATTEMPTS, ROUTE_ATTEMPTS_MAX)?,
            pause: Duration::from_millis(self.number("pause_ms", PAUSE_MS, ROUTE_PAUSE_MS_MAX)?),
            ..route
        })
    }

    fn text(&self, key: &'static str, expected: &'static str) -> Result<&str, RouteError> {
        let text = self.table.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.ok_or(RouteError::Field { number: self.number, key, expected })
    }

    fn number<T: TryFrom<i64> + PartialOrd + From<u8>>(
        &self,
        key: &'static str,
        default: T,
        max: T,
    ) -> Result<T, RouteError> {
        let Some(value) = self.table.get(key) else { return Ok(default) };
        let number = value.as_integer().and_then(|number| T::try_from(number).ok());
        let number = number.filter(|number| *number >= T::from(1) && *number <= max);
        let expected = match key {
            "rate_per_minute" => "a number from 1 to 6000",
            "attempts" => "a number from 1 to 20",
            _ => "a number from 1 to 900000",
        };
        number.ok_or(RouteError::Field { number: self.number, key, expected })
    }
}

/// Whoever listens between here and an `http://` elsewhere could read what is sent.
fn is_sound(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@'))
    else {
        return false;
    };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(authority.host()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn secret(dir: &tempfile::TempDir, text: &str, mode: u32) -> String {
        let path = dir.path().join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    fn routes(text: &str) -> Result<Vec<Route>, RouteError> {
        read(&text.parse::<Table>().unwrap()["routes"])
    }

    #[test]
    fn a_route_has_defaults_and_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let file = secret(&dir, "0123456789abcdef0123\n", 0o600);
        let route = |more: &str| {
            format!(
                "[[routes]]\nname = \"*\"\nurl = \"https://a.example/x\"\nsecret_file = \"{file}\"\n{more}\n"
            )
        };
        let read = routes(&route("")).unwrap();
        assert_eq!((read[0].rate_per_minute, read[0].attempts), (RATE, ATTEMPTS));
        assert_eq!(read[0].pause, Duration::from_millis(PAUSE_MS));
        assert!(!format!("{read:?}").contains("0123456789abcdef"), "secrets are not shown");
        for (more, key) in [
            ("rate_per_minute = 0", "rate_per_minute"),
            ("rate_per_minute = 6001", "rate_per_minute"),
            ("attempts = -1", "attempts"),
            ("attempts = \"3\"", "attempts"),
            ("pause_ms = 900001", "pause_ms"),
        ] {
            match routes(&route(more)) {
                Err(RouteError::Field { number: 1, key: found, .. }) => assert_eq!(found, key),
                other => panic!("{more}: {other:?}"),
            }
        }
        assert!(matches!(routes(&route("ulr = 1")), Err(RouteError::UnknownKey { .. })));
        let twice = format!("{}{}", route(""), route(""));
        assert!(matches!(routes(&twice), Err(RouteError::Twice { number: 2, .. })));
        let many = (0..=ROUTES_MAX).map(|_| route("")).collect::<String>();
        assert!(matches!(routes(&many), Err(RouteError::TooMany(_))));
        assert!(matches!(routes("routes = 1"), Err(RouteError::Form)));
        assert!(matches!(routes("routes = [1]"), Err(RouteError::Form)));
        let nameless = route("").replace("name = \"*\"", "");
        assert!(matches!(routes(&nameless), Err(RouteError::Field { key: "name", .. })));
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (url, sound) in [
            ("https://alerts.example/sworn?team=a", true),
            ("http://127.0.0.1:9000/x", true),
            ("http://[::1]:9000", true),
            ("http://localhost/x", true),
            ("http://alerts.example/x", false),
            ("http://127.0.0.1.evil.example/x", false),
            ("https://user:password@alerts.example/x", false),
            ("http://127.0.0.1@evil.example/x", false),
            ("ftp://alerts.example/x", false),
            ("alerts.example", false),
            ("", false),
        ] {
            assert_eq!(is_sound(url), sound, "{url}");
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (text, mode) in
            [("0123456789abcdef", 0o640), ("0123456789abcdef", 0o604), ("short", 0o600)]
        {
            let file = secret(&dir, text, mode);
            let text = format!(
                "[[routes]]\nname = \"*\"\nurl = \"https://a.example\"\nsecret_file = \"{file}\"\n"
            );
            assert!(matches!(routes(&text), Err(RouteError::Secret { number: 1, .. })), "{mode:o}");
        }
    }
}
