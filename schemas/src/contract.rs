//! An access contract: what its owner lets an agent do. Read from the fields of `contract.registered`; what is absent
//! is unchecked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::deterministic::Item;
use crate::grant::covers;
use crate::id::{Digest, Micros};
use crate::limits::CONTRACT_RETENTION_DAYS_MIN;
use crate::query::duration_us;
use crate::reject::{Reason, Reject};

/// How an agent may act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecutionMode {
    /// By itself; for a user too.
    Autonomous,
    /// Only what was approved.
    Approval,
    /// Only for a user.
    OnBehalfOf,
}

impl ExecutionMode {
    /// The mode with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Autonomous, Self::Approval, Self::OnBehalfOf]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Autonomous => "autonomous",
            Self::Approval => "approval",
            Self::OnBehalfOf => "on_behalf_of",
        }
    }
}

/// Hours of the day in which an action may run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Hours {
    /// The action.
    pub action: String,
    /// First minute of the day.
    pub from: u16,
    /// Minute of the day that is too late.
    pub to: u16,
    /// An IANA zone, or `destination`: where whoever is called or written to is.
    pub zone: String,
}

/// The zone of whoever is called or written to.
pub const DESTINATION: &str = "destination";

/// How often an action may run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cap {
    /// The action.
    pub action: String,
    /// Within a day; else within an hour.
    pub daily: bool,
    /// So many times.
    pub max: u64,
}

/// What an action is, whatever an agent says of it.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Mapped {
    /// Its class.
    pub class: Option<String>,
    /// The system it acts on.
    pub system: Option<String>,
    /// The scope it needs.
    pub scope: Option<String>,
}

/// What a contract allows: the same for all agents of a kind, so that those share it in memory.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Allowed {
    /// Operations by system.
    pub permissions: BTreeMap<String, Vec<String>>,
    /// Tools.
    pub tools: Option<Vec<String>>,
    /// Patterns of targets.
    pub targets: Option<Vec<String>>,
    /// Domains that may be written to.
    pub domains: Option<Vec<String>>,
    /// Environments.
    pub environments: Option<Vec<String>>,
    /// Data classes.
    pub data_classes: Option<Vec<String>>,
    /// What actions are.
    pub actions: BTreeMap<String, Mapped>,
    /// When actions may run.
    pub hours: Vec<Hours>,
    /// How often actions may run.
    pub caps: Vec<Cap>,
    /// Gates that an action has to pass.
    pub gates: BTreeMap<String, Vec<String>>,
    /// Actions that need an approval each.
    pub approval_required: Vec<String>,
    /// Systems whose actions a witness sees.
    pub witnessed: Vec<String>,
}

/// A contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contract {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// The agent.
    pub agent: String,
    /// Who answers for it.
    pub owner: String,
    /// What it is for.
    pub purpose: Option<String>,
    /// What it allows.
    pub allowed: Arc<Allowed>,
    /// How it may act.
    pub mode: ExecutionMode,
    /// It ends at this time.
    pub expiry: Option<Micros>,
    /// When its owner has to look at it again.
    pub review_by: Option<Micros>,
    /// The build that is expected.
    pub build: Option<Digest>,
    /// The environment that is expected.
    pub environment: Option<String>,
    /// Longest life of a credential, in µs.
    pub max_credential_age: Option<u64>,
    /// How long its entries are kept, in µs.
    pub retention: Option<u64>,
    /// Bounds of the rules that differ from the defaults.
    pub thresholds: BTreeMap<String, u64>,
}

const DAY_US: u64 = 86_400_000_000;

fn invalid(path: &str, expected: impl Into<String>) -> Reject {
    Reject::new(Reason::InvalidField, format!("registry.{path}"), expected)
}

impl Allowed {
    fn kept(registry: &Item<'_>) -> Result<Self, Reject> {
        Ok(Self {
            permissions: named(registry.path("agent.permissions"), |item| Some(texts(item))),
            tools: list(registry, "tools"),
            targets: list(registry, "targets"),
            domains: list(registry, "domains"),
            environments: list(registry, "environments"),
            data_classes: list(registry, "data_classes"),
            actions: named(registry.get("actions"), |item| Some(mapped(item))),
            hours: each(registry.get("hours"), "hours", hours)?,
            caps: each(registry.path("limits.caps"), "limits.caps", cap)?,
            gates: named(registry.get("gates"), |item| Some(texts(item))),
            approval_required: list(registry, "approval_required").unwrap_or_default(),
            witnessed: list(registry, "witnessed").unwrap_or_default(),
        })
    }

