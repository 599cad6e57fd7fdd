//! Every limit of the wire format and the interfaces, by name.
//!
//! A limit that is reached is a named refusal, never a truncation. Sizes are bytes unless the name
//! says otherwise; durations carry their unit last.

/// Largest submission: statement, items and manifest together.
pub const SUBMISSION_BYTES_MAX: usize = 1 << 20;
/// Largest event body.
pub const BODY_BYTES_MAX: usize = 32 << 10;
/// Largest detail.
pub const DETAIL_BYTES_MAX: usize = 256 << 10;
/// Largest statement (`COSE_Sign1`); real ones take about 300 bytes.
pub const STATEMENT_BYTES_MAX: usize = 4 << 10;
/// Most items, and so bodies, under one signature.
pub const ITEMS_MAX: usize = 256;
/// Deepest nesting of CBOR in anything received.
pub const DEPTH_MAX: usize = 8;
/// Most data items (scalars, arrays, maps) in one body or detail.
pub const NODES_MAX: usize = 8192;
/// Longest path in the cause of a refusal, before it is cut.
pub const CAUSE_PATH_BYTES_MAX: usize = 256;
/// Bytes of a refused submission or body that are kept as evidence; of a larger one only the digest is.
pub const REFUSED_BYTES_MAX: usize = 64 << 10;

/// Longest tenant name.
pub const TENANT_BYTES_MAX: usize = 63;
/// Longest signer, agent or principal id.
pub const SIGNER_BYTES_MAX: usize = 256;
/// Most principals in a chain.
pub const PRINCIPALS_MAX: usize = 8;
/// Most causes of an event.
pub const CAUSES_MAX: usize = 8;
/// Most sources read before acting.
pub const SOURCES_MAX: usize = 16;
/// Most scopes in a list.
pub const SCOPES_MAX: usize = 32;
/// Most verdicts in one `gate.verdict`.
pub const VERDICTS_MAX: usize = 16;
/// Most assertions on one event.
pub const ASSERTIONS_MAX: usize = 16;
/// Most data classes on one event.
pub const DATA_CLASSES_MAX: usize = 8;
/// Most index ranges of one redaction.
pub const REDACT_RANGES_MAX: usize = 256;
/// Most entries of one redaction.
pub const REDACT_ENTRIES_MAX: u64 = 10_000;
/// Shortest time, in days, for which a contract may say that its agent's entries are kept.
pub const CONTRACT_RETENTION_DAYS_MIN: u64 = 180;
/// Most entries that scheduled retention erases at a time.
pub const RETAIN_ENTRIES_MAX: u64 = 2000;
/// Most entries that scheduled retention looks at at a time.
pub const RETAIN_LOOKS_MAX: u64 = 10_000;
/// Between two times, in seconds.
pub const RETAIN_EVERY_S: u64 = 5;
/// Largest `registry` map, encoded.
pub const REGISTRY_BYTES_MAX: usize = 4 << 10;
/// Registries as of earlier entries that are kept in memory for questions about the past.
pub const SNAPSHOTS_MAX: usize = 8;
/// Records in all of them.
pub const SNAPSHOT_RECORDS_MAX: usize = 200_000;
/// Entries from one that is kept to the next on a long way.
pub const SNAPSHOT_ENTRIES: usize = 10_000;
/// Largest `grant` map, encoded.
pub const GRANT_BYTES_MAX: usize = 4 << 10;
/// Grants of one signer that are in force at once, or were given within a day.
pub const GRANTS_PER_SIGNER_MAX: usize = 10_000;
/// Operators that a proposal may need.
pub const OPERATORS_MAX: u64 = 64;
/// Proposals that wait for approvals at once.
pub const PROPOSALS_MAX: usize = 256;
/// Days that a proposal waits for approvals.
pub const PROPOSAL_DAYS_MAX: u64 = 30;
/// Longest text of a lost mark, in bytes, that the entry which begins a new epoch repeats.
pub const LOST_MARK_BYTES_MAX: usize = 2048;
/// Agents that one credential may be registered to: more than one is a finding already.
pub const HOLDERS_MAX: usize = 16;
/// Bound of a cap: actions an hour or a day.
pub const CAP_MAX: u64 = 1 << 32;
/// Committed entries that are published at once for machines that follow.
pub const COMMITTED_BATCH_MAX: u64 = 128;
/// Submissions that are taken in at once other than by the broker.
pub const DOOR_BATCH_MAX: usize = 32;
/// Seconds that a submission over HTTP waits for its receipt.
pub const SUBMISSION_S_MAX: u64 = 10;
/// Submissions that wait at once to be taken in other than by the broker.
pub const DOOR_WAITING_MAX: usize = 256;
/// Changes of an agent that its history shows.
pub const AGENT_HISTORY_MAX: usize = 200;
/// Names of agents that are looked through for shadows.
pub const SHADOW_NAMES_MAX: usize = 100_000;
/// Requests for more scope that are told of one agent.
pub const SCOPE_REQUESTS_MAX: usize = 100;
/// Ids of credentials that are looked through for those that nobody registered.
pub const CREDENTIAL_NAMES_MAX: usize = 100_000;
/// Rows of who may do what, and of changes to that.
pub const ACCESS_ROWS_MAX: usize = 10_000;
/// Entries around an action that are looked at for what it rests on and what came of it.
pub const WHY_ENTRIES_MAX: usize = 256;
/// Decisions on one request, and control entries, that one answer holds.
pub const CONTROL_ENTRIES_MAX: usize = 1000;
/// Findings on a deadline that one commit begins with.
pub const FINDINGS_DUE_MAX: usize = 1000;
/// Entries that one answer counts.
pub const STATS_ENTRIES_MAX: u64 = 100_000;
/// Entries that one answer about a reach looks at.
pub const REACH_ENTRIES_MAX: usize = 100_000;
/// Entries that one answer folds to actions.
pub const ACTIONS_ENTRIES_MAX: usize = 100;
/// Models and versions of one agent that are told apart.
pub const MODELS_MAX: usize = 256;
/// Most entries in a sample.
pub const SAMPLE_ENTRIES_MAX: usize = 1000;
/// Entries that a sample is drawn from.
pub const SAMPLE_POPULATION_MAX: u64 = 100_000;
/// Looks into postings that finding those may take: some for each term of a query.
pub const SAMPLE_LOOKS_MAX: usize = 1_000_000;
/// Values that one answer counts by.
pub const STATS_GROUPS_MAX: usize = 1000;
/// Largest `ext` map, encoded.
pub const EXT_BYTES_MAX: usize = 2 << 10;
/// Longest word for how something ended that the ledger records itself.
pub const MEMO_CODE_BYTES_MAX: usize = 64;
/// Longest name of a reader.
pub const READER_BYTES_MAX: usize = 256;
/// Longest query text.
pub const QUERY_BYTES_MAX: usize = 1024;
/// Most terms in a query.
pub const QUERY_TERMS_MAX: usize = 32;

