//! A trusted key followed through the rotations and epochs of its ledger, each proved by its own entry.

use schemas::body::Body;
use schemas::era::Eras;
use schemas::id::Index;
use schemas::statement::Statement;
use serde_json::Value as Json;

use crate::cli::failure::Failure;
use crate::cli::trust::Trust;
use crate::client::Client;
use crate::exit::Exit;

/// Most changes that a server may name: each costs two requests.
const CHANGES_MAX: usize = 256;

/// The eras that the server names in its `status`, proved from genesis on; `None` if it names only one,
/// of which nothing needs proof.
///
/// # Errors
/// [`Failure::Verdict`] when an entry does not prove its change; failures of the server.
pub(crate) fn proved(client: &Client, status: &Json) -> Result<Option<Eras>, Failure> {
    let named = status.get("eras").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if named.len() < 2 {
        return Ok(None);
    }
    let unproved = |what: String| Failure::Verdict {
        exit: Exit::BadSignature,
        what,
        details: vec!["the server names another origin or key than the trusted one".to_owned()],
    };
    if named.len() > CHANGES_MAX {
        return Err(unproved(format!("the server names more than {CHANGES_MAX} changes")));
    }
    let mut eras: Option<Eras> = None;
    for era in named {
        let index = Index(era.get("from").and_then(Json::as_u64).unwrap_or(u64::MAX));
        let path = format!("/api/v1/entries/{}", index.0);
        let body = client.bytes(&format!("{path}/body"), &[], "application/cbor")?;
        let parsed = Body::parse(&body)
            .map_err(|refused| unproved(format!("entry {index} is no change: {refused}")))?;
        let Some(known) = eras.as_mut() else {
            eras = Eras::genesis(&parsed).filter(|_| index == Index(0));
            continue;
        };
        let statement = client.bytes(&format!("{path}/statement"), &[], "application/cose")?;
        let signed = Statement::parse(&statement).is_ok_and(|statement| {
            let covers = statement.payload() == Body::digest(&body).as_bytes();
            covers && statement.verifies(&known.current().key)
        });
        if !signed {
            return Err(unproved(format!("entry {index} is not signed by the key before it")));
        }
        known
            .take(index, &parsed)
            .map_err(|fault| unproved(format!("entry {index} is no change: {fault}")))?;
    }
    eras.map(Some).ok_or_else(|| unproved("the server names no genesis entry".to_owned()))
}

/// Whether `trust` is for a key that the ledger had in some era.
pub(crate) fn accepts(trust: &Trust, eras: &Eras) -> bool {
    eras.iter().any(|era| trust.accept(era.note_key()).is_ok())
}
