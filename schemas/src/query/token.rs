//! A query's text in words and signs.

use std::fmt::{self, Write as _};
use std::iter::Peekable;
use std::str::CharIndices;

use super::QueryError;

/// A word or a sign, at a byte of the text.
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
}

pub(super) enum TokenKind {
    /// `(`, perhaps negated.
    Open {
        negated: bool,
    },
    Close,
    Or,
    Word(Word),
}

/// `key:value` as it stands, without its quotes.
pub(super) struct Word {
    pub(super) negated: bool,
    pub(super) text: String,
    /// Some of it stood in quotes.
    pub(super) quoted: bool,
    /// It ends in a `*` that did not.
    pub(super) starred: bool,
}

/// What a value must not hold outside of quotes.
fn parts(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '|')
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(at, c)) = chars.peek() {
        let sign = match c {
            '(' => Some(TokenKind::Open { negated: false }),
            ')' => Some(TokenKind::Close),
            '|' => Some(TokenKind::Or),
            _ => None,
        };
        if let Some(kind) = sign {
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

fn word(at: usize, chars: &mut Peekable<CharIndices<'_>>) -> Result<TokenKind, QueryError> {
    let (mut text, mut quoted, mut open, mut starred) = (String::new(), false, false, false);
    while let Some(&(_, c)) = chars.peek() {
        if !open && parts(c) {
            break;
        }
        chars.next();
        match c {
            '"' => (open, quoted) = (!open, true),
            '\\' if open => text.push(escaped(chars)),
            c => {
                text.push(c);
                starred = c == '*' && !open;
            }
        }
    }
    if open {
        return Err(QueryError::OpenQuote { at });
    }
    let negates = matches!(text.as_str(), "-" | "not:") && !quoted;
    if negates && chars.next_if(|(_, c)| *c == '(').is_some() {
        return Ok(TokenKind::Open { negated: true });
    }
    let rest = text.strip_prefix("not:").or_else(|| text.strip_prefix('-'));
    let rest = rest.filter(|rest| !rest.is_empty()).map(str::to_owned);
    let (negated, text) = (rest.is_some(), rest.unwrap_or(text));
    Ok(TokenKind::Word(Word { negated, text, quoted, starred }))
}

/// What a backslash in quotes stands for: the quote or the backslash after it, else itself.
fn escaped(chars: &mut Peekable<CharIndices<'_>>) -> char {
    chars.next_if(|(_, c)| matches!(c, '"' | '\\')).map_or('\\', |(_, c)| c)
}

/// Writes a value so that it is read back as it is.
pub(super) fn quoted(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let plain = |c: char| !parts(c) && !matches!(c, '"' | '*');
    if !value.is_empty() && value.chars().all(plain) {
        return f.write_str(value);
    }
    f.write_char('"')?;
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}
