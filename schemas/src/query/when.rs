//! Times and places as people write them. Everything is UTC.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::id::{Index, Micros, TreeSize};
use crate::terms::time_text;

/// A day of UTC.
pub type Day = Date;

/// Keys that bound a query.
pub(super) const WINDOW_KEYS: &[&str] = &["since", "until", "after", "on"];

const DAY_US: u64 = 86_400_000_000;

/// An end of the window, by place or by time of receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// A ledger index: `900` or `#900`.
    Index(u64),
    /// Where the tree of this size ends: `checkpoint:900`.
    Checkpoint(TreeSize),
    /// A time: RFC 3339 or a date, which is its midnight.
    Time(Micros),
    /// This long before the ledger's now, in microseconds: `15m`.
    Ago(u64),
    /// This time of the ledger's day, in microseconds after midnight: `03:40`.
    Clock(u64),
}

/// An end of the window, made absolute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// This entry.
    Index(Index),
    /// The first entry received at this time or later.
    Time(Micros),
}

impl Bound {
    /// Whether it moves as the ledger's now does.
    #[must_use]
    pub fn is_relative(self) -> bool {
        matches!(self, Self::Ago(_) | Self::Clock(_))
    }

    /// A place in the log: `900`, `#900`, `checkpoint:900`, `2026-04-08`, RFC 3339, `03:40`, or a span
    /// before now as `15m`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_on(text, None)
    }

    /// The same, where a clock time is one of `day`.
    #[must_use]
    pub fn parse_on(text: &str, day: Option<Day>) -> Option<Self> {
        if let Some(size) = text.strip_prefix("checkpoint:") {
            return digits(size).map(|size| Self::Checkpoint(TreeSize(size)));
        }
        if let Some(index) = digits(text.strip_prefix('#').unwrap_or(text)) {
            return Some(Self::Index(index));
        }
        if let Some(time) = clock(text) {
            return match day {
                Some(day) => instant(day.to_datetime(time)).map(Self::Time),
                None => clock_us(time).map(Self::Clock),
            };
        }
        moment(text).map(|(from, _)| Self::Time(from)).or_else(|| duration_us(text).map(Self::Ago))
    }

    /// Where it is; what is relative counts from `now`, the ledger's.
    #[must_use]
    pub fn place(self, now: Micros) -> Place {
        match self {
            Self::Index(index) => Place::Index(Index(index)),
            Self::Checkpoint(size) => Place::Index(Index(size.0)),
            Self::Time(time) => Place::Time(time),
            Self::Ago(us) => Place::Time(Micros(now.0.saturating_sub(us))),
            Self::Clock(us) => Place::Time(Micros((now.0 - now.0 % DAY_US).saturating_add(us))),
        }
    }

    /// Where what comes after it begins: entries of a checkpoint's tree are before it.
    #[must_use]
    pub fn place_after(self, now: Micros) -> Place {
        match (self, self.place(now)) {
            (Self::Checkpoint(_), place) => place,
            (_, Place::Index(index)) => Place::Index(Index(index.0.saturating_add(1))),
            (_, Place::Time(time)) => Place::Time(Micros(time.0.saturating_add(1))),
        }
    }
}

/// Midnight of the day, and of the next.
pub(super) fn day_bounds(day: Day) -> Option<(Bound, Bound)> {
    let (from, to) = day_span(day)?;
    Some((Bound::Time(from), Bound::Time(to)))
}

/// A date alone: the calendar's own reader would leave out a time behind it.
pub(super) fn day(text: &str) -> Option<Day> {
    (text.len() == "2026-04-08".len()).then(|| text.parse().ok()).flatten()
}

/// The times that `A..B`, `A..`, `..B` or `A` names, as terms have them: each end with all that it names, so
/// that a date is its whole day.
pub(super) fn span(text: &str) -> Option<(String, String)> {
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (from, to),
        None => (text, text),
    };
    if from.is_empty() && to.is_empty() {
        return None;
    }
    let from = if from.is_empty() { Micros(0) } else { moment(from)?.0 };
    // After every year of the calendar.
    let end = if to.is_empty() { "~".to_owned() } else { time_text(moment(to)?.1) };
    Some((time_text(from), end))
}

/// The first moment that a date or a time names, and the first after it.
fn moment(text: &str) -> Option<(Micros, Micros)> {
    if let Some(day) = day(text) {
        return day_span(day);
    }
    let after = |from: Micros| from.0.checked_add(precision_us(text)).map(Micros);
    let from = match text.parse::<jiff::Timestamp>() {
        Ok(stamp) => micros(stamp)?,
        Err(_no_offset) => instant(text.parse::<DateTime>().ok()?)?,
    };
    Some((from, after(from)?))
}

/// What the last figure of a time with its date counts.
fn precision_us(text: &str) -> u64 {
    let time = text.get("2026-04-08T".len()..).unwrap_or_default();
    let colons = time.split(['+', '-', 'Z', 'z']).next().unwrap_or_default();
    match (colons.matches(':').count(), colons.contains(['.', ','])) {
        (_, true) => 1,
        (2.., _) => 1_000_000,
        (1, _) => 60_000_000,
        (0, _) => 3_600_000_000,
    }
}

fn day_span(day: Day) -> Option<(Micros, Micros)> {
    let midnight = |day: Day| instant(day.to_datetime(Time::midnight()));
    Some((midnight(day)?, midnight(day.tomorrow().ok()?)?))
}

fn instant(at: DateTime) -> Option<Micros> {
    micros(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn micros(stamp: jiff::Timestamp) -> Option<Micros> {
    u64::try_from(stamp.as_microsecond()).ok().map(Micros)
}

/// `03:40` or `03:40:30`.
fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let mut two = || {
        let part = parts.next().filter(|part| (1..=2).contains(&part.len()))?;
        digits(part).and_then(|part| i8::try_from(part).ok())
    };
    let (hour, minute, second) = (two()?, two()?, two());
    let read = if second.is_some() { 2 } else { 1 };
    let whole = text.matches(':').count() == read;
    whole.then(|| Time::new(hour, minute, second.unwrap_or_default(), 0).ok()).flatten()
}

fn clock_us(time: Time) -> Option<u64> {
    let part = |count: i8, seconds: u64| u64::try_from(count).ok().map(|count| count * seconds);
    let seconds = part(time.hour(), 3600)? + part(time.minute(), 60)? + part(time.second(), 1)?;
    Some(seconds * 1_000_000)
}

/// A number of digits alone: no sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `15m`, `1d2h`, `30s` in microseconds.
#[must_use]
pub fn duration_us(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest.get(..end)?.parse().ok()?;
        let mut unit = rest.get(end..)?.chars();
        let seconds = match unit.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(seconds)?.checked_mul(1_000_000)?)?;
        rest = unit.as_str();
    }
    (!text.is_empty()).then_some(total)
}
