//! Tokens of OpenID Connect: who vouches, for whom, by which algorithms and keys is all pinned by the configuration.
//!
//! Source: RFC 7519, RFC 8725. Nothing is fetched: the issuer's keys are a file.

use std::path::PathBuf;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use schemas::access::Role;
use schemas::id::{Micros, Tenant};
use schemas::limits::{JWT_BYTES_MAX, JWT_SKEW_S_MAX};
use serde_json::{Map, Value as Json};
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use super::jwks::Key;

/// What is pinned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Oidc {
    /// `iss`, exactly.
    pub(crate) issuer: String,
    /// `aud`, or one of it.
    pub(crate) audience: String,
    /// File with the issuer's keys, a JSON Web Key Set.
    pub(crate) keys: PathBuf,
    /// Algorithms, each with its name.
    pub(crate) algorithms: Vec<Algorithm>,
    /// The claim that says what somebody is; dots lead into nested claims.
    pub(crate) claim: String,
    /// Which of its values give which role.
    pub(crate) roles: Vec<(Role, Vec<String>)>,
    /// The claim that names the tenant, where the issuer serves several.
    pub(crate) tenant: Option<String>,
}

impl Oidc {
    /// Who bears this token, if the issuer says so and it holds at `now`.
    pub(crate) fn identify(
        &self,
        token: &str,
        keys: &[Key],
        tenant: &Tenant,
        now: Micros,
        revoked: &CancellationToken,
    ) -> Option<Identity> {
        let claims = self.verified(token, keys)?;
        let text = |name: &str| claims.get(name).and_then(Json::as_str);
        let (from, expires) = window(&claims)?;
        let skew = JWT_SKEW_S_MAX * 1_000_000;
        let holds = now < expires && from.is_none_or(|from| from.0 <= now.0.saturating_add(skew));
        let is_ours = text("iss") == Some(&self.issuer) && self.is_audience(claims.get("aud")?);
        let of_tenant = self.tenant.as_ref().is_none_or(|claim| {
            nested(&claims, claim).and_then(Json::as_str) == Some(tenant.as_str())
        });
        let subject = text("sub").filter(|subject| !subject.is_empty())?;
        (holds && is_ours && of_tenant).then(|| Identity {
            name: Arc::from(format!("oidc:{subject}")),
            roles: self.roles(&claims),
            scope: None,
            expires,
            revoked: revoked.clone(),
        })
    }

    /// The claims, if one of the keys signed them, by the algorithm of that key and no other.
    fn verified(&self, token: &str, keys: &[Key]) -> Option<Map<String, Json>> {
        if token.len() > JWT_BYTES_MAX {
            return None;
        }
        let header = decode_header(token).ok()?;
        let is_known = |kind: &str| {
            let kind = kind.to_ascii_lowercase();
            matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
        };
        if !header.typ.as_deref().is_none_or(is_known) {
            return None;
        }
        let mut fitting = keys.iter().filter(|key| {
            key.algorithm == header.alg
                && self.algorithms.contains(&key.algorithm)
                && (header.kid.is_none() || key.id == header.kid)
        });
        let (Some(key), None) = (fitting.next(), fitting.next()) else { return None };
        let mut validation = Validation::new(key.algorithm);
        // The claims are held against the ledger's own clock, and against types that the library lets pass.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        decode::<Map<String, Json>>(token, &key.key, &validation).ok().map(|data| data.claims)
    }

    fn is_audience(&self, claim: &Json) -> bool {
        match claim {
            Json::String(audience) => *audience == self.audience,
            Json::Array(audiences) => {
                audiences.iter().any(|one| one.as_str() == Some(&self.audience))
            }
            _ => false,
        }
    }

    fn roles(&self, claims: &Map<String, Json>) -> Vec<Role> {
        let claim = nested(claims, &self.claim);
        let has = |value: &String| match claim {
            Some(Json::String(text)) => text.split(' ').any(|word| word == value),
            Some(Json::Array(all)) => all.iter().any(|one| one.as_str() == Some(value)),
            _ => false,
        };
        let given = self.roles.iter().filter(|(_, values)| values.iter().any(has));
        given.map(|(role, _)| *role).collect()
    }
}

/// From when, if it says so, and until when it holds. A time that is no number is no time.
fn window(claims: &Map<String, Json>) -> Option<(Option<Micros>, Micros)> {
    let time = |claim: &Json| {
        let seconds = claim.as_u64().or_else(|| {
            // NumericDate may have a fraction (RFC 7519 §2); what is behind the point is cut.
            let text = claim.as_f64().filter(|seconds| *seconds >= 0.0)?.trunc().to_string();
            text.parse().ok()
        })?;
        seconds.checked_mul(1_000_000).map(Micros)
    };
    let expires = time(claims.get("exp")?)?;
    match claims.get("nbf") {
        None => Some((None, expires)),
        Some(from) => Some((Some(time(from)?), expires)),
    }
}

/// The claim of this very name, else the one that the dots lead to.
fn nested<'c>(claims: &'c Map<String, Json>, name: &str) -> Option<&'c Json> {
    if let Some(claim) = claims.get(name) {
        return Some(claim);
    }
    let (first, rest) = name.split_once('.')?;
    nested(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests;
