//! What a reader asks for: parameters and the `Last-Event-ID` header.

use axum::extract::Query as Parameters;
use axum::http::{HeaderMap, Uri};
use schemas::id::TreeSize;
use schemas::limits::{QUERY_BYTES_MAX, QUERY_TERMS_MAX};
use schemas::query::{Bound, Expr, Query};
use schemas::terms::Key;

use crate::cursor::Token;
use crate::refusal::Refusal;

/// Keys of the query language that are parameters of their own, too.
const SHORTHANDS: [Key; 5] = [Key::Agent, Key::Corr, Key::Principal, Key::Kind, Key::Outcome];
const QUERY: &str = "q";
const SINCE: &str = "since";
const TOKEN: &str = "last_event_id";
const CHECKPOINT: &str = "checkpoint";
const TOKEN_HEADER: &str = "last-event-id";

/// A reader's wish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    /// What to see and, without a token, where to begin.
    pub(crate) query: Query,
    /// Where to go on.
    pub(crate) token: Option<Token>,
    /// The checkpoint that the first one sent has to extend.
    pub(crate) checkpoint: Option<TreeSize>,
}

impl Request {
    /// Reads a request's parameters and headers.
    ///
    /// # Errors
    /// [`Refusal`] that names the parameter.
    pub(crate) fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        // Reading pairs of text from a query string cannot fail.
        let pairs = Parameters::<Vec<(String, String)>>::try_from_uri(uri);
        let given = Given::sort(pairs.map(|Parameters(pairs)| pairs).unwrap_or_default())?;
        Ok(Self {
            token: token(headers, given.token.as_deref())?,
            checkpoint: given.checkpoint()?,
            query: given.query()?,
        })
    }
}

/// The header wins, because a browser that reconnects repeats the first URL.
fn token(headers: &HeaderMap, parameter: Option<&str>) -> Result<Option<Token>, Refusal> {
    let bad = |name| Refusal::Token { name };
    // A reader that has seen no id yet has an empty one.
    let header = headers.get(TOKEN_HEADER).filter(|value| !value.is_empty());
    let (name, text) = match (header, parameter) {
        (Some(value), _) => (TOKEN_HEADER, value.to_str().map_err(|_not_ascii| bad(TOKEN_HEADER))?),
        (None, Some(text)) if !text.is_empty() => (TOKEN, text),
        _ => return Ok(None),
    };
    Token::parse(text).map(Some).ok_or_else(|| bad(name))
}

/// The parameters, each in its place.
#[derive(Default)]
struct Given {
    query: Option<String>,
    since: Option<String>,
    token: Option<String>,
    checkpoint: Option<String>,
    terms: Vec<(Key, String)>,
}

