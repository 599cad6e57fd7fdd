//! The public face of the tree, for monitors, mirrors and witnesses: a signed checkpoint, tiles of hashes
//! and bundles of leaves. Leaves hold digests and counts; no body, detail or name is ever served here.
//!
//! Source: C2SP `tlog-tiles`.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, VARY};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use schemas::id::Index;
use schemas::tree::{Tile, parse_entries_path, tile_width};

use crate::api::Api;
use crate::error::Error;
use crate::gzip::{accepts_gzip, gzip};

const BYTES: &str = "application/octet-stream";
/// A tile's content follows from its path, that of a partial one too.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Ask again each time.
const ASK: &str = "no-cache";
/// Checkpoints are published at most once a second.
const SECONDS: &str = "public, max-age=1";
/// Leaves in a bundle.
const BUNDLE: u64 = 256;

/// The path below the log of this ledger's own tenant; any other tenant's is as unknown as an absent one.
pub(crate) struct Below(String);

impl FromRequestParts<Api> for Below {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let path = Path::<(String, String)>::from_request_parts(parts, api).await;
        let Path((tenant, below)) = path.map_err(|_undecodable| absent())?;
        if parts.uri.query().is_some() || tenant != api.ledger.identity().tenant.as_str() {
            return Err(absent());
        }
        Ok(Self(below))
    }
}

/// What another tenant's path, one that is not published yet and one that never will be are told alike.
fn absent() -> Error {
    Error::Unknown("resource")
}

/// `checkpoint`, `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
pub(crate) async fn resource(
    State(api): State<Api>,
    Below(path): Below,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if path == "checkpoint" {
        return api.read(checkpoint).await;
    }
    if let Some((n, width)) = parse_entries_path(&path) {
        let compressed = accepts_gzip(&headers);
        return api.read(move |api| entries(api, n, width, compressed)).await;
    }
    let tile = Tile::parse(&path).ok_or_else(absent)?;
    api.read(move |api| hashes(api, tile)).await
}

fn checkpoint(api: &Api) -> Result<Response, Error> {
    let (size, _) = api.ledger.head().published;
    let note = api.ledger.cosigned(size)?.ok_or_else(absent)?;
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, SECONDS)];
    Ok((headers, note).into_response())
}

/// How long a tile or a bundle may be kept.
fn keep(api: &Api) -> &'static str {
    // IMPORTANT: a new epoch grows other leaves at the indices that were lost, so a log that had to begin one may have
    // to do so again, and its readers must not meet the tiles of a history that is gone.
    if api.ledger.identity().is_first_epoch() { FOR_EVER } else { ASK }
}

/// Whether the published tree has this much of the tile: what is newer belongs to nobody yet.
fn is_published(api: &Api, level: u8, n: u64, width: u16) -> bool {
    let (size, _) = api.ledger.head().published;
    width > 0 && width <= tile_width(level, n, size)
}

fn hashes(api: &Api, tile: Tile) -> Result<Response, Error> {
    if !is_published(api, tile.level, tile.n, tile.width) {
        return Err(absent());
    }
    let hashes = api.ledger.tile(tile)?;
    let width = usize::from(tile.width);
    let body: Vec<u8> = hashes.iter().take(width).flat_map(|hash| hash.0).collect();
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, keep(api))], body).into_response())
}

/// Each leaf after its length as a big-endian `u16`.
fn entries(api: &Api, n: u64, width: u16, compressed: bool) -> Result<Response, Error> {
    if !is_published(api, 0, n, width) {
        return Err(absent());
    }
    let first = n * BUNDLE;
    let mut body = Vec::new();
    for index in first..first + u64::from(width) {
        let leaf = api.ledger.leaf_bytes(Index(index))?;
        let length = u16::try_from(leaf.len()).map_err(|_long| absent())?;
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&leaf);
    }
    let headers = [(CONTENT_TYPE, BYTES), (CACHE_CONTROL, keep(api)), (VARY, "accept-encoding")];
    if compressed {
        return Ok((headers, [(CONTENT_ENCODING, "gzip")], gzip(&body)).into_response());
    }
    Ok((headers, body).into_response())
}