/// Most hashes in a proof: no tree has more levels.
pub const PROOF_HASHES_MAX: usize = 64;

/// Largest signed note that is read from a file.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
/// Most lines of proof in a request to a witness (C2SP `tlog-witness`).
pub const WITNESS_PROOF_LINES_MAX: usize = 63;
/// Most terms of a claim of completeness.
pub const CLAIM_TERMS_MAX: usize = 16;
/// Most entries in an evidence bundle, those that only support others included.
pub const BUNDLE_ENTRIES_MAX: usize = 20_000;
/// Largest evidence bundle.
pub const BUNDLE_BYTES_MAX: usize = 256 << 20;
/// Most members of an evidence bundle's archive.
pub const BUNDLE_MEMBERS_MAX: usize = 32;
/// Most CBOR items in one member of an evidence bundle.
pub const BUNDLE_NODES_MAX: usize = 4_000_000;
/// Bundles that a server makes or keeps at once.
pub const BUNDLE_JOBS_MAX: usize = 8;
/// Of them for one reader.
pub const BUNDLE_JOBS_PER_READER_MAX: usize = 4;
/// How long a request for a bundle waits for it, in seconds, before it is told where to ask again.
pub const BUNDLE_WAIT_S: u64 = 5;
/// How long the question whether it is made waits, in seconds.
pub const BUNDLE_POLL_S: u64 = 1;
/// Steps of a search for a bundle's entries between two looks whether anybody still waits for it.
pub const BUNDLE_LAP_ENTRIES: usize = 4096;
/// How long a bundle that was made is kept, in seconds.
pub const BUNDLE_KEPT_S: u64 = 600;
/// Largest request to a witness, and largest answer of one.
pub const WITNESS_BYTES_MAX: usize = 64 << 10;
/// Largest witness policy.
pub const POLICY_BYTES_MAX: usize = 64 << 10;
/// Most lines of a witness policy.
pub const POLICY_LINES_MAX: usize = 1000;

