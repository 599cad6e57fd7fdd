//! Answers that a server makes beside the request: where to ask again, and how far they are.

use serde_json::Value as Json;
use ureq::http::header::LOCATION;

use super::{Client, ClientError, answer};

/// An answer, or where it will be.
pub(crate) enum Made {
    /// The answer.
    Whole(Vec<u8>),
    /// It is being made.
    Later {
        /// Path to ask again.
        path: String,
        /// How far it is.
        progress: Json,
    },
}

impl Client {
    /// Bytes from `path` in the media type `accept`, or where to ask for them again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn made(
        &self,
        path: &str,
        query: &[(&str, &str)],
        accept: &str,
    ) -> Result<Made, ClientError> {
        let request = self.bearing(self.agent.get(self.url(path))).header("Accept", accept);
        // Whoever knows where to ask again can cancel it, too.
        let request = request.header("Prefer", "respond-async");
        let answered = self.answered(request.query_pairs(query.iter().copied()).call())?;
        let response = self.successful(path, answered)?;
        if response.status() != 202 {
            return self.content(response).map(Made::Whole);
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        // The token must not follow a server's word to another.
        let location = location.filter(|path| path.starts_with('/') && !path.starts_with("//"));
        let location = location.map(str::to_owned);
        let path = location.ok_or_else(|| answer(path, "a place to ask again"))?;
        let progress = serde_json::from_slice(&self.content(response)?).unwrap_or_default();
        Ok(Made::Later { path, progress })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::scripted::server;

    const LATER: &str = "HTTP/1.1 202 Accepted\r\nLocation: /b/1\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{\"gathered\":2}";

    #[test]
    fn an_answer_may_come_later_from_the_same_server() {
        let elsewhere = ["//evil.example/b", "https://evil.example/b", ""]
            .map(|place| LATER.replace("Location: /b/1", &format!("Location: {place}")));
        let whole =
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nPK".to_owned();
        let answers = [vec![LATER.to_owned(), whole], elsewhere.to_vec()].concat();
        let (url, asked) = server(answers);
        let client = Client::new(&url).unwrap();
        let Made::Later { path, progress } = client.made("/b", &[("q", "a")], "x/y").unwrap()
        else {
            panic!("it is made already");
        };
        assert_eq!((path.as_str(), &progress["gathered"]), ("/b/1", &2.into()));
        assert!(matches!(client.made(&path, &[], "x/y"), Ok(Made::Whole(bytes)) if bytes == b"PK"));
        for _ in 0..3 {
            assert!(matches!(client.made("/b", &[], "x/y"), Err(ClientError::Answer { .. })));
        }
        let asked = asked.join().unwrap();
        assert!(asked[1].starts_with("GET /b/1 HTTP/1.1\r\n"), "{}", asked[1]);
    }
}