    /// Every operation that it permits, each once.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.permissions.values().flatten().map(String::as_str)
    }

    /// What it says of an action.
    #[must_use]
    pub fn known(&self, action: &str) -> Option<&Mapped> {
        let same = || self.actions.iter().find(|(name, _)| same_name(name, action));
        self.actions.get(action).or_else(|| same().map(|(_, mapped)| mapped))
    }
}

impl Contract {
    /// Reads `registry` of a `contract.registered` whose shape was checked.
    ///
    /// # Errors
    /// `invalid_field` where a date, an hour, a zone or a duration is none, or the hours are contradictory.
    pub fn read(registry: &Item<'_>) -> Result<Self, Reject> {
        let contract = Self::kept(registry)?;
        let is_known = |zone: &str| zone == DESTINATION || jiff::tz::TimeZone::get(zone).is_ok();
        let unknown = contract.allowed.hours.iter().position(|hours| !is_known(&hours.zone));
        match unknown {
            Some(place) => {
                let expected = "an IANA time zone, or destination";
                Err(invalid(&format!("hours.{place}.zone"), expected))
            }
            None => Ok(contract),
        }
    }

    /// Reads one that was accepted. Its zones are not looked at again: other tz data than of that time may lack one.
    ///
    /// # Errors
    /// As for [`Contract::read`], but for zones.
    pub(crate) fn kept(registry: &Item<'_>) -> Result<Self, Reject> {
        let text = |path: &str| registry.path(path).and_then(Item::text).map(str::to_owned);
        let digest = |path: &str| Digest::from_slice(registry.get(path)?.bytes()?);
        let required = |path: &str| {
            text(path).ok_or_else(|| {
                Reject::new(Reason::MissingField, format!("registry.{path}"), "text")
            })
        };
        let mode = text("agent.execution_mode").as_deref().and_then(ExecutionMode::parse);
        Ok(Self {
            digest: digest("digest").ok_or_else(|| invalid("digest", "32 bytes"))?,
            agent: required("agent.name")?,
            owner: required("agent.owner")?,
            purpose: text("agent.purpose"),
            mode: mode.ok_or_else(|| invalid("agent.execution_mode", "a mode"))?,
            expiry: date(registry, "agent.expiry")?,
            review_by: date(registry, "review_by")?,
            allowed: Arc::new(Allowed::kept(registry)?),
            build: digest("build"),
            environment: text("environment"),
            max_credential_age: duration(registry, "max_credential_age")?,
            retention: retention(registry)?,
            thresholds: named(registry.get("thresholds"), |item| item.uint()),
        })
    }

    /// Whether it has ended at this time.
    #[must_use]
    pub fn is_expired(&self, at: Micros) -> bool {
        self.expiry.is_some_and(|expiry| at >= expiry)
    }
}

/// Whether a permitted operation is, or stands for, what was used.
#[must_use]
pub fn permits(operation: &str, used: &str) -> bool {
    covers(operation, used) || same_name(operation, used)
}

/// Whether two names are of one action: `drop  table` is `DROP TABLE`, `pull_request.comment` is
/// `pull_request:comment`.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    let begins =
        |name: &str| name.bytes().next().filter(|byte| !byte.is_ascii_whitespace()).map(letter);
    if begins(a).zip(begins(b)).is_some_and(|(a, b)| a != b) {
        return false;
    }
    let is_spaced = |name: &str| name.bytes().any(|byte| byte.is_ascii_whitespace());
    let same = a.len() == b.len() && a.bytes().map(letter).eq(b.bytes().map(letter));
    same || ((is_spaced(a) || is_spaced(b)) && letters(a).eq(letters(b)))
}

/// Whether a name, or a pattern that ends in `*`, stands for an action however that is spelled.
pub(crate) fn stands_for(pattern: &str, action: &str) -> bool {
    let (mut of, mut name) = (letters(pattern).peekable(), letters(action));
    while let Some(letter) = of.next() {
        if letter == b'*' && of.peek().is_none() {
            return true;
        }
        if name.next() != Some(letter) {
            return false;
        }
    }
    name.next().is_none()
}

/// What a name is compared by.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    let words = name.split_ascii_whitespace().enumerate();
    let spaced = words.flat_map(|(place, word)| {
        std::iter::repeat_n(b' ', usize::from(place > 0)).chain(word.bytes())
    });
    spaced.map(letter)
}

/// What a byte of a name is compared by.
fn letter(byte: u8) -> u8 {
    if byte == b':' { b'.' } else { byte.to_ascii_lowercase() }
}