/// Entries that a verification reads at a time.
pub const VERIFY_CHUNK_ENTRIES_MAX: u64 = 4096;
/// Bytes of bodies, and again of statements, that a verification reads at a time; one row alone may be larger.
pub const VERIFY_CHUNK_BYTES_MAX: usize = 16 << 20;
/// Most entries between two ends of commits that a verification accepts: more than any commit has, so that a log
/// without ends takes no memory without end.
pub const VERIFY_COMMIT_ENTRIES_MAX: u64 = 1 << 18;
/// Commits by which a verification's first half may be ahead of its second.
pub const VERIFY_COMMITS_AHEAD_MAX: usize = 4096;
/// Messages taken into one commit.
pub const BATCH_MESSAGES_MAX: usize = 500;
/// Message bytes taken into one commit.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long a batch waits for company, in milliseconds.
pub const BATCH_WAIT_MS_MAX: u64 = 4;
/// Rejection leaves per subject and second; the rest is counted into one `ledger.flood` entry.
pub const REJECTIONS_PER_SUBJECT_SECOND_MAX: u32 = 1000;

/// Entries in one page of the API when the caller names no number.
pub const PAGE_ENTRIES_DEFAULT: usize = 100;
/// Most entries in one page of the API.
pub const PAGE_ENTRIES_MAX: usize = 1000;
/// Most entries that one rebuilt workflow holds.
pub const WORKFLOW_ENTRIES_MAX: usize = 10_000;
/// Bytes of bodies that one rebuilt workflow reads.
pub const WORKFLOW_BYTES_MAX: usize = 64 << 20;
/// Most workflows that one is said to be linked with.
pub const LINKED_WORKFLOWS_MAX: usize = 64;
/// Entries that are looked at for links between workflows.
pub const LINKED_LOOKS_MAX: usize = 20_000;
/// Most entries up or down the causes of one.
pub const CAUSAL_ENTRIES_MAX: usize = 1000;
/// Characters of one text in a drawing of a workflow.
pub const DIAGRAM_LABEL_CHARS_MAX: usize = 80;
/// Most entries that one query looks at before it says how far it got.
pub const QUERY_SCAN_MAX: usize = 200_000;
/// How long one answer to a query may look for entries, in milliseconds, before it says how far it got.
pub const QUERY_MS_MAX: u64 = 2000;
/// Looks that every answer has, however late it is: more than a query has postings, so that each page gets
/// on.
pub const QUERY_STEPS_MIN: usize = 4096;
/// Sessions after which one page of signers' gaps ends.
pub const GAP_SESSIONS_MAX: usize = 1000;
/// Most spans of time in one page of a histogram.
pub const HISTOGRAM_BUCKETS_MAX: usize = 1000;
/// Window of a query that names none, in seconds.
pub const QUERY_WINDOW_S_DEFAULT: u64 = 24 * 3600;
/// Most values whose postings the prefixes of one query open; a prefix of more is checked on each entry.
pub const QUERY_PREFIX_VALUES_MAX: usize = 1000;
/// Bytes of bodies after which a page of the API ends early; its cursor goes on.
pub const PAGE_BYTES_MAX: usize = 8 << 20;
/// Entries of one session read to find out whether numbers of its signer are missing.
pub const SESSION_SCAN_MAX: usize = 4096;
/// Most entries that one lineage is folded from.
pub const LINEAGE_ENTRIES_MAX: usize = 10_000;
/// Most grants, and most chains, that one lineage lists.
pub const LINEAGE_ROWS_MAX: usize = 1000;
/// How long an allowed action may lack a final outcome, in seconds.
pub const OUTCOME_S_MAX: u64 = 15 * 60;
/// Entries whose proofs are remembered, so that reading a workflow again does not repeat them.
pub const PROOFS_KEPT_MAX: usize = 1 << 16;
/// Entries considered by a filtered tail between two bare ids that move its cursor.
pub const TAIL_SKIP_MAX: u64 = 1000;
/// Frames that the tail's shared ring holds.
pub const TAIL_RING_FRAMES: usize = 8192;
/// Newest entries that the ring begins with when a server starts.
pub const TAIL_RING_BEGINS: u64 = 2048;
/// Most open tails.
pub const TAIL_STREAMS_MAX: usize = 12_000;
/// Entries that a tail reads from the store at a time.
pub const TAIL_READ_ENTRIES: usize = 256;
/// Silence on a tail before a comment is sent, in seconds.
pub const TAIL_HEARTBEAT_S: u64 = 15;
/// Bytes that the tail's shared ring holds, whichever of both limits comes first.
pub const TAIL_RING_BYTES_MAX: usize = 64 << 20;
/// Bytes that a tail hands to the connection at a time; one event alone may be larger.
pub const TAIL_CHUNK_BYTES: usize = 64 << 10;
/// Chunks that are kept for the tails that see everything, apart from the ring.
pub const TAIL_CHUNKS: usize = 64;
/// Tails that read from the store at the same moment, and no more than there are cores; the others wait their turn.
pub const TAIL_READS_MAX: usize = 8;
/// How long a client may take for one chunk of a tail before the stream ends, in seconds.
pub const TAIL_WRITE_S_MAX: u64 = 60;
/// Most open tails of one reader whose name is known.
pub const TAIL_STREAMS_PER_READER_MAX: usize = 256;
/// Least life of a tail's connection, in seconds; as much again at most is added at random.
pub const TAIL_LIFE_S_MIN: u64 = 3600;
/// Newest entries of which it is remembered whether they fit a condition that several tails share.
pub const TAIL_VERDICTS: usize = 1024;
/// Largest server-sent event that a client takes.
pub const TAIL_EVENT_BYTES_MAX: usize = 1 << 20;
/// How long a client may take to send its request head, in seconds.
pub const HTTP_HEADER_S_MAX: u64 = 10;
/// Most connections to the HTTP listener.
pub const HTTP_CONNECTIONS_MAX: usize = 16_000;
/// When to ask again a server that ends, in seconds: another one may be in its place by then.
pub const RESTART_S: u16 = 5;
/// Files of a server that are no connections, its store's most of all: fewer connections where that many are not allowed.
/// Some systems allow 1,024 in all, which leaves a quarter.
pub const OTHER_FILES_MAX: usize = 768;
/// How long a shutdown may take before streams are cut, in seconds.
pub const SHUTDOWN_S_MAX: u64 = 60;

