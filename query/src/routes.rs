//! The table of what this crate serves: one line for each route of [`crate::routes`], with what it needs and takes.

use schemas::access::{Param, Right, Route};

use Right::{Known, Public, Read, ReadSensitive};

const Q: Param = Param::text("q", "A query: `key:value` terms, as `sworn query --help` lists them");
const SINCE: Param = Param::text("since", "Where to begin: a span (`15m`), a time, or an index");
const UNTIL: Param = Param::text("until", "Where to end, exclusive, in the same forms");
const AFTER: Param = Param::text("after", "Where to begin, exclusive, in the same forms");
const LIMIT: Param = Param::integer("limit", "Most items in the answer, 1 to 1000");
const CURSOR: Param = Param::text("cursor", "`next_cursor` of the page before");
const ORDER: Param = Param::text("order", "`newest` first, or `oldest`");
const AGENT: Param = Param::text("agent", "The same as the term in `q`");
const CORR: Param = Param::text("corr", "The same as the term in `q`");
const PRINCIPAL: Param = Param::text("principal", "The same as the term in `q`");
const KIND: Param = Param::text("kind", "The same as the term in `q`");
const OUTCOME: Param = Param::text("outcome", "The same as the term in `q`");
const AT: Param = Param::text("at", "The registry as of this index or time, instead of now");
const FROM_NAME: Param = Param::text("after", "Begins behind this id: `next` of the page before");
const OF_AGENT: Param = Param::text("agent", "Only of this agent");
const EXPLAIN: Param = Param::flag("explain", "With the plan and what it read");
const FORMAT: Param =
    Param::text("format", "The answer's form by its short name, instead of by `Accept`");
const INDEX: Param = Param::path("index", "The entry's place in the log").number();
const JOB: Param = Param::path("job", "Where `Location` of the 202 points to");
const AGENT_ID: Param = Param::path("id", "The agent's id");

const COSE: &str = "application/cose";
const CBOR: &str = "application/cbor";
const JSON: &str = schemas::access::JSON_MEDIA_TYPE;
const RECEIPT: &str = crate::parts::RECEIPT.media;
const TEXT: &str = "text/plain; charset=utf-8";
const UNCHANGED: &[(u16, &str)] = &[(304, "What `If-None-Match` names is what would be answered")];

