//! `credentials`: what agents act with; which of it is shared, opens too much, or was never registered.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use ledger::{Ledger, ReadError, TermRow};
use schemas::grant::covers;
use schemas::id::TreeSize;
use schemas::limits::{CREDENTIAL_NAMES_MAX, QUERY_SCAN_MAX};
use schemas::registry::{CredentialRecord, Holder, Registry};
use schemas::terms::Key;
use serde_json::{Value, json};

use super::findings::flagged_entry;
use super::lists::{Named, page_of_names};
use super::past::Past;
use super::view::credential_json;
use crate::accepted::newest_first;
use crate::api::{Api, set};
use crate::error::Error;
use crate::names::Names;
use crate::params::Params;
use crate::source::Source;
use crate::terms::{stranger_json, term, term_row};

const PARAMS: &[&str] = &["after", "limit", "at", "agent", "shared", "overbroad", "unregistered"];

pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

/// Credentials that findings of a rule are about, each with the newest entry that is flagged for it.
type Flagged = BTreeMap<String, u64>;

/// Which credentials are asked for: those to which any of the flags applies, of the agent.
struct Wanted {
    /// The agent's id.
    agent: Option<String>,
    shared: Option<Flagged>,
    overbroad: Option<Flagged>,
    unregistered: bool,
    /// Whether there are more findings than were looked through.
    is_cut: bool,
}

impl Wanted {
    fn of(params: &Params, ledger: &Ledger, size: TreeSize) -> Result<Self, Error> {
        let mut is_cut = false;
        let mut of = |name, rule| {
            Ok::<_, Error>(match params.flag(name)? {
                true => Some(flagged(ledger, rule, size, &mut is_cut)?),
                false => None,
            })
        };
        let shared = of("shared", "shared_credential")?;
        let overbroad = of("overbroad", "credential_overbroad")?;
        let unregistered = params.flag("unregistered")?;
        let mut names = Names::new(ledger, size);
        let agent = params.get("agent").map(|name| names.id(name)).transpose()?;
        Ok(Self { agent, shared, overbroad, unregistered, is_cut })
    }

    fn takes(&self, record: &CredentialRecord, registry: &Registry) -> bool {
        let shared = self.shared.as_ref().is_some_and(|flagged| is_shared(record, flagged));
        let overbroad =
            self.overbroad.as_ref().is_some_and(|flagged| is_overbroad(record, registry, flagged));
        let any = self.shared.is_none() && self.overbroad.is_none() && !self.unregistered;
        let held = |agent: &str| record.holders.iter().any(|holder| holder.agent == agent);
        self.agent.as_deref().is_none_or(held) && (any || shared || overbroad)
    }
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let past = Past::of(api, params)?;
    let wanted = Wanted::of(params, &api.ledger, past.size)?;
    let known = past.registry.credentials();
    let known = known.into_iter().filter(|record| wanted.takes(record, &past.registry));
    let mut rows: Vec<_> = known.map(|record| (record.id.clone(), Named::Known(record))).collect();
    let mut is_cut = wanted.is_cut;
    for row in strangers(&api.ledger, &past, &wanted, &mut is_cut)? {
        let named = match wanted.agent.as_deref() {
            Some(agent) => is_named_by(&api.ledger, &row.value, agent, past.size)?,
            None => Some(true),
        };
        is_cut |= named.is_none();
        if named.unwrap_or(true) {
            rows.push((row.value.clone(), Named::Stranger(row)));
        }
    }
    page_of_names(&past, params, rows, is_cut, |row, walk| match row {
        Named::Known(record) => Ok(credential_json(record)),
        Named::Stranger(row) => {
            let mut json = stranger_json(&api.ledger, Key::Cred, &row, past.size, walk)?;
            set(&mut json, "holders", json!([]));
            Ok(json)
        }
    })
}

/// Whether two agents hold it, or a finding says that another one was seen with it since it was last registered or
/// revoked.
fn is_shared(record: &CredentialRecord, flagged: &Flagged) -> bool {
    record.in_force().count() > 1 || is_flagged_since(record, flagged)
}

/// Whether it opens more than the contract of an agent that holds it permits, or is said to since it was last
/// registered or revoked.
fn is_overbroad(record: &CredentialRecord, registry: &Registry, flagged: &Flagged) -> bool {
    let beyond = |holder: &Holder| {
        let contract = registry.contract(&holder.agent).filter(|known| known.is_in_force());
        contract.is_some_and(|known| {
            let permits =
                |scope: &String| known.contract.allowed.operations().any(|own| covers(own, scope));
            !holder.scopes.iter().all(permits)
        })
    };
    record.in_force().any(beyond) || is_flagged_since(record, flagged)
}

fn is_flagged_since(record: &CredentialRecord, flagged: &Flagged) -> bool {
    let Some(at) = flagged.get(&record.id) else { return false };
    let holders = record.holders.iter();
    let mut changes = holders.flat_map(|holder| [Some(holder.registered), holder.revoked]);
    let is_held = record.in_force().next().is_some();
    is_held && changes.all(|change| change.is_none_or(|index| index.0 <= *at))
}

/// What findings of a rule name.
fn flagged(
    ledger: &Ledger,
    rule: &str,
    size: TreeSize,
    is_cut: &mut bool,
) -> Result<Flagged, ReadError> {
    let mut found = Flagged::new();
    let findings = term(ledger, Key::Finding, rule);
    let mut names = Names::new(ledger, size);
    let spent = newest_first(ledger, findings, size, QUERY_SCAN_MAX, |entry| {
        if let Some(cited) = flagged_entry(&mut names, &entry)?
            && let Some(body) = cited.body()
            && let Some(id) = body.text("credential.id")
        {
            found.entry(id.to_owned()).or_insert(cited.leaf.index.0);
        }
        Ok(true)
    })?;
    *is_cut |= spent.is_some();
    Ok(found)
}

/// Credentials that entries name and nobody registered: all, or those that findings are about.
fn strangers(
    ledger: &Ledger,
    past: &Past,
    wanted: &Wanted,
    is_cut: &mut bool,
) -> Result<Vec<TermRow>, ReadError> {
    let mut rows = match wanted.unregistered {
        true => ledger.terms(Key::Cred, "", CREDENTIAL_NAMES_MAX)?,
        false => {
            let names = wanted.shared.iter().chain(&wanted.overbroad).flat_map(BTreeMap::keys);
            let rows = names.map(|name| term_row(ledger, Key::Cred, name));
            rows.filter_map(Result::transpose).collect::<Result<_, _>>()?
        }
    };
    *is_cut |= wanted.unregistered && rows.len() == CREDENTIAL_NAMES_MAX;
    rows.retain(|row| row.first.0 < past.size.0 && past.registry.credential(&row.value).is_none());
    rows.sort_by(|a, b| a.value.cmp(&b.value));
    rows.dedup_by(|a, b| a.value == b.value);
    Ok(rows)
}

/// Whether an accepted entry names both; `None` where there are too many others to tell.
fn is_named_by(
    ledger: &Ledger,
    credential: &str,
    agent: &str,
    size: TreeSize,
) -> Result<Option<bool>, ReadError> {
    let both = vec![term(ledger, Key::Cred, credential), term(ledger, Key::Agent, agent)];
    let mut named = false;
    let spent = newest_first(ledger, Source::All(both), size, QUERY_SCAN_MAX, |_entry| {
        named = true;
        Ok(false)
    })?;
    Ok((named || spent.is_none()).then_some(named))
}
