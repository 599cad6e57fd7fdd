//! From words and signs to a query.

use super::nearest::nearest;
use super::token::{Token, TokenKind, Word};
use super::value;
use super::when::{self, WINDOW_KEYS};
use super::{Bound, Expr, Query, QueryError};
use crate::limits::QUERY_TERMS_MAX;
use crate::terms::Key;

pub(super) fn query(tokens: &[Token]) -> Result<Query, QueryError> {
    let words = tokens.iter().filter(|token| matches!(token.kind, TokenKind::Word(_)));
    if words.count() > QUERY_TERMS_MAX {
        return Err(QueryError::TooManyTerms);
    }
    let mut parser = Parser { tokens, at: 0, depth: 0, window: Window::default() };
    let expr = parser.any()?;
    if let Some(token) = parser.peek() {
        return Err(QueryError::Unbalanced { at: token.at });
    }
    parser.window.query(expr)
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    window: Window<'t>,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    /// Alternatives between `|`.
    fn any(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.all()?];
        while let Some(Token { at, kind: TokenKind::Or }) = self.peek() {
            self.at += 1;
            self.no_window()?;
            let before = parts.last().is_some_and(is_nothing);
            parts.push(self.all()?);
            if before || parts.last().is_some_and(is_nothing) {
                return Err(QueryError::Unbalanced { at: *at });
            }
        }
        if parts.len() > 1 {
            self.no_window()?;
        }
        Ok(Expr::any(parts))
    }

    /// Alternatives of the whole query have no window of their own.
    fn no_window(&self) -> Result<(), QueryError> {
        match self.window.0.first().filter(|_| self.depth == 0) {
            Some(End { at, key, .. }) => Err(QueryError::NestedWindow { at: *at, key }),
            None => Ok(()),
        }
    }

    /// Terms side by side: the same key is OR, the rest AND.
    fn all(&mut self) -> Result<Expr, QueryError> {
        let mut by_key: Vec<(Key, Vec<Expr>)> = Vec::new();
        let mut others = Vec::new();
        while let Some(token) = self.peek() {
            match &token.kind {
                TokenKind::Close | TokenKind::Or => break,
                TokenKind::Open { negated } => {
                    self.at += 1;
                    others.push(negate(*negated, self.group(token.at)?));
                }
                TokenKind::Word(word) => {
                    self.at += 1;
                    let Some((key, term)) = self.term(token.at, word)? else { continue };
                    if word.negated {
                        others.push(negate(true, term));
                    } else if let Some((_, same)) = by_key.iter_mut().find(|(k, _)| *k == key) {
                        same.push(term);
                    } else {
                        by_key.push((key, vec![term]));
                    }
                }
            }
        }
        let mut all: Vec<_> = by_key.into_iter().map(|(_, same)| Expr::any(same)).collect();
        all.append(&mut others);
        Ok(Expr::all(all))
    }

    /// What stands in the parentheses that opened `at`.
    fn group(&mut self, at: usize) -> Result<Expr, QueryError> {
        self.depth += 1;
        if self.depth > QUERY_TERMS_MAX {
            return Err(QueryError::TooManyTerms);
        }
        let inner = self.any()?;
        self.depth -= 1;
        let closed = matches!(self.peek(), Some(Token { kind: TokenKind::Close, .. }));
        if !closed || is_nothing(&inner) {
            return Err(QueryError::Unbalanced { at });
        }
        self.at += 1;
        Ok(inner)
    }

    /// A term, or `None` for a word that bounds the window.
    fn term(&mut self, at: usize, word: &'t Word) -> Result<Option<(Key, Expr)>, QueryError> {
        let Some((name, text)) = word.text.split_once(':') else {
            let (word, suggestion) = (word.text.clone(), spelled(&word.text));
            return Err(QueryError::NoKey { at, word, suggestion });
        };
        if let Some(key) = WINDOW_KEYS.iter().copied().find(|key| *key == name) {
            if word.negated {
                return Err(QueryError::NegatedWindow { at, key });
            }
            if self.depth > 0 {
                return Err(QueryError::NestedWindow { at, key });
            }
            self.window.set(End { at, key, value: text })?;
            return Ok(None);
        }
        let key = Key::parse(name).ok_or_else(|| QueryError::UnknownKey {
            at,
            key: name.to_owned(),
            nearest: nearest(name),
        })?;
        if text.is_empty() && !word.quoted {
            return Err(QueryError::NoValue { at, key: key.as_str() });
        }
        let term = match text.strip_suffix('*') {
            Some(prefix) if word.starred => value::prefix(key, prefix),
            _ => value::exact(key, text),
        };
        let term = term.map_err(|bad| QueryError::of_value(at, key, text, bad))?;
        Ok(Some((key, term)))
    }
}

fn is_nothing(expr: &Expr) -> bool {
    matches!(expr, Expr::All(parts) if parts.is_empty())
}

fn negate(negated: bool, expr: Expr) -> Expr {
    if negated { expr.negated() } else { expr }
}

/// How the language writes what was meant by a lone word.
fn spelled(word: &str) -> String {
    match word.to_ascii_lowercase().as_str() {
        "or" => "| between alternatives".to_owned(),
        "and" => "the terms side by side".to_owned(),
        "not" | "-" | "!" => "-key:value".to_owned(),
        _ => format!("key:value, for example agent:{word}"),
    }
}

/// A word that bounds the window.
#[derive(Clone, Copy)]
struct End<'t> {
    at: usize,
    key: &'static str,
    value: &'t str,
}

#[derive(Default)]
struct Window<'t>(Vec<End<'t>>);

impl<'t> Window<'t> {
    fn set(&mut self, end: End<'t>) -> Result<(), QueryError> {
        if self.of(end.key).is_some() {
            return Err(QueryError::RepeatedWindow { at: end.at, key: end.key });
        }
        self.0.push(end);
        Ok(())
    }

    fn of(&self, key: &str) -> Option<End<'t>> {
        self.0.iter().copied().find(|end| end.key == key)
    }

    fn query(&self, expr: Expr) -> Result<Query, QueryError> {
        let bad = |end: End<'_>| QueryError::BadTime { at: end.at, value: end.value.to_owned() };
        let on = match self.of("on") {
            Some(end) => Some(when::day(end.value).ok_or_else(|| bad(end))?),
            None => None,
        };
        let bound = |key| match self.of(key) {
            Some(end) => Bound::parse_on(end.value, on).map(Some).ok_or_else(|| bad(end)),
            None => Ok(None),
        };
        let (since, until, after) = (bound("since")?, bound("until")?, bound("after")?);
        let (from, to) = on.and_then(when::day_bounds).unzip();
        Ok(Query { expr, since: since.or(from), until: until.or(to), after, on })
    }
}