/// Every route, in the order of the router.
pub const ROUTES: &[Route] = &[
    Route::get("/api/v1/entries", ReadSensitive, "Entries that fit a query, page by page")
        .params(&[
            Q, SINCE, UNTIL, AFTER, ORDER, LIMIT, CURSOR, AGENT, CORR, PRINCIPAL, KIND, OUTCOME,
            EXPLAIN, FORMAT,
        ])
        .media(&[JSON, "application/x-ndjson", "text/csv", CBOR])
        .filtered(),
    Route::get("/api/v1/entries/{index}", ReadSensitive, "One entry with its proof")
        .params(&[INDEX])
        .single(),
    Route::get("/api/v1/entries/by-id/{id}", ReadSensitive, "The entries of an event's id")
        .params(&[Param::path("id", "The event's id, a UUIDv7")])
        .single(),
    Route::get("/api/v1/entries/{index}/leaf", Read, "What the tree commits to")
        .params(&[INDEX, FORMAT])
        .media(&[JSON, CBOR])
        .also(UNCHANGED)
        .single(),
    Route::get("/api/v1/entries/{index}/statement", Read, "The exact signed bytes")
        .params(&[INDEX, FORMAT])
        .media(&[JSON, COSE])
        .also(UNCHANGED)
        .single(),
    Route::get("/api/v1/entries/{index}/body", ReadSensitive, "The event's body, unless erased")
        .params(&[INDEX, FORMAT])
        .media(&[JSON, CBOR])
        .also(UNCHANGED)
        .single(),
    Route::get("/api/v1/entries/{index}/detail", ReadSensitive, "Its detail, unless erased")
        .params(&[INDEX, FORMAT])
        .media(&[JSON, CBOR])
        .also(UNCHANGED)
        .single(),
    Route::get("/api/v1/entries/{index}/receipt", Read, "The receipt of a submission")
        .params(&[INDEX, FORMAT])
        .media(&[JSON, RECEIPT])
        .also(UNCHANGED)
        .single(),
    Route::get("/api/v1/entries/{index}/proof", Read, "The proof of logging (C2SP tlog-proof)")
        .params(&[INDEX, FORMAT])
        .media(&[TEXT])
        .also(UNCHANGED)
        .single(),
    Route::get(
        "/api/v1/entries/{index}/why",
        ReadSensitive,
        "On whose authority an action ran, within what limits, and what came of it",
    )
    .params(&[INDEX]),
    Route::get("/api/v1/entries/{index}/causes", ReadSensitive, "The way back to what set it off")
        .params(&[INDEX]),
    Route::get("/api/v1/entries/{index}/effects", ReadSensitive, "What an entry set off")
        .params(&[INDEX]),
    Route::get("/api/v1/workflows/{correlation}", ReadSensitive, "A workflow as a graph")
        .params(&[
            Param::path("correlation", "The workflow's id"),
            Param::flag("linked", "With the workflows that it is linked with"),
            FORMAT,
        ])
        .media(&[JSON, TEXT, "text/vnd.mermaid", "text/vnd.graphviz"]),
    Route::get("/api/v1/impact", ReadSensitive, "How far something reaches; one of the first ten")
        .params(&[
            Param::text("cred", "A credential's id"),
            Param::text("grant", "A grant's id"),
            Param::text("principal", "Somebody in the chain of principals"),
            Param::text("user", "Whom agents acted for"),
            Param::text("tool", "A tool's name"),
            Param::text("tool_digest", "The digest of a tool"),
            Param::text("digest", "The digest of an input, output or source"),
            Param::text("source", "What agents read, as `ticket/OPS-77`"),
            Param::text("trigger", "What set them off, as `mail/M`"),
            Param::text("key", "A signing key's id"),
            SINCE,
            UNTIL,
        ]),
    Route::get("/api/v1/actions", ReadSensitive, "What fits a query, one row an action")
        .params(&[Q, SINCE, UNTIL, AFTER]),
    Route::get("/api/v1/stats", ReadSensitive, "What fits a query, counted by one key").params(&[
        Q,
        SINCE,
        UNTIL,
        AFTER,
        CURSOR,
        EXPLAIN,
        Param::text("by", "The key to count by, as `agent`").required(),
    ]),
    Route::get("/api/v1/count", ReadSensitive, "How many entries fit a query")
        .params(&[Q, SINCE, UNTIL, AFTER, CURSOR, EXPLAIN])
        .filtered(),
    Route::get(
        "/api/v1/gaps",
        ReadSensitive,
        "Numbers of signers that never came: open, filled, declared",
    )
    .params(&[Q, SINCE, UNTIL, AFTER, CURSOR, EXPLAIN]),
    Route::get("/api/v1/histogram", ReadSensitive, "How many entries fit a query, by time")
        .params(&[
            Q,
            SINCE,
            UNTIL,
            AFTER,
            CURSOR,
            EXPLAIN,
            Param::text("step", "The span of one bucket, as `1h`").required(),
        ])
        .filtered(),
    Route::get("/api/v1/reports/models", Read, "An agent before and after a change of its model")
        .params(&[OF_AGENT.required(), SINCE, UNTIL]),
    Route::get("/api/v1/reports/sample", ReadSensitive, "Entries of a query that chance picks")
        .params(&[
            Q,
            SINCE,
            UNTIL,
            AFTER,
            Param::integer("sample", "How many, 1 to 1000; 25 unless said otherwise"),
            Param::text("seed", "What to draw lots with").required(),
            Param::integer("size", "The published checkpoint that it is of"),
        ]),
    Route::get("/api/v1/reports/scopes", Read, "Rights that nobody used")
        .params(&[OF_AGENT, Param::text("since", "How far back, as `90d`")]),
    Route::get("/api/v1/reports/sessions/{session}", ReadSensitive, "What a session did")
        .params(&[Param::path("session", "The session's id")]),
    Route::get("/api/v1/threads/{message}", Read, "The workflow of an inbound message").params(&[
        Param::path("message", "The message's id"),
        Param::text("channel", "Where it came in; `mail` unless said otherwise"),
        Param::text("references", "What it answers, oldest first, with commas between"),
    ]),
    Route::get("/api/v1/agents", Read, "The inventory of agents").params(&[
        FROM_NAME,
        LIMIT,
        AT,
        Param::text("state", "Only agents in this state"),
        Param::text("owner", "Only agents of this owner"),
        Param::text("expiring", "Only agents whose contract ends within this span"),
        Param::flag("expired", "Only agents whose contract has ended"),
        Param::flag("ownerless", "Only agents whose owner has left"),
        Param::flag("unreviewed", "Only agents whose contract was not reviewed in time"),
        Param::flag("shadow", "Names seen in the log that nobody registered"),
    ]),
    Route::get("/api/v1/agents/{id}", Read, "One agent and all that it may do")
        .params(&[AGENT_ID, AT]),
    Route::get("/api/v1/agents/{id}/baseline", Read, "What is usual for an agent")
        .params(&[AGENT_ID]),
    Route::get("/api/v1/findings", ReadSensitive, "What broke a rule").params(&[
        Param::text("rule", "Only of this rule"),
        OF_AGENT,
        Param::flag("open", "Only those that nobody resolved"),
        LIMIT,
        CURSOR,
    ]),
    Route::get("/api/v1/findings/{index}", ReadSensitive, "One finding and what it rests on")
        .params(&[INDEX]),
    Route::get("/api/v1/principals", Read, "People and services").params(&[
        FROM_NAME,
        LIMIT,
        AT,
        Param::text("role", "Only with this role"),
        Param::flag("disabled", "Only those that have left"),
    ]),
    Route::get(
        "/api/v1/principals/{id}/lineage",
        ReadSensitive,
        "What was done under a principal, and its grants",
    )
    .params(&[Param::path("id", "The principal's id")]),
    Route::get("/api/v1/credentials", Read, "Credentials of agents").params(&[
        FROM_NAME,
        LIMIT,
        AT,
        OF_AGENT,
        Param::flag("shared", "Only those of two agents, registered or witnessed"),
        Param::flag("overbroad", "Only those that open more than the contract permits"),
        Param::flag("unregistered", "Ids seen in the log that nobody registered"),
    ]),
    Route::get("/api/v1/credentials/{id}", Read, "One credential")
        .params(&[Param::path("id", "The credential's id"), AT]),
    Route::get("/api/v1/contracts", Read, "Contracts in force").params(&[FROM_NAME, LIMIT, AT]),
    Route::get("/api/v1/contracts/{agent}", Read, "The contract of an agent")
        .params(&[Param::path("agent", "The agent's id"), AT]),
    Route::get("/api/v1/grants", Read, "Authority passed on").params(&[
        FROM_NAME,
        LIMIT,
        AT,
        Param::text("by", "Only given by"),
        Param::text("to", "Only given to"),
        Param::flag("active", "Only those in force"),
    ]),
    Route::get("/api/v1/grants/{id}", Read, "One grant")
        .params(&[Param::path("id", "The grant's id"), AT]),
    Route::get("/api/v1/policies", Read, "Texts that gates apply").params(&[FROM_NAME, LIMIT, AT]),
    Route::get("/api/v1/policies/{digest}", Read, "One policy's text")
        .params(&[Param::path("digest", "The text's SHA-256"), AT]),
    Route::get("/api/v1/proposals", Read, "Changes that several operators have to agree to")
        .params(&[FROM_NAME, LIMIT, AT, Param::flag("open", "Only those that wait")]),
    Route::get("/api/v1/freezes", Read, "What may not be done for a while")
        .params(&[AT, Param::flag("all", "Those that ended, too")]),
    Route::get("/api/v1/approvals", ReadSensitive, "What waits for a human, and who decided")
        .params(&[
            Param::flag("open", "Only those that wait"),
            Param::text("approver", "Only of this approver"),
            LIMIT,
            CURSOR,
        ]),
    Route::get("/api/v1/access", Read, "Who may do what, or what changed in it").params(&[
        OF_AGENT,
        AT,
        Param::text("from", "What changed since this index or time"),
        Param::text("to", "What changed until then"),
    ]),
    Route::get("/api/v1/control", Known, "Announcements, for gateways that were away")
        .params(&[Param::integer("after", "Begins behind this index"), LIMIT])
        .refused(),
    Route::get("/api/v1/checkpoints", Known, "The newest published checkpoint"),
    Route::get("/api/v1/checkpoints/{size}", Known, "A checkpoint by its size")
        .params(&[Param::path("size", "The tree's size").number()]),
    Route::get("/api/v1/consistency", Known, "The proof that a newer tree extends an older one")
        .params(&[
            Param::integer("from", "Size of the older tree").required(),
            Param::integer("to", "Size of the newer tree").required(),
            FORMAT,
        ])
        .media(&[JSON, RECEIPT])
        .also(UNCHANGED),
    Route::get(
        "/api/v1/claims",
        ReadSensitive,
        "The ledger's signed word on how many entries carry a term",
    )
    .params(&[Param::text("term", "`key:value`").required()])
    .media(&[COSE]),
    Route::get("/api/v1/bundles", ReadSensitive, "The evidence for a query, as one file")
        .params(&[
            Q,
            SINCE,
            UNTIL,
            AFTER,
            Param::flag("details", "With details"),
            Param::header("Prefer", "`respond-async`: not to wait for it"),
        ])
        .media(&["application/zip"])
        .later(),
    Route::get("/api/v1/bundles/{job}", ReadSensitive, "A bundle that took longer, for who asked")
        .params(&[JOB])
        .media(&["application/zip"])
        .later(),
    Route::delete(
        "/api/v1/bundles/{job}",
        ReadSensitive,
        "Ends the making of a bundle; for who asked, and for operators",
    )
    .params(&[JOB]),
    Route::get("/api/v1/holds", Read, "What may not be erased")
        .params(&[Param::flag("all", "Those that ended, too")]),
    Route::get("/api/v1/keys", Read, "Keys of signers").params(&[
        FROM_NAME,
        LIMIT,
        Param::text("signer", "Only of this signer"),
    ]),
    Route::get("/api/v1/status", Known, "Which ledger this is and how far it got"),
    Route::get("/log/{tenant}/{*path}", Public, "The public tree (C2SP tlog-tiles)")
        .params(&[
            Param::path("tenant", "The ledger's tenant"),
            Param::path(
                "path",
                "`checkpoint`, `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`",
            ),
        ])
        .media(&["application/octet-stream", TEXT]),
];
