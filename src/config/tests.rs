//! What is configured wins, in order, and what cannot be is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use super::*;

fn file(text: &str) -> Result<File, ConfigError> {
    File::parse(Path::new("sworn.toml"), text)
}

fn config(flags: &Flags, variables: &[(&str, &str)], text: &str) -> Result<Config, ConfigError> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Layers { flags, variable: &variable, file: Some(file(text)?) }.config()
}

#[test]
fn flag_then_variable_then_file_then_default() {
    let text = "tenant = \"file\"\nhost = \"file\"\ndata = \"/file\"\n";
    let variables = [("SWORN_TENANT", "variable"), ("SWORN_HOST", "variable")];
    let flags = Flags { tenant: Some("flag".to_owned()), ..Flags::default() };
    let config = config(&flags, &variables, text).unwrap();
    assert_eq!(config.tenant.as_str(), "flag");
    assert_eq!(config.host, "variable");
    assert_eq!(config.data, Path::new("/file"));
    assert_eq!(config.mark, Path::new("/var/lib/sworn-mark"));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:7420");
    assert_eq!((config.cache_mib, config.reserve_mib), (128, 1024));
    let ledger = config.ledger();
    assert_eq!(ledger.store, Path::new("/file/store"));
    assert_eq!(ledger.mark, Path::new("/var/lib/sworn-mark/flag.note"));
}

#[test]
fn every_setting_has_a_place_in_the_file_and_most_a_flag() {
    let text = "tenant = \"t\"\nhost = \"h\"\ndata = \"/d\"\nmark = \"/m\"\nkey = \"/k\"\n\
                [http]\nlisten = \"[::1]:1\"\nnames = [\"a.example\", \"b.example\"]\nauth = \"required\"\n\
                record_reads = true\n[http.tls]\ncert = \"/tc\"\nkey = \"/tk\"\n\
                [http.oidc]\nissuer = \"i\"\naudience = \"a\"\nkeys = \"/jwks\"\n\
                algorithms = [\"EdDSA\", \"ES256\"]\nclaim = \"groups\"\ntenant_claim = \"org\"\n\
                [http.oidc.roles]\npublisher = \"p\"\nauditor = \"x, y\"\nresponder = \"r\"\noperator = \"o\"\n[nats]\nurl = \"nats://n, nats://m\"\n\
                credentials = \"/c\"\nnkey = \"/n\"\nca = \"/ca\"\ncertificate = \"/cert\"\n\
                certificate_key = \"/ck\"\nreplicas = \"3\"\nmark = \"true\"\ncommitted = true\n\
                [witness]\npolicy = \"/p\"\n\
                [retention]\ndetail_days = \"30\"\nbody_days = \"400\"\n[store]\ncache_mib = \"64\"\nreserve_mib = \"0\"\n";
    let read = file(text).unwrap();
    let all = Some("x".to_owned());
    let flags = Flags {
        config: None,
        tenant: all.clone(),
        host: all.clone(),
        data: all.clone(),
        mark: all.clone(),
        key: all.clone(),
        listen: all.clone(),
        nats: all.clone(),
        policy: all,
    };
    for Setting { name, .. } in SETTINGS {
        assert!(read.values.contains_key(*name), "{name}");
        let has_flag = flags.value(name).is_some();
        let file_only =
            ["nats.", "retention.", "http.", "store."].iter().any(|of| name.starts_with(of));
        let has_one = ["nats.url", "http.listen"].contains(name);
        assert_eq!(has_flag, !file_only || has_one, "{name}");
    }
    assert_eq!(variable("http.listen"), "SWORN_HTTP_LISTEN");
    let nats = config(&Flags::default(), &[], text).unwrap().nats;
    assert_eq!((nats.retention.detail_days, nats.retention.body_days), (Some(30), Some(400)));
    assert_eq!(nats.broker.urls, ["nats://n", "nats://m"]);
    assert_eq!((nats.replicas, nats.mark, nats.committed), (3, true, true));
    assert_eq!(nats.broker.credentials, Some(PathBuf::from("/c")));
    assert!(!config(&Flags::default(), &[], "tenant = \"t\"").unwrap().nats.committed);
    assert!(nats.broker.tls.is_some_and(|tls| tls.client.is_some()));
    let half = text.replace("certificate_key = \"/ck\"\n", "");
    assert!(matches!(
        config(&Flags::default(), &[], &half),
        Err(ConfigError::Unset { name: "nats.certificate_key" })
    ));
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    for (text, key, suggested) in [
        ("tenannt = \"a\"", "tenannt", "tenant"),
        ("[http]\nlsten = \"a\"", "http.lsten", "http.listen"),
        ("[htpp]\nlisten = \"a\"", "htpp", "http.listen"),
        ("listen = \"127.0.0.1:1\"", "listen", "http.listen"),
        ("[tenant]\nname = \"a\"", "tenant.name", "tenant"),
    ] {
        match file(text) {
            Err(ConfigError::UnknownKey { key: found, nearest, .. }) => {
                assert_eq!((found.as_str(), nearest), (key, suggested));
            }
            Err(ConfigError::NotText { key, .. }) => assert_eq!(key, "tenant"),
            other => panic!("{text}: {:?}", other.err()),
        }
    }
    assert!(matches!(file("tenant = 1"), Err(ConfigError::NotText { .. })));
    assert!(matches!(file("tenant"), Err(ConfigError::Toml { .. })));
}

