//! The parts of an entry, each under its own address, as bytes or as JSON.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::Entry;
use schemas::body::Body;
use schemas::checkpoint::Note;
use schemas::detail::Detail;
use schemas::id::{Digest, Index, hex, sha256};
use schemas::leaf::Status;
use schemas::proof::LogProof;
use schemas::shape::open_json;
use serde_json::{Value as Json, json};

use crate::api::Api;
use crate::error::{Error, Part};
use crate::params::{Params, Segment};

/// Exact signed bytes.
const COSE: &str = "application/cose";
/// A COSE Receipt.
pub(crate) const RECEIPT: &str = "application/scitt-receipt+cose";
const CBOR: &str = "application/cbor";
/// A `c2sp.org/tlog-proof@v1`.
const PROOF: &str = "text/plain; charset=utf-8";

/// A part in both forms.
struct Shown {
    json: Json,
    bytes: Vec<u8>,
    media: &'static str,
    /// Whether the address will always give these bytes: not where they can be erased.
    is_immutable: bool,
}

/// What the request asks for.
struct Wanted {
    index: Index,
    accept: String,
    known: String,
}

impl Wanted {
    fn new(index: &Segment, params: Params, headers: &HeaderMap) -> Result<Self, Error> {
        params.only(&[])?;
        let text =
            |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self {
            index: index.index()?,
            accept: text(header::ACCEPT).to_owned(),
            known: text(header::IF_NONE_MATCH).to_owned(),
        })
    }

    /// The part as bytes where the request accepts that media type by name, else as JSON.
    fn respond(&self, shown: Shown) -> Response {
        let mut accepted = self.accept.split(',').filter_map(|media| media.split(';').next());
        let (media, body) = if accepted.any(|media| media.trim() == shown.media) {
            (shown.media, shown.bytes)
        } else {
            ("application/json", shown.json.to_string().into_bytes())
        };
        let tag = format!("\"{}\"", Digest(sha256(&body)));
        let cache =
            if shown.is_immutable { "private, max-age=31536000, immutable" } else { "no-cache" };
        let fixed = [(header::CACHE_CONTROL, cache), (header::VARY, "accept")];
        if self.known.split(',').any(|known| known.trim() == tag) {
            return (StatusCode::NOT_MODIFIED, fixed, [(header::ETAG, tag)]).into_response();
        }
        (fixed, [(header::ETAG, tag.as_str()), (header::CONTENT_TYPE, media)], body).into_response()
    }
}

async fn part(
    api: Api,
    wanted: Wanted,
    read: impl FnOnce(&Api, &Entry) -> Result<Shown, Error> + Send + 'static,
) -> Result<Response, Error> {
    let shown = move |api: &Api| {
        let entry = api.ledger.entry(wanted.index)?.ok_or(Error::Unknown("entry"))?;
        read(api, &entry).map(|shown| wanted.respond(shown))
    };
    api.clone().read(shown).await
}

pub(crate) async fn leaf(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers)?, read_leaf).await
}

fn read_leaf(_api: &Api, entry: &Entry) -> Result<Shown, Error> {
    Ok(Shown {
        json: schemas::json::leaf(&entry.leaf, &entry.bytes, &entry.chain),
        bytes: entry.bytes.clone(),
        media: CBOR,
        is_immutable: true,
    })
}

pub(crate) async fn statement(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers)?, read_statement).await
}

fn read_statement(api: &Api, entry: &Entry) -> Result<Shown, Error> {
    let index = entry.leaf.index;
    let row = api.ledger.statement(index)?.ok_or(Error::NoPart { index, part: Part::Statement })?;
    Ok(Shown {
        json: json!({
            "index": index.0,
            "digest": entry.leaf.statement.to_string(),
            "position": entry.leaf.position,
            "hex": hex(&row.statement),
            "manifest": row.manifest.as_deref().map(hex),
        }),
        bytes: row.statement,
        media: COSE,
        is_immutable: true,
    })
}