/// Most submissions that a publisher's spool holds without a receipt.
pub const SPOOL_SUBMISSIONS_MAX: usize = 65_536;
/// Sessions of a signer whose last number is remembered beside its spool, the newest ones.
pub const SPOOL_SESSIONS_MAX: usize = 16_384;
/// Submissions that `publish` has under way at once.
pub const PUBLISH_UNDER_WAY_MAX: usize = 32;
/// Events that the command line reads ahead of what it signs or prints.
pub const READ_AHEAD_MAX: usize = 256;
/// Largest answer of the API that the command line reads, in bytes.
pub const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Largest request head, and most bytes of a request buffered at a time.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 << 10;
/// How long a client may take nothing of a response before it is cut, in seconds.
pub const HTTP_WRITE_S_MAX: u64 = 60;
/// Bytes of a response that the system holds for a client that takes nothing, its own bookkeeping aside.
pub const HTTP_SEND_BYTES: u32 = 256 << 10;
/// Connections accepted one after the other before the listener rests, where more of them come at once: a thousand a
/// second. With four times as many in one go, commits and other readers wait for the core that serves them.
pub const HTTP_ACCEPTS: u32 = 4;
/// How long so many take at least, in milliseconds.
pub const HTTP_ACCEPTS_MS: u64 = 3;
/// Connections that wait to be accepted; Linux may allow fewer.
pub const HTTP_BACKLOG: u32 = 4096;
/// Requests that are answered at once, open tails aside.
pub const HTTP_REQUESTS_MAX: usize = 256;
/// Of these, those of one reader that is known by name.
pub const HTTP_REQUESTS_PER_READER_MAX: usize = 64;
/// How long an answer may take to begin, in seconds.
pub const HTTP_QUERY_S_MAX: u64 = 50;
/// Bodies of requests that are received at once; each takes the memory of a submission.
pub const HTTP_BODIES_MAX: usize = 64;
/// How long a client may take to send a body, in seconds.
pub const HTTP_BODY_S_MAX: u64 = 30;
/// Requests under way at once on one connection of HTTP/2.
pub const HTTP_STREAMS_MAX: u32 = 64;
/// Most tokens of one ledger.
pub const TOKENS_MAX: usize = 10_000;
/// How often files of tokens and keys are looked at, in milliseconds.
pub const ACCESS_RELOAD_MS: u64 = 400;
/// How often reads become entries, in seconds.
pub const ACCESS_FLUSH_S: u64 = 60;
/// Readers with what they read that are counted apart between two times; all others are counted into one.
pub const ACCESS_READS_MAX: usize = 1000;
/// Largest token of OpenID Connect.
pub const JWT_BYTES_MAX: usize = 8 << 10;
/// By how much an issuer's clock may be ahead of the ledger's, in seconds.
pub const JWT_SKEW_S_MAX: u64 = 30;