impl Given {
    fn sort(pairs: Vec<(String, String)>) -> Result<Self, Refusal> {
        let mut given = Self::default();
        for (name, value) in pairs {
            let (place, name) = match name.as_str() {
                QUERY => (&mut given.query, QUERY),
                SINCE => (&mut given.since, SINCE),
                TOKEN => (&mut given.token, TOKEN),
                CHECKPOINT => (&mut given.checkpoint, CHECKPOINT),
                _ => {
                    given.terms.push((shorthand(name)?, value));
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(Refusal::Repeated { name });
            }
        }
        Ok(given)
    }

    fn checkpoint(&self) -> Result<Option<TreeSize>, Refusal> {
        let Some(text) = &self.checkpoint else { return Ok(None) };
        let size = text.parse().ok().filter(|size: &u64| *size > 0 && size.to_string() == *text);
        size.map(|size| Some(TreeSize(size))).ok_or(Refusal::Checkpoint)
    }

    fn query(self) -> Result<Query, Refusal> {
        let text = self.query.unwrap_or_default();
        let mut query =
            Query::parse(&text).map_err(|error| Refusal::Query { name: QUERY, error })?;
        if let Some(since) = &self.since {
            if query.since.is_some() {
                return Err(Refusal::Repeated { name: SINCE });
            }
            query.since = Some(Bound::parse_on(since, query.on).ok_or(Refusal::Since)?);
        }
        query.expr = narrowed(query.expr, &self.terms)?;
        Ok(query)
    }
}

fn shorthand(name: String) -> Result<Key, Refusal> {
    let key = SHORTHANDS.into_iter().find(|key| key.as_str() == name);
    key.ok_or_else(|| {
        let keys = SHORTHANDS.into_iter().map(Key::as_str);
        let known: Vec<_> = [QUERY, SINCE, TOKEN, CHECKPOINT].into_iter().chain(keys).collect();
        Refusal::UnknownParameter { name, known: known.join(", ") }
    })
}

/// `expr` and the terms given as parameters: the same key is OR, the rest AND, as in the language.
fn narrowed(expr: Expr, terms: &[(Key, String)]) -> Result<Expr, Refusal> {
    let bytes = terms.iter().fold(0, |sum: usize, (_, value)| sum.saturating_add(value.len()));
    if let Some((key, _)) = terms.last()
        && (terms.len() > QUERY_TERMS_MAX || bytes > QUERY_BYTES_MAX)
    {
        return Err(Refusal::Terms { name: key.as_str() });
    }
    let mut all = vec![expr];
    for key in SHORTHANDS {
        let values = terms.iter().filter(|(of, _)| *of == key);
        let bad = |error| Refusal::Query { name: key.as_str(), error };
        let any = values.map(|(_, value)| Expr::term(key, value).map_err(bad));
        let mut any = any.collect::<Result<Vec<_>, _>>()?;
        match any.len() {
            0 => {}
            1 => all.append(&mut any),
            _ => all.push(Expr::Any(any)),
        }
    }
    Ok(if all.len() == 1 { all.remove(0) } else { Expr::All(all) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use schemas::id::{ChainHash, Index};
    use schemas::query::Pattern;

    use super::*;

    fn read(parameters: &str, header: Option<&str>) -> Result<Request, Refusal> {
        let uri = format!("/api/v1/tail?{parameters}").parse().unwrap();
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(TOKEN_HEADER, value.parse().unwrap());
        }
        Request::read(&uri, &headers)
    }

    fn check(parameters: &str, query: &str) {
        assert_eq!(
            read(parameters, None).unwrap().query,
            Query::parse(query).unwrap(),
            "{parameters}"
        );
    }

    fn refuse(parameters: &str, header: Option<&str>, expected: &str) {
        let refusal = read(parameters, header).unwrap_err();
        assert_eq!(format!("{refusal:?}").split([' ', '{']).next(), Some(expected), "{parameters}");
    }

    #[test]
    fn parameters_are_terms() {
        check("", "");
        check("q=agent:a%20since:900", "agent:a since:900");
        check("since=%23900", "since:#900");
        check("since=2026-04-08T03:40:00Z", "since:2026-04-08T03:40:00Z");
        check("since=1d2h", "since:1d2h");
        let narrowed =
            read("q=env:prod&agent=pay-*&kind=finding&kind=action.intent", None).unwrap();
        let is = |key, text: &str| Expr::term(key, text).unwrap();
        let kinds = vec![is(Key::Kind, "finding"), is(Key::Kind, "action.intent")];
        let expected = vec![is(Key::Env, "prod"), is(Key::Agent, "pay-*"), Expr::Any(kinds)];
        assert_eq!(narrowed.query.expr, Expr::All(expected));
        // A value is a value, whatever it looks like.
        let odd = read("agent=a%20since:5%20)%22", None).unwrap().query;
        let expected = Pattern::Exact("a since:5 )\"".to_owned());
        assert_eq!(
            odd.expr,
            Expr::All(vec![Expr::All(Vec::new()), Expr::Is(Key::Agent, expected)])
        );
        assert_eq!(odd.since, None);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        refuse("agnet=a", None, "UnknownParameter");
        refuse("q=a&q=b", None, "Repeated");
        refuse("q=since:5&since=6", None, "Repeated");
        refuse("q=nonsense", None, "Query");
        refuse("q=(agent:a", None, "Query");
        refuse("kind=action", None, "Query");
        refuse("since=yesterday", None, "Since");
        refuse("since=", None, "Since");
        refuse("since=5%20agent:a", None, "Since");
        refuse("since=15m%20until:900", None, "Since");
        refuse(&"agent=a&".repeat(QUERY_TERMS_MAX + 1), None, "Terms");
        refuse(&format!("corr={}", "a".repeat(QUERY_BYTES_MAX + 1)), None, "Terms");
        refuse("last_event_id=7", None, "Token");
        for size in ["", "0", "-1", "+1", "01", "1.0", "99999999999999999999"] {
            refuse(&format!("checkpoint={}", size.replace('+', "%2B")), None, "Checkpoint");
        }
        refuse("checkpoint=1&checkpoint=1", None, "Repeated");
        refuse("", Some("00112233.5.DEADBEEF"), "Token");
        refuse("last_event_id=00112233.5.deadbeef", Some("7"), "Token");
    }

    #[test]
    fn the_header_wins() {
        let token = Token::new(&ChainHash([1; 32]), Index(7), &ChainHash([2; 32])).to_string();
        let index = |parameters: &str, header: Option<&str>| {
            read(parameters, header).unwrap().token.map(|token| token.index().0)
        };
        assert_eq!(index("last_event_id=00112233.5.deadbeef", Some(&token)), Some(7));
        assert_eq!(index("last_event_id=00112233.5.deadbeef", None), Some(5));
        assert_eq!(index("last_event_id=", None), None);
        assert_eq!(index("", Some("")), None);
        assert_eq!(index("last_event_id=00112233.5.deadbeef", Some("")), Some(5));
    }
}
