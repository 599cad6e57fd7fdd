//! What a target tells: the domains it writes to, the group it is of, the number it calls.

use std::borrow::Cow;

/// Domains of a target: of each address in it, or of its URL. A target of another form has none. Where it can be read in
/// two ways, those of both.
pub(crate) fn domains(target: &str) -> impl Iterator<Item = &str> {
    let parts = target.split([',', ';', ' ', '<', '>', '\t']);
    let domains = parts.map(|part| part.trim_matches(['"', '\'', '(', ')'])).flat_map(|part| {
        let (place, address) = match authority(part) {
            Some(authority) => (authority, ""),
            None => ("", part),
        };
        // Of `one\@two`, browsers go to the one, others to the two.
        let places = place.split('\\').map(|place| match place.rsplit_once('@') {
            Some((_, after)) => after,
            None => place,
        });
        places.chain(address.split('@').skip(1)).map(host)
    });
    domains.filter(|domain| !domain.is_empty())
}

/// What stands between the scheme and the path of a URL: an `@` after that leads nowhere else.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.:".contains(&byte);
    let is_quoted = text.contains('"');
    let is_url = !text.contains('@') || (scheme.bytes().all(of_scheme) && !is_quoted);
    is_url.then(|| rest.split(['/', '?', '#']).next().unwrap_or_default())
}

/// The host at the start of what follows `//` or `@`.
fn host(text: &str) -> &str {
    let end = text.find(['/', '?', '#', ':']).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end_matches('.')
}

/// Whether a domain is one of those allowed; `*.example.com` allows each below it.
pub(crate) fn is_allowed(domains: &[String], domain: &str) -> bool {
    domains.iter().any(|allowed| match allowed.strip_prefix("*.") {
        Some(above) => {
            let start = domain.len().checked_sub(above.len());
            let end = start.and_then(|start| domain.get(start..));
            let dot = start.and_then(|start| domain.get(..start)).is_some_and(|d| d.ends_with('.'));
            dot && end.is_some_and(|end| end.eq_ignore_ascii_case(above))
        }
        None => allowed.eq_ignore_ascii_case(domain),
    })
}

/// What targets are grouped by: all up to the last `/`, the domain of an address, the first four digits of a telephone
/// number (its country, and in North America its area), else the whole target.
pub(crate) fn group(target: &str) -> Cow<'_, str> {
    if let Some(mut number) = number(target) {
        number.truncate(5);
        return number.into();
    }
    match target.rsplit_once('/') {
        Some((group, _)) => group.into(),
        None => target.rsplit_once('@').map_or(target, |(_, domain)| domain).into(),
    }
}

/// The E.164 number that a target is, if it is one: a `+` and 7 to 15 digits, however they are set apart.
pub(crate) fn number(target: &str) -> Option<String> {
    let target = ["tel:", "sms:", "sip:", "whatsapp:"]
        .into_iter()
        .find_map(|scheme| target.strip_prefix(scheme))
        .unwrap_or(target);
    let target = target.split_once('@').map_or(target, |(number, _)| number);
    let digits = target.strip_prefix('+').filter(|digits| digits.len() < 32)?;
    let apart = |c: &char| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/');
    let number: String = std::iter::once('+').chain(digits.chars().filter(apart)).collect();
    let fits = (8..=16).contains(&number.len());
    (fits && number.bytes().skip(1).all(|byte| byte.is_ascii_digit())).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_found_wherever_they_stand() {
        for (target, expected) in [
            ("finance@example.com", vec!["example.com"]),
            ("a@example.com,b@other.example", vec!["example.com", "other.example"]),
            ("Jane <jane@other.example.>", vec!["other.example"]),
            ("https://user@other.example:8443/path@example.com", vec!["other.example"]),
            ("https://other.example/x?u=@example.com", vec!["other.example"]),
            ("https://other.example#@example.com", vec!["other.example"]),
            ("https://other.example\\@example.com", vec!["other.example", "example.com"]),
            ("https://example.com:x@other.example/", vec!["other.example"]),
            ("https://example.com@@other.example", vec!["other.example"]),
            ("see (https://other.example/a@example.com)", vec!["other.example"]),
            ("https://other.example/path", vec!["other.example"]),
            ("mailto:a@other.example?cc=x", vec!["other.example"]),
            ("mailto:a@other.example?cc=b@example.com", vec!["other.example", "example.com"]),
            ("a@other.example?u=https://example.com", vec!["other.example"]),
            ("\"https://example.com/\"@other.example", vec!["other.example"]),
            ("jdbc:postgresql://u@other.example:5432/x@example.com", vec!["other.example"]),
            ("+14155550142", vec![]),
            ("postgres:prod/sessions", vec![]),
        ] {
            assert_eq!(domains(target).collect::<Vec<_>>(), expected, "{target}");
        }
    }

    #[test]
    fn a_domain_is_allowed_whole_or_below_a_star() {
        let allowed = ["example.com".to_owned(), "*.mail.example".to_owned()];
        for (domain, expected) in [
            ("example.com", true),
            ("EXAMPLE.com", true),
            ("evil-example.com", false),
            ("sub.example.com", false),
            ("a.mail.example", true),
            ("mail.example", false),
            ("evilmail.example", false),
        ] {
            assert_eq!(is_allowed(&allowed, domain), expected, "{domain}");
        }
    }

    #[test]
    fn groups_are_coarser_than_targets() {
        for (target, expected) in [
            ("postgres:prod/sessions", "postgres:prod"),
            ("finance@example.com", "example.com"),
            ("+14155550142", "+1415"),
            ("tel:+442079460000", "+4420"),
            ("+1 (415) 555-0142", "+1415"),
            ("jira", "jira"),
        ] {
            assert_eq!(group(target), expected);
        }
    }
}
