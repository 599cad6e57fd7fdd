//! Who is let in: tokens kept as hashes, tokens of OpenID Connect, and what becomes of reads that show what agents wrote.

mod gate;
mod identity;
mod jwks;
mod oidc;
mod recorder;
mod rows;
mod token;
mod tokens;

pub(crate) use gate::{Gate, GateError};
pub(crate) use identity::Identity;
pub(crate) use jwks::ALGORITHMS;
pub(crate) use oidc::Oidc;
pub(crate) use recorder::{Read, Recorder};
pub(crate) use rows::Row;
pub(crate) use token::Token;
pub(crate) use tokens::{Tokens, TokensError};