fn texts(item: &Item<'_>) -> Vec<String> {
    let items = item.array().unwrap_or_default();
    items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
}

fn list(registry: &Item<'_>, path: &str) -> Option<Vec<String>> {
    registry.get(path).map(texts)
}

fn named<T>(item: Option<&Item<'_>>, read: impl Fn(&Item<'_>) -> Option<T>) -> BTreeMap<String, T> {
    let pairs = item.and_then(Item::map).unwrap_or_default();
    let pair = |(name, item): &(Item<'_>, Item<'_>)| Some((name.text()?.to_owned(), read(item)?));
    pairs.iter().filter_map(pair).collect()
}

fn each<T>(
    items: Option<&Item<'_>>,
    path: &str,
    read: impl Fn(&Item<'_>) -> Result<T, (&'static str, &'static str)>,
) -> Result<Vec<T>, Reject> {
    let items = items.and_then(Item::array).unwrap_or_default();
    let read = |(place, item): (usize, &Item<'_>)| {
        read(item)
            .map_err(|(field, expected)| invalid(&format!("{path}.{place}.{field}"), expected))
    };
    items.iter().enumerate().map(read).collect()
}

fn mapped(item: &Item<'_>) -> Mapped {
    let text = |name: &str| item.get(name).and_then(Item::text).map(str::to_owned);
    Mapped { class: text("class"), system: text("system"), scope: text("scope") }
}

fn cap(item: &Item<'_>) -> Result<Cap, (&'static str, &'static str)> {
    let text = |name: &str| item.get(name).and_then(Item::text).unwrap_or_default();
    let max = item.get("max").and_then(Item::uint).ok_or(("max", "a number"))?;
    Ok(Cap { action: text("action").to_owned(), daily: text("per") == "day", max })
}

fn hours(item: &Item<'_>) -> Result<Hours, (&'static str, &'static str)> {
    let text = |name: &str| item.get(name).and_then(Item::text).unwrap_or_default();
    let from = minute(text("from")).ok_or(("from", "a time of day as 09:00"))?;
    let to = minute(text("to")).ok_or(("to", "a time of day as 18:00"))?;
    if from >= to {
        return Err(("to", "a time of day after from"));
    }
    Ok(Hours { action: text("action").to_owned(), from, to, zone: text("zone").to_owned() })
}

/// Minute of the day of `09:00`; `24:00` ends the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5)?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let fits = (hour < 24 && minute < 60) || (hour, minute) == (24, 0);
    fits.then_some(hour * 60 + minute)
}

/// Midnight UTC of a date.
fn date(registry: &Item<'_>, path: &str) -> Result<Option<Micros>, Reject> {
    let Some(text) = registry.path(path).and_then(Item::text) else { return Ok(None) };
    let date = text.parse::<jiff::civil::Date>().ok().filter(|date| date.to_string() == text);
    let midnight = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let us = midnight.and_then(|at| u64::try_from(at.timestamp().as_microsecond()).ok());
    us.map(|us| Some(Micros(us))).ok_or_else(|| invalid(path, "a date as 2026-07-01"))
}

/// `1h`, `90d`, `7y`: a year has 365 days here.
fn duration(registry: &Item<'_>, path: &str) -> Result<Option<u64>, Reject> {
    let Some(text) = registry.path(path).and_then(Item::text) else { return Ok(None) };
    let years = text.strip_suffix('y').and_then(|years| years.parse::<u64>().ok());
    let us = match years {
        Some(years) => years.checked_mul(365 * DAY_US),
        None => duration_us(text),
    };
    let us = us.filter(|us| *us > 0);
    us.map(Some).ok_or_else(|| invalid(path, "a duration as 1h, 90d or 7y"))
}

