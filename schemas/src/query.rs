//! The one query language of the command line, the API's `q` and the tail.
//!
//! `agent:pay-* outcome:denied since:15m`: the first colon splits, quotes allow spaces; the same key
//! repeated is OR, different keys are AND; `-` or `not:` negates; a trailing `*` is a prefix and alone any
//! value; parentheses and `|` are OR across keys.

use crate::id::{EventId, Micros};
use crate::limits::{QUERY_BYTES_MAX, QUERY_TERMS_MAX};
use crate::terms::{Key, Term};

/// What a term's value must be.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Pattern {
    /// Exactly this.
    Exact(String),
    /// Beginning with this; empty for any value.
    Prefix(String),
}

impl Pattern {
    /// Whether `value` fits.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => value == exact,
            Self::Prefix(prefix) => value.starts_with(prefix.as_str()),
        }
    }
}

/// A query's condition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Expr {
    /// Every one holds; empty for "everything".
    All(Vec<Expr>),
    /// At least one holds.
    Any(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// The entry carries such a term.
    Is(Key, Pattern),
}

impl Expr {
    /// The same with event ids in the one spelling that terms have; `None` if an id is no UUID.
    #[must_use]
    pub fn canonical(self) -> Option<Self> {
        let each = |parts: Vec<Self>| parts.into_iter().map(Self::canonical).collect::<Option<_>>();
        Some(match self {
            Self::All(parts) => Self::All(each(parts)?),
            Self::Any(parts) => Self::Any(each(parts)?),
            Self::Not(part) => Self::Not(Box::new(part.canonical()?)),
            Self::Is(key @ (Key::Id | Key::Cause | Key::Grant), Pattern::Exact(text)) => {
                Self::Is(key, Pattern::Exact(EventId::parse(&text)?.to_string()))
            }
            expr => expr,
        })
    }

    /// Whether an entry with these terms fits.
    #[must_use]
    pub fn matches(&self, terms: &[Term<'_>]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(terms)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(terms)),
            Self::Not(part) => !part.matches(terms),
            Self::Is(key, pattern) => {
                terms.iter().any(|term| term.key == *key && pattern.matches(&term.value))
            }
        }
    }
}

/// An end of the window, by place or by time of receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// A ledger index.
    Index(u64),
    /// A time.
    Time(Micros),
    /// This long before the ledger's now, in microseconds.
    Ago(u64),
}

/// A parsed query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// The condition.
    pub expr: Expr,
    /// First entry, inclusive.
    pub since: Option<Bound>,
    /// Last entry, exclusive.
    pub until: Option<Bound>,
    /// Entries after this one.
    pub after: Option<Bound>,
}

/// Why a query cannot be read. `at` is a byte offset.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is longer than [`QUERY_BYTES_MAX`].
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`QUERY_TERMS_MAX`] terms, or parentheses inside as many.
    #[error("the query has more than {QUERY_TERMS_MAX} terms")]
    TooManyTerms,
    /// A word without a colon.
    #[error("at {at}: {word:?} has no key; write key:value, for example agent:{word}")]
    NoKey {
        /// Where.
        at: usize,
        /// The word.
        word: String,
    },
    /// A key that does not exist.
    #[error("at {at}: unknown key {key:?}; did you mean {nearest}?")]
    UnknownKey {
        /// Where.
        at: usize,
        /// The key.
        key: String,
        /// The most similar key.
        nearest: &'static str,
    },
    /// A time bound that is none of the forms.
    #[error("at {at}: {value:?} is no time; write 15m, 2026-04-08, 03:40 with on:DATE, or #900")]
    BadTime {
        /// Where.
        at: usize,
        /// The value.
        value: String,
    },
    /// A quote that is not closed.
    #[error("at {at}: the quote is not closed")]
    OpenQuote {
        /// Where.
        at: usize,
    },
    /// A parenthesis without its other half, or nothing between two.
    #[error("at {at}: unbalanced parenthesis or missing term")]
    Unbalanced {
        /// Where.
        at: usize,
    },
}

const WINDOW_KEYS: &[&str] = &["since", "until", "after", "on"];