#[test]
fn a_value_out_of_bounds_names_who_set_it() {
    for (name, value) in
        [("SWORN_TENANT", "No"), ("SWORN_HOST", "a b"), ("SWORN_HTTP_LISTEN", "7420")]
    {
        let variables = [("SWORN_TENANT", "t"), (name, value)];
        let variables = variables.get(usize::from(name == "SWORN_TENANT")..).unwrap();
        match config(&Flags::default(), variables, "") {
            Err(ConfigError::Invalid { origin, value: found, .. }) => {
                assert_eq!((origin.as_str(), found.as_str()), (name, value));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let unset = config(&Flags::default(), &[], "").unwrap_err();
    assert!(unset.to_string().contains("SWORN_TENANT"), "{unset}");
}

#[test]
fn only_loopback_is_listened_on() {
    for (listen, allowed) in [
        ("127.0.0.1:7420", true),
        ("127.8.8.8:0", true),
        ("[::1]:7420", true),
        ("0.0.0.0:7420", false),
        ("[::]:7420", false),
        ("192.0.2.1:7420", false),
    ] {
        let variables = [("SWORN_TENANT", "t"), ("SWORN_HTTP_LISTEN", listen)];
        let started = config(&Flags::default(), &variables, "");
        match (allowed, started) {
            (true, Ok(config)) => assert_eq!(config.http.listen.to_string(), listen),
            (false, Err(ConfigError::Exposed(address))) => {
                assert_eq!(address.to_string(), listen);
            }
            (_, other) => panic!("{listen}: {other:?}"),
        }
    }
}

#[test]
fn the_mark_never_lies_in_the_store() {
    let text = "tenant = \"t\"\ndata = \"/d\"\nmark = \"/d/store/mark\"";
    assert!(matches!(config(&Flags::default(), &[], text), Err(ConfigError::MarkInStore { .. })));
}

fn of_http(text: &str) -> Result<Http, ConfigError> {
    let text = format!("tenant = \"t\"\nhost = \"h.example\"\n[http]\n{text}");
    config(&Flags::default(), &[], &text).map(|config| config.http)
}

const TLS: &str = "[http.tls]\ncert = \"/c\"\nkey = \"/k\"\n";
const ISSUER: &str = "[http.oidc]\nissuer = \"https://i\"\naudience = \"a\"\nkeys = \"/j\"\n\
                      algorithms = [\"EdDSA\"]\n";
const ROLES: &str = "[http.oidc.roles]\nauditor = \"x, y\"\n";

#[test]
fn the_network_is_served_with_tls_and_tokens_or_not_at_all() {
    let open = "listen = \"0.0.0.0:7420\"\n";
    let auth = "auth = \"required\"\n";
    for text in [
        open.to_owned(),
        format!("{open}{auth}"),
        format!("{open}{TLS}"),
        format!("{open}auth = \"none\"\n{TLS}"),
    ] {
        assert!(matches!(of_http(&text), Err(ConfigError::Exposed(_))), "{text}");
    }
    let http = of_http(&format!("{open}{auth}{TLS}")).unwrap();
    assert_eq!((http.auth, http.names.as_slice()), (true, ["h.example".to_owned()].as_slice()));
    let default = of_http("").unwrap();
    assert!(
        !default.auth && !default.record_reads && default.tls.is_none() && default.oidc.is_none()
    );
}

#[test]
fn an_issuer_is_pinned_wholly_or_refused() {
    let auth = "auth = \"required\"\n";
    let whole = format!("{auth}{ISSUER}{ROLES}");
    let oidc = of_http(&whole).unwrap().oidc.unwrap();
    let auditors = (schemas::access::Role::Auditor, vec!["x".to_owned(), "y".to_owned()]);
    assert_eq!((oidc.claim.as_str(), oidc.roles), ("roles", vec![auditors]));
    assert!(matches!(of_http(&format!("{ISSUER}{ROLES}")), Err(ConfigError::Unasked)));
    assert!(matches!(of_http(&format!("{auth}{ISSUER}")), Err(ConfigError::NoRoles)));
    for name in ["issuer", "audience", "keys", "algorithms"] {
        let without: String = whole
            .lines()
            .filter(|line| !line.starts_with(name))
            .map(|line| format!("{line}\n"))
            .collect();
        let missing = format!("http.oidc.{name}");
        match of_http(&without) {
            Err(ConfigError::Unset { name }) => assert_eq!(name, missing),
            other => panic!("{name}: {other:?}"),
        }
    }
    for algorithm in ["none", "HS256", "RS384", "eddsa", ""] {
        let text = whole.replace("\"EdDSA\"", &format!("\"{algorithm}\""));
        assert!(
            matches!(
                of_http(&text),
                Err(ConfigError::Invalid { name: "http.oidc.algorithms", .. })
            ),
            "{algorithm}"
        );
    }
    assert!(matches!(
        of_http("auth = \"maybe\"\n"),
        Err(ConfigError::Invalid { name: "http.auth", .. })
    ));
    assert!(matches!(
        of_http("[http.tls]\ncert = \"/c\"\n"),
        Err(ConfigError::Unset { name: "http.tls.key" })
    ));
    assert!(matches!(of_http("[http.oidc]\nisuer = \"x\"\n"), Err(ConfigError::UnknownKey { .. })));
}

#[test]
fn the_guide_has_every_setting_with_its_default() {
    let guide = include_str!("../../docs/config.md");
    for Setting { name, default } in SETTINGS {
        let default = default.map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
        assert!(guide.contains(&format!("\n| `{name}` | {default} | ")), "{name}");
    }
    assert_eq!(guide.matches("\n| `").count(), SETTINGS.len(), "and no other");
}