/// An owner may not have evidence erased soon: what ends earlier is the operator's to decide.
fn retention(registry: &Item<'_>) -> Result<Option<u64>, Reject> {
    let period = duration(registry, "retention")?;
    match period.filter(|period| *period < CONTRACT_RETENTION_DAYS_MIN * DAY_US) {
        None => Ok(period),
        Some(_) => Err(invalid("retention", format!("at least {CONTRACT_RETENTION_DAYS_MIN}d"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::deterministic::{Bounds, decode};
    use crate::encode::encode;
    use crate::fields::CONTRACT;
    use crate::id::Index;
    use crate::registry::ContractRecord;
    use crate::shape::{Path, Shape};

    fn sound() -> Json {
        json!({
            "digest": "07".repeat(32),
            "agent": {
                "name": "pr-review-agent", "owner": "platform-team@company.com",
                "permissions": { "github": ["repo:read", "pull_request:comment"], "jira": ["issue:read"] },
                "execution_mode": "autonomous", "expiry": "2026-07-01",
            },
            "hours": [{ "action": "voice.call", "from": "09:00", "to": "18:00", "zone": "America/New_York" }],
            "limits": { "caps": [{ "action": "voice.call", "per": "day", "max": 50 }] },
            "gates": { "voice.call": ["tcpa_consent"] },
            "actions": { "DROP TABLE": { "class": "destructive" } },
            "max_credential_age": "1h",
            "retention": "7y",
            "thresholds": { "volume": 100 },
        })
    }

    fn read(json: &Json) -> Result<Contract, String> {
        let shape = Shape::Record(CONTRACT);
        let named = |reject: Reject| format!("{} {}", reject.reason, reject.cause.path);
        let value = shape.read_json(json, &Path::root("registry")).map_err(named)?;
        let bytes = encode(&value);
        let item = decode(&bytes, Bounds::WIRE).unwrap();
        shape.check(&item, &Path::root("registry")).map_err(named)?;
        assert_eq!(shape.to_json(&item), *json);
        Contract::read(&item).map_err(named)
    }

    #[test]
    fn a_kept_contract_is_read_though_its_zone_is_gone() {
        let mut gone = sound();
        gone["hours"][0]["zone"] = json!("Mars");
        assert_eq!(read(&gone).unwrap_err(), "invalid_field registry.hours.0.zone");
        let value = Shape::Record(CONTRACT).read_json(&gone, &Path::root("registry")).unwrap();
        let record = ContractRecord::new(&encode(&value), Index(1), None, None).unwrap();
        assert_eq!(record.contract.allowed.hours[0].zone, "Mars");
    }

    #[test]
    fn a_contract_is_read_whole() {
        let contract = read(&sound()).unwrap();
        assert_eq!(contract.expiry, Some(Micros(1_782_864_000_000_000)));
        assert!(!contract.is_expired(Micros(1_782_863_999_999_999)));
        assert!(contract.is_expired(Micros(1_782_864_000_000_000)));
        let operations: Vec<_> = contract.allowed.operations().collect();
        assert_eq!(operations, ["repo:read", "pull_request:comment", "issue:read"]);
        assert_eq!((contract.allowed.hours[0].from, contract.allowed.hours[0].to), (540, 1080));
        assert_eq!(contract.max_credential_age, Some(3_600_000_000));
        assert_eq!(contract.retention, Some(7 * 365 * DAY_US));
        assert!(contract.allowed.caps[0].daily && contract.allowed.tools.is_none());
        assert_eq!(contract.allowed.actions["DROP TABLE"].class.as_deref(), Some("destructive"));
    }

    #[test]
    fn each_fault_is_named_where_it_is() {
        let with = |pointer: &str, value: Json| {
            let mut json = sound();
            *json.pointer_mut(pointer).unwrap() = value;
            read(&json).unwrap_err()
        };
        let without = |pointer: &str, name: &str| {
            let mut json = sound();
            json.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name);
            read(&json).unwrap_err()
        };
        assert_eq!(without("/agent", "owner"), "missing_field registry.agent.owner");
        assert_eq!(without("", "digest"), "missing_field registry.digest");
        assert_eq!(with("/retention", json!("179d")), "invalid_field registry.retention");
        assert_eq!(with("/agent/expiry", json!("1 July")), "invalid_field registry.agent.expiry");
        assert_eq!(with("/hours/0/to", json!("08:00")), "invalid_field registry.hours.0.to");
        assert_eq!(with("/hours/0/from", json!("9:00")), "invalid_field registry.hours.0.from");
        assert_eq!(with("/hours/0/to", json!("24:01")), "invalid_field registry.hours.0.to");
        assert_eq!(with("/hours/0/zone", json!("Mars")), "invalid_field registry.hours.0.zone");
        assert_eq!(
            with("/max_credential_age", json!("soon")),
            "invalid_field registry.max_credential_age"
        );
        let mut more = sound();
        more["colour"] = json!("blue");
        assert_eq!(read(&more).unwrap_err(), "unknown_field registry.colour");
        let mut kind = sound();
        kind["actions"]["DROP TABLE"]["class"] = json!("harmless");
        assert_eq!(read(&kind).unwrap_err(), "invalid_field registry.actions.DROP TABLE.class");
    }
}