impl Query {
    /// The query that everything fits.
    #[must_use]
    pub fn everything() -> Self {
        Self { expr: Expr::All(Vec::new()), since: None, until: None, after: None }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// [`QueryError`] with the place and, for a key, the nearest one that exists.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong);
        }
        let tokens = tokenize(text)?;
        let words = tokens.iter().filter(|token| matches!(token.kind, TokenKind::Word { .. }));
        if words.count() > QUERY_TERMS_MAX {
            return Err(QueryError::TooManyTerms);
        }
        let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, window: Window::default() };
        let expr = parser.any(0)?;
        if let Some(token) = parser.peek() {
            return Err(QueryError::Unbalanced { at: token.at });
        }
        parser.window.query(expr)
    }

    /// Whether an entry with these terms fits the condition; the window is the reader's to apply.
    #[must_use]
    pub fn matches(&self, terms: &[Term<'_>]) -> bool {
        self.expr.matches(terms)
    }
}

struct Token {
    at: usize,
    kind: TokenKind,
}

enum TokenKind {
    Open,
    Close,
    Or,
    Word { negated: bool, text: String, quoted_value: bool },
}

fn tokenize(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(at, c)) = chars.peek() {
        let single = match c {
            '(' => Some(TokenKind::Open),
            ')' => Some(TokenKind::Close),
            '|' => Some(TokenKind::Or),
            _ => None,
        };
        if let Some(kind) = single {
            chars.next();
            tokens.push(Token { at, kind });
        } else if c.is_whitespace() {
            chars.next();
        } else {
            tokens.push(Token { at, kind: word(at, &mut chars)? });
        }
    }
    Ok(tokens)
}

fn word(
    at: usize,
    chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
) -> Result<TokenKind, QueryError> {
    let mut text = String::new();
    let mut quoted_value = false;
    let mut quoted = false;
    while let Some(&(_, c)) = chars.peek() {
        if c == '"' {
            quoted = !quoted;
            quoted_value = true;
        } else if !quoted && (c.is_whitespace() || matches!(c, '(' | ')' | '|')) {
            break;
        } else {
            text.push(c);
        }
        chars.next();
    }
    if quoted {
        return Err(QueryError::OpenQuote { at });
    }
    let rest = text.strip_prefix("not:").or_else(|| text.strip_prefix('-')).map(str::to_owned);
    Ok(match rest {
        Some(rest) => TokenKind::Word { negated: true, text: rest, quoted_value },
        None => TokenKind::Word { negated: false, text, quoted_value },
    })
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    window: Window,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    /// Alternatives between `|`.
    fn any(&mut self, opened: usize) -> Result<Expr, QueryError> {
        let mut parts = vec![self.all()?];
        while matches!(self.peek(), Some(Token { kind: TokenKind::Or, .. })) {
            self.at += 1;
            parts.push(self.all()?);
        }
        let lone =
            parts.len() > 1 && parts.iter().any(|p| matches!(p, Expr::All(p) if p.is_empty()));
        if lone {
            return Err(QueryError::Unbalanced { at: opened });
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    /// Terms side by side: the same key is OR, the rest AND.
    fn all(&mut self) -> Result<Expr, QueryError> {
        let mut by_key: Vec<(Key, Vec<Expr>)> = Vec::new();
        let mut parts = Vec::new();
        while let Some(token) = self.peek() {
            match &token.kind {
                TokenKind::Close | TokenKind::Or => break,
                TokenKind::Open => {
                    self.at += 1;
                    self.depth += 1;
                    if self.depth > QUERY_TERMS_MAX {
                        return Err(QueryError::TooManyTerms);
                    }
                    let inner = self.any(token.at)?;
                    self.depth -= 1;
                    if !matches!(self.peek(), Some(Token { kind: TokenKind::Close, .. })) {
                        return Err(QueryError::Unbalanced { at: token.at });
                    }
                    self.at += 1;
                    parts.push(inner);
                }
                TokenKind::Word { negated, text, quoted_value } => {
                    self.at += 1;
                    let Some((key, pattern)) = self.term(token.at, text, *quoted_value)? else {
                        continue;
                    };
                    if *negated {
                        parts.push(Expr::Not(Box::new(Expr::Is(key, pattern))));
                    } else if let Some((_, same)) = by_key.iter_mut().find(|(k, _)| *k == key) {
                        same.push(Expr::Is(key, pattern));
                    } else {
                        by_key.push((key, vec![Expr::Is(key, pattern)]));
                    }
                }
            }
        }
        let positive = by_key
            .into_iter()
            .map(|(_, mut same)| if same.len() == 1 { same.remove(0) } else { Expr::Any(same) });
        let mut all: Vec<_> = positive.collect();
        all.append(&mut parts);
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::All(all) })
    }

    /// A term, or `None` for a word that bounds the window.
    fn term(
        &mut self,
        at: usize,
        text: &str,
        quoted: bool,
    ) -> Result<Option<(Key, Pattern)>, QueryError> {
        let Some((name, value)) = text.split_once(':') else {
            return Err(QueryError::NoKey { at, word: text.to_owned() });
        };
        if WINDOW_KEYS.contains(&name) {
            self.window.set(name, value, at);
            return Ok(None);
        }
        let key = Key::parse(name).ok_or_else(|| QueryError::UnknownKey {
            at,
            key: name.to_owned(),
            nearest: nearest(name),
        })?;
        let pattern = match value.strip_suffix('*') {
            Some(prefix) if !quoted => Pattern::Prefix(prefix.to_owned()),
            _ => Pattern::Exact(value.to_owned()),
        };
        Ok(Some((key, pattern)))
    }
}

