//! Random queries: as text, and what that text means.

use std::fmt;
use std::ops::Range;

use super::facts::Facts;
use super::random::Random;
use crate::world::{SECOND, START};

/// A query: alternatives of words and groups side by side, within a window.
pub(crate) struct Asked {
    alternatives: Vec<Vec<Ask>>,
    window: Vec<Edge>,
}

pub(crate) enum Ask {
    Word { negated: bool, key: &'static str, value: Value, written: String },
    Group { negated: bool, alternatives: Vec<Vec<Ask>> },
}

pub(crate) enum Value {
    Exact(String),
    Prefix(String),
    Between(String, String),
}

/// Keys whose values have a form or are a closed list: what is no value of them is refused.
const STRICT: [&str; 14] = [
    "id",
    "cause",
    "time",
    "session",
    "parent",
    "task",
    "tool_digest",
    "contract",
    "digest",
    "kind",
    "class",
    "mode",
    "outcome",
    "status",
];

/// An end of the window: how it is written, and from or to where (exclusive) it reaches.
struct Edge {
    written: String,
    reach: Reach,
}

enum Reach {
    From(u64),
    To(u64),
    FromTime(u64),
    ToTime(u64),
}

impl Ask {
    pub(crate) fn word(negated: bool, key: &'static str, value: &str) -> Self {
        let written = value.to_owned();
        Self::Word { negated, key, value: Value::Exact(value.to_owned()), written }
    }

    fn random(random: &mut Random, facts: &Facts, depth: u64) -> Self {
        let negated = random.one_in(5);
        if depth > 0 && random.one_in(4) {
            return Self::Group { negated, alternatives: alternatives(random, facts, depth - 1) };
        }
        // Often the same few keys, so that words of one key meet.
        let common = ["agent", "action", "corr", "kind", "target", "env", "principal", "status"];
        let keys = if random.one_in(2) { &common } else { facts.keys() };
        let key = *random.pick(keys);
        let value = random.pick(facts.values(key)).clone();
        let (value, written) = match random.below(8) {
            0 => (Value::Prefix(String::new()), "*".to_owned()),
            1 | 2 => {
                let length = random.below(1 + u64::try_from(value.chars().count()).unwrap());
                let prefix: String = value.chars().take(usize::try_from(length).unwrap()).collect();
                let written = format!("{}*", quoted(random, &prefix));
                (Value::Prefix(prefix), written)
            }
            3 if key == "time" => {
                let other = random.pick(facts.values(key)).clone();
                let written = format!("{value}..{other}");
                (Value::Between(value, other), written)
            }
            4 if !STRICT.contains(&key) => {
                let other = format!("{value}?");
                let written = quoted(random, &other);
                (Value::Exact(other), written)
            }
            _ => {
                let written = quoted(random, &value);
                (Value::Exact(value), written)
            }
        };
        Self::Word { negated, key, value, written }
    }

    /// Which entries of `range` fit.
    fn scan(&self, facts: &Facts, range: &Range<usize>) -> Vec<bool> {
        let (negated, mut fits) = match self {
            Self::Word { negated, key, value, .. } => {
                (*negated, facts.carrying(key, range.clone(), |text| value.fits(text)))
            }
            Self::Group { negated, alternatives } => (*negated, any(alternatives, facts, range)),
        };
        if negated {
            fits.iter_mut().for_each(|fits| *fits = !*fits);
        }
        fits
    }
}

impl Value {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Between(from, to) => (from.as_str()..=to.as_str()).contains(&text),
        }
    }
}

fn alternatives(random: &mut Random, facts: &Facts, depth: u64) -> Vec<Vec<Ask>> {
    let count = if random.one_in(2) { 1 } else { 2 };
    let each = |random: &mut Random| {
        let count = 1 + random.below(3);
        (0..count).map(|_| Ask::random(random, facts, depth)).collect()
    };
    (0..count).map(|_| each(random)).collect()
}

fn any(alternatives: &[Vec<Ask>], facts: &Facts, range: &Range<usize>) -> Vec<bool> {
    let mut fits = vec![false; range.len()];
    for asks in alternatives {
        or(&mut fits, &all(asks, facts, range));
    }
    fits
}

/// Side by side: words of one key are alternatives, everything else must hold.
fn all(asks: &[Ask], facts: &Facts, range: &Range<usize>) -> Vec<bool> {
    let mut by_key: Vec<(&str, Vec<bool>)> = Vec::new();
    let mut fits = vec![true; range.len()];
    for ask in asks {
        let holds = ask.scan(facts, range);
        match ask {
            Ask::Word { negated: false, key, .. } => {
                match by_key.iter_mut().find(|(known, _)| known == key) {
                    Some((_, also)) => or(also, &holds),
                    None => by_key.push((key, holds)),
                }
            }
            _ => and(&mut fits, &holds),
        }
    }
    by_key.iter().for_each(|(_, holds)| and(&mut fits, holds));
    fits
}

fn or(fits: &mut [bool], also: &[bool]) {
    fits.iter_mut().zip(also).for_each(|(fits, also)| *fits |= also);
}

fn and(fits: &mut [bool], also: &[bool]) {
    fits.iter_mut().zip(also).for_each(|(fits, also)| *fits &= also);
}

