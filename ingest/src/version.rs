//! Versions of nats-server.

use std::fmt;

/// A server's version: major and minor; what follows does not matter here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version {
    /// Before the first dot.
    pub major: u64,
    /// After it.
    pub minor: u64,
}

impl Version {
    /// The oldest that is accepted. Older ones take options that they do not know and drop them, and
    /// then deliver the wrong messages.
    pub const NEEDED: Self = Self { major: 2, minor: 12 };

    /// From text like `2.15.1`, `v2.12.0-RC.1`, `nats-server: v2.9.10`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number = text.strip_prefix("nats-server: ").unwrap_or(text);
        let mut parts = number.strip_prefix('v').unwrap_or(number).split('.');
        Some(Self { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn reads_what_servers_say() {
        let check = |text, expected: Option<(u64, u64)>| {
            let expected = expected.map(|(major, minor)| Version { major, minor });
            assert_eq!(Version::parse(text), expected, "{text}");
        };
        check("2.15.1", Some((2, 15)));
        check("nats-server: v2.9.10\n", Some((2, 9)));
        check("nats-server: v2.12.0-RC.1", Some((2, 12)));
        check("nats-server: v2.13.0-preview.1", Some((2, 13)));
        check("3.0", Some((3, 0)));
        check("", None);
        check("nats-server", None);
        check("nats-server: dev", None);
    }

    #[test]
    fn orders_by_number() {
        assert!(Version { major: 2, minor: 9 } < Version::NEEDED);
        assert!(Version { major: 3, minor: 0 } > Version::NEEDED);
    }
}