fn nearest(name: &str) -> &'static str {
    let names = Key::ALL.iter().map(|key| key.as_str()).chain(WINDOW_KEYS.iter().copied());
    names.min_by_key(|candidate| distance(name, candidate)).unwrap_or("agent")
}

/// Levenshtein distance in characters; both texts are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let change = diagonal + usize::from(x != y);
            diagonal = *cell;
            *cell = change.min(left + 1).min(*cell + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[derive(Default)]
struct Window {
    since: Option<(usize, String)>,
    until: Option<(usize, String)>,
    after: Option<(usize, String)>,
    on: Option<(usize, String)>,
}

impl Window {
    fn set(&mut self, name: &str, value: &str, at: usize) {
        let slot = match name {
            "since" => &mut self.since,
            "until" => &mut self.until,
            "after" => &mut self.after,
            _ => &mut self.on,
        };
        *slot = Some((at, value.to_owned()));
    }

    fn query(self, expr: Expr) -> Result<Query, QueryError> {
        let bad =
            |(at, value): &(usize, String)| QueryError::BadTime { at: *at, value: value.clone() };
        let day = match &self.on {
            Some(on) => Some(on.1.parse::<jiff::civil::Date>().map_err(|_no_date| bad(on))?),
            None => None,
        };
        let bound = |word: &Option<(usize, String)>| match word {
            Some(word) => parse_bound(&word.1, day).map(Some).ok_or_else(|| bad(word)),
            None => Ok(None),
        };
        let (mut since, mut until) = (bound(&self.since)?, bound(&self.until)?);
        if let Some(day) = day {
            since = since.or_else(|| midnight(day));
            until = until.or_else(|| midnight(day.tomorrow().ok()?));
        }
        Ok(Query { expr, since, until, after: bound(&self.after)? })
    }
}

fn midnight(day: jiff::civil::Date) -> Option<Bound> {
    at_time(day, jiff::civil::Time::midnight())
}

fn at_time(day: jiff::civil::Date, time: jiff::civil::Time) -> Option<Bound> {
    let zoned = day.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    timestamp(zoned.timestamp())
}

fn timestamp(time: jiff::Timestamp) -> Option<Bound> {
    u64::try_from(time.as_microsecond()).ok().map(|us| Bound::Time(Micros(us)))
}

fn parse_bound(text: &str, day: Option<jiff::civil::Date>) -> Option<Bound> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let digits = digits.strip_prefix("checkpoint:").unwrap_or(digits);
    if let Ok(index) = digits.parse() {
        return Some(Bound::Index(index));
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return timestamp(time);
    }
    if let Some(time) = clock_time(text) {
        return at_time(day?, time);
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        return midnight(date);
    }
    duration_us(text).map(Bound::Ago)
}

impl Bound {
    /// A place in the log as people write it: `900`, `#900`, `2026-04-08`, RFC 3339, or a span before now as `15m`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_bound(text, None)
    }
}

