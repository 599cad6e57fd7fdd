//! Submissions by HTTP: the same bytes as by the broker, for when that is away.

use super::{Client, ClientError};

const CBOR: &str = "application/cbor";

impl Client {
    /// Hands a signed submission in. The reply's bytes; `None` where the server does not know yet what becomes of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn submit(
        &self,
        path: &str,
        message: &[u8],
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let request = self.bearing(self.agent.post(self.url(path)));
        let request = request.header("Content-Type", CBOR).header("Accept", CBOR);
        let response = self.successful(path, self.answered(request.send(message))?)?;
        if response.status() == 202 {
            return Ok(None);
        }
        self.content(response).map(Some)
    }
}
