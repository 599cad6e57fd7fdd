//! The router and what its handlers share.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use ledger::Ledger;
use schemas::id::{Index, Micros, TreeHash, TreeSize};
use serde_json::{Value as Json, json};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::bundle::Jobs;
use crate::error::Error;
use crate::params::{Params, Segment};
use crate::proof::Proofs;
use crate::registry::{
    access, agents, approvals, control, credentials, findings, holds, keys, lists,
};
use crate::{
    actions, bundle, causal, checkpoints, claims, consistency, count, entries, identity, impact,
    lineage, log, models, numbers, parts, postmortem, reports, sample, scope, stats, threads, why,
    workflow,
};

/// What a handler reads from; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Fn() -> Micros + Send + Sync>,
    pub(crate) proofs: Arc<Proofs>,
    pub(crate) jobs: Arc<Jobs>,
}

impl Api {
    /// Runs a read where it may wait for the disk: here, while another thread takes over what else this one has to do,
    /// for handing it over and back takes longer than most reads.
    pub(crate) async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(|| read(&self)),
            _ => tokio::task::spawn_blocking(move || read(&self)).await?,
        }
    }

    /// What `read` says of one entry; there is nothing else to ask for.
    pub(crate) async fn about(
        self,
        index: &Segment,
        params: Params,
        read: impl FnOnce(&Self, Index) -> Result<Json, Error> + Send + 'static,
    ) -> Result<axum::Json<Json>, Error> {
        params.only(&[])?;
        let index = index.index()?;
        self.read(move |api| read(api, index)).await.map(axum::Json)
    }

    pub(crate) fn now(&self) -> Micros {
        (self.clock)()
    }
}

/// The tree that an answer speaks of.
pub(crate) fn as_of(head: &ledger::Head) -> Json {
    tree_json(head.size, &head.root)
}

pub(crate) fn tree_json(size: TreeSize, root: &TreeHash) -> Json {
    json!({ "size": size.0, "root": root.to_string() })
}

/// Where a limit ended an answer; null where none did.
pub(crate) fn scanned_to(reached: Option<u64>) -> Json {
    reached.map_or(Json::Null, |index| json!({ "scanned_to": index }))
}

/// Sets a member of an answer, which is an object.
pub(crate) fn set(answer: &mut Json, name: &str, value: impl Into<Json>) {
    if let Json::Object(answer) = answer {
        answer.insert(name.to_owned(), value.into());
    }
}

/// The reading API under `/api/v1`, and the public tree under `/log/<tenant>`.
///
/// `clock` is the ledger's clock: relative times (`since:15m`) count from it, and so does the patience
/// with actions that have no outcome yet. Reads run on tokio's blocking threads.
pub fn routes(
    ledger: Ledger,
    clock: impl Fn() -> Micros + Clone + Send + Sync + 'static,
) -> Router {
    let api = Api { ledger, clock: Arc::new(clock), proofs: Arc::default(), jobs: Arc::default() };
    let v1 = Router::new()
        .route("/entries", get(entries::list))
        .route("/entries/{index}", get(entries::one))
        .route("/entries/by-id/{id}", get(entries::by_id))
        .route("/entries/{index}/leaf", get(parts::leaf))
        .route("/entries/{index}/statement", get(parts::statement))
        .route("/entries/{index}/body", get(parts::body))
        .route("/entries/{index}/detail", get(parts::detail))
        .route("/entries/{index}/receipt", get(parts::receipt))
        .route("/entries/{index}/proof", get(parts::proof))
        .route("/entries/{index}/why", get(why::one))
        .route("/entries/{index}/causes", get(causal::causes))
        .route("/entries/{index}/effects", get(causal::effects))
        .route("/workflows/{correlation}", get(workflow::one))
        .route("/impact", get(impact::read))
        .route("/actions", get(actions::list))
        .route("/stats", get(stats::read))
        .route("/count", get(count::count))
        .route("/histogram", get(count::histogram))
        .route("/gaps", get(numbers::list))
        .route("/reports/scopes", get(reports::scopes))
        .route("/reports/models", get(models::read))
        .route("/reports/sample", get(sample::read))
        .route("/reports/sessions/{session}", get(postmortem::read))
        .route("/threads/{message}", get(threads::one))
        .route("/agents", get(agents::list))
        .route("/agents/{id}", get(agents::one))
        .route("/agents/{id}/baseline", get(findings::baseline))
        .route("/findings", get(findings::list))
        .route("/findings/{index}", get(findings::one))
        .route("/principals", get(lists::principals))
        .route("/principals/{id}/lineage", get(lineage::one))
        .route("/credentials", get(credentials::list))
        .route("/credentials/{id}", get(lists::credential))
        .route("/contracts", get(lists::contracts))
        .route("/contracts/{agent}", get(lists::contract))
        .route("/grants", get(lists::grants))
        .route("/grants/{id}", get(lists::grant))
        .route("/policies", get(lists::policies))
        .route("/policies/{digest}", get(lists::policy))
        .route("/proposals", get(lists::proposals))
        .route("/freezes", get(lists::freezes))
        .route("/approvals", get(approvals::list))
        .route("/access", get(access::read))
        .route("/control", get(control::list))
        .route("/checkpoints", get(checkpoints::newest))
        .route("/checkpoints/{size}", get(checkpoints::one))
        .route("/consistency", get(consistency::one))
        .route("/claims", get(claims::one))
        .route("/bundles", get(bundle::create))
        .route("/bundles/{job}", get(bundle::fetch).delete(bundle::cancel))
        .route("/holds", get(holds::list))
        .route("/keys", get(keys::list))
        .route("/status", get(identity::status))
        .with_state(api.clone());
    let log =
        Router::new().route("/log/{tenant}/{*path}", get(log::resource)).with_state(api.clone());
    let confine = from_fn_with_state(api.clone(), scope::confine);
    Router::new().nest("/api/v1", v1).merge(log).layer(confine)
}