fn clock_time(text: &str) -> Option<jiff::civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    jiff::civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        reason = "tests"
    )]

    use super::*;

    fn term(key: Key, value: &str) -> Term<'_> {
        Term { key, value: value.into() }
    }

    /// Whether an entry of agent `pay-1` in workflow `w 1`, allowed and denied, fits.
    fn fits(query: &str) -> bool {
        let terms = [
            term(Key::Agent, "pay-1"),
            term(Key::Corr, "w 1"),
            term(Key::Verdict, "allow"),
            term(Key::Verdict, "deny"),
            term(Key::Target, "a*"),
        ];
        Query::parse(query).unwrap().matches(&terms)
    }

    #[test]
    fn keys_are_and_values_are_or() {
        let yes = [
            "",
            "agent:pay-1",
            "agent:pay-*",
            "agent:*",
            "agent:x agent:pay-1",
            "corr:\"w 1\"",
            "agent:pay-1 verdict:deny",
            "-agent:x",
            "not:agent:x",
            "-user:*",
            "(agent:x | verdict:deny)",
            "agent:x | corr:\"w 1\"",
            "(agent:pay-1 (corr:\"w 1\"))",
            "target:\"a*\"",
            "agent:pay-1 since:15m",
        ];
        let no = [
            "agent:x",
            "agent:PAY-1",
            "agent:pay-1 verdict:none",
            "-agent:pay-1",
            "-agent:*",
            "user:*",
            "agent:x agent:y",
            "(agent:x | verdict:none)",
            "target:\"b*\"",
            "agent:\"pay-*\"",
        ];
        assert_eq!(yes.into_iter().find(|query| !fits(query)), None);
        assert_eq!(no.into_iter().find(|query| fits(query)), None);
    }

    #[test]
    fn windows_are_places_or_times() {
        let time = |us| Some(Bound::Time(Micros(us)));
        let midnight = 1_775_606_400_000_000;
        let cases = [
            ("since:#900", Some(Bound::Index(900)), None),
            ("since:900 until:checkpoint:950", Some(Bound::Index(900)), Some(Bound::Index(950))),
            ("since:15m", Some(Bound::Ago(900_000_000)), None),
            ("since:1d2h", Some(Bound::Ago(93_600_000_000)), None),
            ("since:2026-04-08", time(midnight), None),
            ("since:2026-04-08T03:40:00Z", time(midnight + 13_200_000_000), None),
            ("on:2026-04-08", time(midnight), time(midnight + 86_400_000_000)),
            (
                "on:2026-04-08 since:03:40",
                time(midnight + 13_200_000_000),
                time(midnight + 86_400_000_000),
            ),
        ];
        for (text, since, until) in cases {
            let query = Query::parse(text).unwrap();
            assert_eq!((query.since, query.until), (since, until), "{text}");
            assert_eq!(query.expr, Expr::All(Vec::new()), "{text}");
        }
    }

    #[test]
    fn faults_name_their_place() {
        let error = |text: &str| Query::parse(text).unwrap_err();
        let unbalanced = |at| QueryError::Unbalanced { at };
        assert_eq!(error("  word"), QueryError::NoKey { at: 2, word: "word".into() });
        let unknown = QueryError::UnknownKey { at: 0, key: "agnet".into(), nearest: "agent" };
        assert_eq!(error("agnet:x"), unknown);
        for value in ["yesterday", "03:40", "25:00", "5y", "-1m", ""] {
            let expected = QueryError::BadTime { at: 0, value: value.into() };
            assert_eq!(error(&format!("since:{value}")), expected);
        }
        assert_eq!(error("agent:\"a b"), QueryError::OpenQuote { at: 0 });
        assert_eq!(
            (error("(agent:a"), error("agent:a)"), error("| agent:a")),
            (unbalanced(0), unbalanced(7), unbalanced(0))
        );
        assert_eq!(error(&"agent:a ".repeat(33)), QueryError::TooManyTerms);
        assert_eq!(error(&"a".repeat(QUERY_BYTES_MAX + 1)), QueryError::TooLong);
        assert!(Query::parse(&format!("{}agent:a{}", "(".repeat(32), ")".repeat(32))).is_ok());
        assert_eq!(error(&"(".repeat(1024)), QueryError::TooManyTerms);
    }
}