pub(crate) async fn body(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers)?, read_body).await
}

fn read_body(api: &Api, entry: &Entry) -> Result<Shown, Error> {
    let (bytes, body) = whole_body(api, entry)?;
    Ok(Shown {
        json: json!({
            "index": entry.leaf.index.0,
            "digest": entry.leaf.body.to_string(),
            "hex": hex(bytes),
            "body": body.to_json(),
        }),
        bytes: bytes.to_vec(),
        media: CBOR,
        is_immutable: false,
    })
}

fn whole_body<'e>(api: &Api, entry: &'e Entry) -> Result<(&'e [u8], Body<'e>), Error> {
    let (index, part) = (entry.leaf.index, Part::Body);
    if entry.leaf.status != Status::Accepted {
        return Err(Error::NoPart { index, part });
    }
    let Some(bytes) = entry.body.as_deref() else {
        return Err(Error::Redacted { index, part, by: api.ledger.redaction_of(index)? });
    };
    let body = entry.body().ok_or(Error::Damaged { index, part })?;
    Ok((bytes, body))
}

pub(crate) async fn detail(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers)?, read_detail).await
}

fn read_detail(api: &Api, entry: &Entry) -> Result<Shown, Error> {
    let (index, part) = (entry.leaf.index, Part::Detail);
    let (_, body) = whole_body(api, entry)?;
    let digest = body.detail().ok_or(Error::NoPart { index, part })?;
    let Some(bytes) = api.ledger.detail(index)? else {
        return Err(Error::Redacted { index, part, by: api.ledger.redaction_of(index)? });
    };
    let fits = sha256(&bytes) == digest.0;
    let detail =
        Detail::parse(&bytes).ok().filter(|_| fits).ok_or(Error::Damaged { index, part })?;
    Ok(Shown {
        json: json!({
            "index": index.0,
            "digest": digest.to_string(),
            "content": open_json(&detail.content),
        }),
        bytes: bytes.clone(),
        media: CBOR,
        is_immutable: false,
    })
}

pub(crate) async fn receipt(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers)?, read_receipt).await
}

fn read_receipt(api: &Api, entry: &Entry) -> Result<Shown, Error> {
    let index = entry.leaf.index;
    if entry.leaf.status != Status::Accepted {
        return Err(Error::NoPart { index, part: Part::Receipt });
    }
    let bytes = api.ledger.receipt(index)?;
    Ok(Shown {
        // A receipt proves leaf bytes, so they travel with it.
        json: json!({ "index": index.0, "hex": hex(&bytes), "leaf": hex(&entry.bytes) }),
        bytes,
        media: RECEIPT,
        is_immutable: true,
    })
}

/// The proof of logging under the newest published checkpoint that covers the entry, as text: another one
/// from time to time, each valid for ever.
pub(crate) async fn proof(
    State(api): State<Api>,
    index: Segment,
    params: Params,
) -> Result<Response, Error> {
    params.only(&[])?;
    let index = index.index()?;
    api.read(move |api| read_proof(api, index)).await
}

fn read_proof(api: &Api, index: Index) -> Result<Response, Error> {
    let (size, _) = api.ledger.head().published;
    if index.0 >= size.0 {
        let known = index.0 < api.ledger.head().size.0;
        let unpublished = Error::NoPart { index, part: Part::Proof };
        return Err(if known { unpublished } else { Error::Unknown("entry") });
    }
    let path = api.ledger.inclusion(index, size)?;
    let note = api.ledger.cosigned(size)?.ok_or(Error::Unknown("checkpoint"))?;
    let note = Note::parse(&note).map_err(|_damaged| Error::Unknown("checkpoint"))?;
    let proof = LogProof { index, path, note };
    let headers = [(header::CONTENT_TYPE, PROOF), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, proof.to_string()).into_response())
}