/// Most copies of a store that the server keeps for verification at a time.
pub const ADMIN_COPIES_MAX: usize = 4;

/// Largest message that the broker's streams take: more than a submission may have, so that one a
/// little too large ends as a rejection with its reason.
pub const MESSAGE_BYTES_MAX: usize = 2 * SUBMISSION_BYTES_MAX;
/// Largest message that our own nats-server takes.
pub const BROKER_PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// Message bytes asked of the broker at a time; more than any one message has, or that would block.
pub const PULL_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// Messages of one stream that are delivered and not yet acknowledged: several batches.
pub const ACK_PENDING_MAX: usize = 8 * BATCH_MESSAGES_MAX;
/// Silence after which the broker delivers a message again, in seconds.
pub const ACK_WAIT_S: u64 = 30;
/// How long a commit waits for `op` messages that the broker says are on their way, in milliseconds.
pub const OP_DRAIN_MS_MAX: u64 = 250;
/// Longest pause between two attempts to reach the broker, in milliseconds.
pub const BROKER_BACKOFF_MS_MAX: u64 = 2000;
/// How long the broker may take for an answer or for taking replies, in seconds.
pub const BROKER_REQUEST_S_MAX: u64 = 5;
/// Replies that a publisher remembers for callers who ask after they came.
pub const PUBLISHER_REPLIES_MAX: usize = 1024;
/// Longest pause before a publisher sends a submission again, in seconds.
pub const RESEND_S_MAX: u64 = 30;

/// Findings of one rule about what one signer says of one agent, within an hour; the rest is counted into one.
pub const FINDINGS_PER_HOUR_MAX: u32 = 100;
/// Longest detail of a finding.
pub const FINDING_DETAIL_BYTES_MAX: usize = 64;
/// Deadlines that are looked at in one commit, once there is a finding among them.
pub const FINDINGS_DUE_ROWS_MAX: usize = 4096;
/// Deadlines that are looked at in one commit.
pub const FINDINGS_SEARCH_ROWS_MAX: usize = 1 << 20;
/// Gaps in a session's numbers that are remembered at once; later ones are told without waiting for what fills them, and
/// a number inside one, which would make it two, counts as missing still.
pub const SESSION_GAPS_MAX: usize = 16;
/// Days that a session without entries is remembered.
pub const SESSION_DAYS_KEPT: u64 = 35;
/// Hours that an intent is joined to what comes of it, from the last that came; more where its contract sets a later
/// deadline.
pub const INTENT_HOURS_KEPT: u64 = 24;
/// Longest bound of a deadline, in seconds; a contract's longer one counts as this. Sessions are remembered longer.
pub const DEADLINE_S_MAX: u64 = 30 * 86_400;
/// Days that the use of a grant which nobody gave is remembered.
pub const USE_DAYS_KEPT: u64 = 7;
/// Uses of one such grant that are remembered.
pub const GRANT_USES_MAX: usize = 16;
/// Days that a credential which is not registered is remembered with whom it was seen.
pub const CREDENTIAL_DAYS_KEPT: u64 = 30;
/// Tools of an agent that are remembered; the one that came first is forgotten first.
pub const HABIT_TOOLS_MAX: usize = 128;
/// Groups of targets of an agent that are remembered.
pub const HABIT_TARGETS_MAX: usize = 256;

/// Routes for findings.
pub const ROUTES_MAX: usize = 32;
/// Messages a minute that a route may be told to take.
pub const ROUTE_RATE_MAX: u32 = 6000;
/// Attempts at one message that a route may be told to make.
pub const ROUTE_ATTEMPTS_MAX: u32 = 20;
/// Longest pause between two attempts, in milliseconds.
pub const ROUTE_PAUSE_MS_MAX: u64 = 900_000;
/// Findings of one route that wait for their next attempt; the others wait in the ledger.
pub const ROUTE_WAITING_MAX: usize = 1024;
/// Requests to one receiver at a time.
pub const ROUTE_POSTS_MAX: usize = 2;
/// Findings that a route looks at in one go.
pub const ROUTE_LOOKS_MAX: usize = 256;
/// How long a receiver may take for its answer, in seconds.
pub const ROUTE_ANSWER_S_MAX: u64 = 10;
