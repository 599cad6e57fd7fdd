//! Answers that caches may keep, each with its tag (RFC 9110, section 8.8.3; RFC 9111).

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::id::{Digest, sha256};

/// Asked again each time: what is at an address can be erased, and a new epoch files other entries under its indices.
const KEEP: &str = "no-cache";

/// What a client has already, as `If-None-Match` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(String);

impl Known {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let tags = headers.get_all(header::IF_NONE_MATCH).iter();
        let tags: Vec<_> = tags.filter_map(|value| value.to_str().ok()).collect();
        Self(tags.join(","))
    }

    /// Compared weakly (RFC 9110, section 13.1.2).
    fn has(&self, tag: &str) -> bool {
        let tags = self.0.split(',').map(str::trim);
        tags.map(|known| known.strip_prefix("W/").unwrap_or(known))
            .any(|known| known == tag || known == "*")
    }

    /// The bytes with their tag; nothing but the tag where the client has them.
    pub(crate) fn answer(&self, media: &'static str, bytes: Vec<u8>) -> Response {
        let tag = format!("\"{}\"", Digest(sha256(&bytes)));
        let fixed = [
            (header::CACHE_CONTROL, KEEP),
            (header::VARY, "accept"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        if self.has(&tag) {
            return (StatusCode::NOT_MODIFIED, fixed, [(header::ETAG, tag)]).into_response();
        }
        let headers = [(header::ETAG, tag.as_str()), (header::CONTENT_TYPE, media)];
        (fixed, headers, bytes).into_response()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn whoever_has_it_gets_its_tag_alone() {
        let fresh = Known::default().answer("text/plain", b"x".to_vec());
        let tag = fresh.headers()[header::ETAG].to_str().unwrap_or_default().to_owned();
        for (known, has) in [
            (tag.clone(), true),
            (format!("\"other\", W/{tag}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (String::new(), false),
        ] {
            let again = Known(known).answer("text/plain", b"x".to_vec());
            assert_eq!(again.status() == StatusCode::NOT_MODIFIED, has);
            assert_eq!(again.headers()[header::ETAG], tag.as_str());
            assert_eq!(again.headers()[header::CACHE_CONTROL], "no-cache");
        }
    }
}
