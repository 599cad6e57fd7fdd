//! Which form of an answer a request wants: `?format=` by name, else `Accept` by media type (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

use crate::error::Error;

/// A form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    /// The word for `?format=`.
    pub(crate) name: &'static str,
    /// Media type, and its parameters after a semicolon.
    pub(crate) media: &'static str,
}

impl Form {
    pub(crate) const JSON: Self = Self { name: "json", media: "application/json" };
    pub(crate) const TEXT: Self = Self { name: "text", media: "text/plain; charset=utf-8" };

    /// The media type without parameters.
    fn essence(&self) -> &'static str {
        self.media.split(';').next().unwrap_or_default()
    }
}

/// The one of `forms` that the request wants; the first if it does not say.
///
/// # Errors
/// [`Error::UnknownFormat`] for another name in `?format=`, [`Error::NotAcceptable`] where `Accept` admits none.
pub(crate) fn choose(
    forms: &'static [Form],
    headers: &HeaderMap,
    format: Option<&str>,
) -> Result<Form, Error> {
    if let Some(name) = format {
        let named = forms.iter().find(|form| form.name == name).copied();
        return named.ok_or(Error::UnknownFormat { forms });
    }
    let essences: Vec<_> = forms.iter().map(Form::essence).collect();
    let place = preferred(headers, &essences).ok_or(Error::NotAcceptable { forms })?;
    forms.get(place).copied().ok_or(Error::NotAcceptable { forms })
}

/// Which of these media types, without parameters, `Accept` prefers: of equals the first, and that, too, where it says nothing.
/// `None` where it admits none.
#[must_use]
pub fn preferred(headers: &HeaderMap, media: &[&str]) -> Option<usize> {
    let accepted: Vec<_> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    if accepted.is_empty() {
        return Some(0);
    }
    let wanted = media.iter().map(|media| weight(&accepted, media)).enumerate();
    // Of equals the first: `max_by_key` would give the last.
    let best = wanted.filter(|(_, weight)| *weight > 0).rev().max_by_key(|(_, weight)| *weight);
    best.map(|(place, _)| place)
}

/// One media range of `Accept` with its weight in thousandths.
struct Range<'a> {
    range: &'a str,
    weight: u16,
}

impl<'a> Range<'a> {
    /// `None` where it is empty, or no weight can be read.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let range = parts.next().filter(|range| !range.is_empty())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        Some(Self { range, weight: weight.map_or(Some(1000), thousandths)? })
    }

    /// How closely it names a media type: 0 not at all, 3 exactly.
    fn closeness(&self, media: &str) -> u8 {
        let kind = media.split('/').next().unwrap_or_default();
        match self.range.split_once('/') {
            Some(("*", "*")) => 1,
            Some((range, "*")) if range.eq_ignore_ascii_case(kind) => 2,
            _ if self.range.eq_ignore_ascii_case(media) => 3,
            _ => 0,
        }
    }
}

/// `0.5` as 500.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || part.len() > 3 || !digits(part) {
        return None;
    }
    let number: u16 = format!("{whole}{part:0<3}").parse().ok()?;
    (number <= 1000).then_some(number)
}

/// The weight of the range that names the media type most closely.
fn weight(accepted: &[Range<'_>], media: &str) -> u16 {
    let close = accepted.iter().map(|range| (range.closeness(media), range.weight));
    close.filter(|(closeness, _)| *closeness > 0).max().map_or(0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::http::HeaderValue;

    use super::*;

    const CBOR: Form = Form { name: "cbor", media: "application/cbor" };
    const FORMS: &[Form] = &[Form::JSON, CBOR, Form::TEXT];

    fn chosen(accept: Option<&str>, format: Option<&str>) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        }
        choose(FORMS, &headers, format).ok().map(|form| form.name)
    }

    #[test]
    fn the_closest_range_decides_and_the_first_form_where_none_does() {
        for (accept, expected) in [
            (None, Some("json")),
            (Some(""), Some("json")),
            (Some("*/*"), Some("json")),
            (Some("application/cbor"), Some("cbor")),
            (Some("APPLICATION/CBOR"), Some("cbor")),
            (Some("text/html, application/cbor;q=0.9"), Some("cbor")),
            (Some("text/*"), Some("text")),
            (Some("application/*;q=0.1, text/plain;q=0.2"), Some("text")),
            (Some("application/json;q=0, */*"), Some("cbor")),
            (Some("application/cbor;q=0.5, application/json;q=0.5"), Some("json")),
            (Some("text/html"), None),
            (Some("application/json;q=0"), None),
            (Some("application/json;q=2"), Some("json")),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Some("json")),
        ] {
            assert_eq!(chosen(accept, None), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_named_format_wins() {
        assert_eq!(chosen(Some("application/json"), Some("cbor")), Some("cbor"));
        assert_eq!(chosen(Some("application/json"), Some("xml")), None);
    }
}