impl Asked {
    pub(crate) fn of(alternatives: Vec<Vec<Ask>>) -> Self {
        Self { alternatives, window: Vec::new() }
    }

    pub(crate) fn random(random: &mut Random, facts: &Facts, now: u64) -> Self {
        let mut alternatives = alternatives(random, facts, 2);
        if random.one_in(20) {
            alternatives = vec![Vec::new()];
        }
        let mut window = Vec::new();
        // Of most queries a part of the log, so that the scan takes seconds.
        if !random.one_in(40) {
            let from = random.below(facts.len());
            window.push(Edge::index("since", from));
            window.push(Edge::index("until", from + random.skewed(1500)));
        } else if random.one_in(2) {
            window.push(Edge::from(random, facts, now));
            window.push(Edge::to(random, facts, now));
        }
        if !window.is_empty() && alternatives.len() > 1 {
            alternatives = vec![vec![Ask::Group { negated: false, alternatives }]];
        }
        let asked = Self { alternatives, window };
        let short = words(&asked.alternatives) <= 28 && asked.to_string().len() <= 1024;
        if short { asked } else { Self::random(random, facts, now) }
    }

    /// The entries below `size` that fit, ascending.
    pub(crate) fn scan(&self, facts: &Facts, size: u64) -> Vec<u64> {
        let inside = |index: &u64| self.window.iter().all(|edge| edge.reach.holds(*index, facts));
        let mut window = (0..size).filter(inside);
        let Some(from) = window.next() else { return Vec::new() };
        let to = window.next_back().unwrap_or(from) + 1;
        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        let fits = any(&self.alternatives, facts, &range);
        (from..to).zip(fits).filter(|(_, fits)| *fits).map(|(index, _)| index).collect()
    }
}

fn words(alternatives: &[Vec<Ask>]) -> usize {
    let of = |ask: &Ask| match ask {
        Ask::Word { .. } => 1,
        Ask::Group { alternatives, .. } => words(alternatives),
    };
    alternatives.iter().flatten().map(of).sum()
}

impl Edge {
    fn index(key: &str, index: u64) -> Self {
        let reach = if key == "since" { Reach::From(index) } else { Reach::To(index) };
        Self { written: format!("{key}:{index}"), reach }
    }

    fn from(random: &mut Random, facts: &Facts, now: u64) -> Self {
        let index = random.below(facts.len());
        let (written, reach) = match random.below(5) {
            0 => (format!("since:{index}"), Reach::From(index)),
            1 => (format!("after:#{index}"), Reach::From(index + 1)),
            2 => (format!("after:checkpoint:{index}"), Reach::From(index)),
            3 => {
                let minutes = random.below(600);
                let from = now - minutes * 60 * SECOND;
                (format!("since:{}h{}m", minutes / 60, minutes % 60), Reach::FromTime(from))
            }
            _ => {
                let at = facts.received_at(index);
                (format!("since:{}", stamp(at)), Reach::FromTime(at))
            }
        };
        Self { written, reach }
    }

    fn to(random: &mut Random, facts: &Facts, now: u64) -> Self {
        let index = random.below(facts.len());
        let (written, reach) = match random.below(3) {
            0 => (format!("until:#{index}"), Reach::To(index)),
            1 => {
                let at = START + random.below((now - START) / SECOND / 60) * 60 * SECOND;
                let clock = stamp(at).get(11..16).unwrap().to_owned();
                let day = stamp(at).get(..10).unwrap().to_owned();
                (format!("until:{day}T{clock}"), Reach::ToTime(at))
            }
            _ => {
                let at = facts.received_at(index);
                (format!("until:{}", stamp(at)), Reach::ToTime(at))
            }
        };
        Self { written, reach }
    }
}

impl Reach {
    fn holds(&self, index: u64, facts: &Facts) -> bool {
        match self {
            Self::From(from) => index >= *from,
            Self::To(to) => index < *to,
            Self::FromTime(from) => facts.received_at(index) >= *from,
            Self::ToTime(to) => facts.received_at(index) < *to,
        }
    }
}

fn stamp(us: u64) -> String {
    let stamp = jiff::Timestamp::from_microsecond(i64::try_from(us).unwrap()).unwrap();
    format!("{stamp:.6}")
}

/// As the language quotes it: needed for some values, harmless for others.
fn quoted(random: &mut Random, value: &str) -> String {
    let hard = |c: char| c.is_whitespace() || "()|\"*\\".contains(c);
    if value.is_empty() || value.contains(hard) || random.one_in(4) {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for edge in &self.window {
            write!(f, "{} ", edge.written)?;
        }
        write(f, &self.alternatives)
    }
}

fn write(f: &mut fmt::Formatter<'_>, alternatives: &[Vec<Ask>]) -> fmt::Result {
    for (place, asks) in alternatives.iter().enumerate() {
        f.write_str(if place == 0 { "" } else { " | " })?;
        for (place, ask) in asks.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { " " })?;
            match ask {
                Ask::Word { negated, key, written, .. } => {
                    write!(f, "{}{key}:{written}", if *negated { "-" } else { "" })?;
                }
                Ask::Group { negated, alternatives } => {
                    f.write_str(if *negated { "not:(" } else { "(" })?;
                    write(f, alternatives)?;
                    f.write_str(")")?;
                }
            }
        }
    }
    Ok(())
}
