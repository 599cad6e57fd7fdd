//! The parts of an entry, each under its own address, as bytes or as JSON.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ledger::Entry;
use schemas::body::Body;
use schemas::checkpoint::Note;
use schemas::detail::Detail;
use schemas::id::{Index, hex, sha256};
use schemas::leaf::Status;
use schemas::proof::LogProof;
use schemas::shape::open_json;
use serde_json::{Value as Json, json};

use crate::api::Api;
use crate::cached::Known;
use crate::error::{Error, Part};
use crate::negotiate::{Form, choose};
use crate::params::{Params, Segment};

/// Exact signed bytes.
const COSE: Form = Form { name: "cose", media: "application/cose" };
/// A COSE Receipt.
pub(crate) const RECEIPT: Form = Form { name: "cose", media: "application/scitt-receipt+cose" };
const CBOR: Form = Form { name: "cbor", media: "application/cbor" };
const AS_COSE: &[Form] = &[Form::JSON, COSE];
const AS_RECEIPT: &[Form] = &[Form::JSON, RECEIPT];
const AS_CBOR: &[Form] = &[Form::JSON, CBOR];
/// A `c2sp.org/tlog-proof@v1`.
const AS_PROOF: &[Form] = &[Form::TEXT];

/// A part in both forms.
struct Shown {
    json: Json,
    bytes: Vec<u8>,
}

/// What the request asks for.
struct Wanted {
    index: Index,
    form: Form,
    known: Known,
}

impl Wanted {
    fn new(
        index: &Segment,
        params: Params,
        headers: &HeaderMap,
        forms: &'static [Form],
    ) -> Result<Self, Error> {
        let (format, others) = params.take("format")?;
        others.only(&[])?;
        Ok(Self {
            index: index.index()?,
            form: choose(forms, headers, format.as_deref())?,
            known: Known::of(headers),
        })
    }

    fn respond(&self, shown: Shown) -> Response {
        let bytes = match self.form {
            Form::JSON => shown.json.to_string().into_bytes(),
            _ => shown.bytes,
        };
        self.known.answer(self.form.media, bytes)
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
    part(api, Wanted::new(&index, params, &headers, AS_CBOR)?, read_leaf).await
}

fn read_leaf(_api: &Api, entry: &Entry) -> Result<Shown, Error> {
    Ok(Shown {
        json: schemas::json::leaf(&entry.leaf, &entry.bytes, &entry.chain),
        bytes: entry.bytes.clone(),
    })
}

pub(crate) async fn statement(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers, AS_COSE)?, read_statement).await
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
    })
}

pub(crate) async fn body(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers, AS_CBOR)?, read_body).await
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
    })
}

fn whole_body<'e>(api: &Api, entry: &'e Entry) -> Result<(&'e [u8], Body<'e>), Error> {
    let (index, part) = (entry.leaf.index, Part::Body);
    if entry.leaf.status != Status::Accepted {
        return Err(Error::NoPart { index, part });
    }
    if entry.is_damaged() {
        return Err(Error::Damaged { index, part });
    }
    let Some(body) = entry.body.as_deref().zip(entry.body()) else {
        let by = api.ledger.redaction_of(index, |redaction| redaction.body)?;
        return Err(Error::Redacted { index, part, by });
    };
    Ok(body)
}

pub(crate) async fn detail(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers, AS_CBOR)?, read_detail).await
}

fn read_detail(api: &Api, entry: &Entry) -> Result<Shown, Error> {
    let (index, part) = (entry.leaf.index, Part::Detail);
    let (_, body) = whole_body(api, entry)?;
    let digest = body.detail().ok_or(Error::NoPart { index, part })?;
    let Some(bytes) = api.ledger.detail(index)? else {
        let by = api.ledger.redaction_of(index, |redaction| redaction.detail)?;
        return Err(Error::Redacted { index, part, by });
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
    })
}

pub(crate) async fn receipt(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    part(api, Wanted::new(&index, params, &headers, AS_RECEIPT)?, read_receipt).await
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
    })
}

/// The proof of logging under the newest published checkpoint that covers the entry, as text: another one
/// from time to time, each valid for ever.
pub(crate) async fn proof(
    State(api): State<Api>,
    index: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let wanted = Wanted::new(&index, params, &headers, AS_PROOF)?;
    let text = move |api: &Api| {
        let text = read_proof(api, wanted.index)?;
        Ok(wanted.known.answer(wanted.form.media, text.into_bytes()))
    };
    api.read(text).await
}

fn read_proof(api: &Api, index: Index) -> Result<String, Error> {
    let (size, _) = api.ledger.head().published;
    if index.0 >= size.0 {
        let known = index.0 < api.ledger.head().size.0;
        let unpublished = Error::NoPart { index, part: Part::Proof };
        return Err(if known { unpublished } else { Error::Unknown("entry") });
    }
    let path = api.ledger.inclusion(index, size)?;
    let note = api.ledger.cosigned(size)?.ok_or(Error::Unknown("checkpoint"))?;
    let note = Note::parse(&note).map_err(|_damaged| Error::Unknown("checkpoint"))?;
    Ok(LogProof { index, path, note }.to_string())
}
