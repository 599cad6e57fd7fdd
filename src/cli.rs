//! The command line: one command a file, one way to fail, one way to print.

mod access;
mod actions;
mod admin;
mod agent;
mod annotate;
mod approval;
mod baseline;
mod bundle;
mod chain;
mod checkpoint;
mod code;
mod complete;
mod completion;
pub(crate) mod context;
mod contexts;
mod continuity;
mod contract;
mod credential;
mod delivery;
mod doctor;
mod eras;
mod events;
mod evidence;
mod explain;
pub(crate) mod failure;
mod finding;
mod follow;
mod freeze;
mod gaps;
mod get;
mod grant;
mod hook;
mod impact;
mod incomplete;
mod init;
mod intake;
mod interrupt;
mod key;
pub(crate) mod line;
mod lineage;
mod listing;
mod man;
mod member;
mod nats;
mod operator;
pub(crate) mod out;
mod pager;
mod pages;
mod parse;
mod point;
mod policy;
mod principal;
mod progress;
mod proposal;
mod prove;
mod proved;
mod publish;
mod query;
mod redact;
mod report;
mod route;
mod stats;
mod tail;
mod tally;
mod template;
mod thread;
mod token;
pub(crate) mod trust;
mod verdict;
mod verify;
mod watch;
mod why;
mod witness;
mod witnesses;

use std::ffi::OsString;

use clap::Parser as _;
use context::{Context, Global};
use failure::Failure;
use out::Format;
use pager::Pager;
use schemas::terms::Key;

use crate::exit::Exit;
use crate::serve::ServeError;
use crate::telemetry;
use crate::{demo, dev, serve};

/// The audit ledger for AI agents: which agent did this, on whose authority, and what was it allowed to do?
#[derive(clap::Parser, Debug)]
#[command(
    name = "sworn",
    version,
    after_long_help = format!("Exit codes:\n{}", Exit::table()),
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Run a development ledger with its own broker: never in production
    Dev(dev::Args),
    /// Make a new ledger and print the TRUST for its auditors
    Init(init::Args),
    /// Run the server of a ledger
    Serve(serve::Args),
    /// Follow the log, one line per entry
    #[command(after_long_help = query_help())]
    Tail(tail::Args),
    /// Find entries
    #[command(after_long_help = query_help())]
    Query(query::Args),
    /// Count entries by one key, with what came of them
    #[command(after_long_help = query_help())]
    Stats(stats::Args),
    /// Show which of their numbers signers' events lack: open, filled, declared
    #[command(after_long_help = query_help())]
    Gaps(gaps::Args),
    /// Reports about sessions and contracts
    #[command(subcommand)]
    Report(report::Command),
    /// Show one entry and check its proof
    Get(get::Args),
    /// Rebuild a workflow
    Chain(chain::Args),
    /// Explain an action: on whose authority, within what limits, and what came of it
    Why(why::Args),
    /// Show what was done under a principal, and its grants
    Lineage(lineage::Args),
    /// Show how far a credential, a grant, a person, a tool or a digest reaches
    Impact(impact::Args),
    /// Name the workflow that an inbound message belongs to
    Thread(thread::Args),
    /// Show who may do what, or what changed in it
    Access(access::Args),
    /// Check every hash, signature, proof and checkpoint
    Verify(verify::Args),
    /// Evidence that proves itself offline: one file for a case
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// Prove that an entry is in the log, or that the log only grew
    Prove(prove::Args),
    /// Signed checkpoints: published and pinned
    #[command(subcommand)]
    Checkpoint(checkpoint::Command),
    /// Sign events and publish them until they are receipted
    Publish(publish::Args),
    /// Agents in the registry; the kill switch
    #[command(subcommand)]
    Agent(agent::Command),
    /// People and services in the registry
    #[command(subcommand)]
    Principal(principal::Command),
    /// Credentials of agents, by id
    #[command(subcommand)]
    Credential(credential::Command),
    /// What agents may do, as their owners say
    Contract(contract::Args),
    /// Texts that gates apply
    #[command(subcommand)]
    Policy(policy::Command),
    /// Authority passed on
    #[command(subcommand)]
    Grant(grant::Command),
    /// What waits for a human, and who decided
    #[command(subcommand)]
    Approval(approval::Command),
    /// Changes that several operators have to agree to
    #[command(subcommand)]
    Proposal(proposal::Command),
    /// What broke a rule, and what was done about it
    #[command(subcommand)]
    Finding(finding::Command),
    /// Write a case note about an entry; --reason is its text
    Annotate(annotate::Args),
    /// Where findings go
    #[command(subcommand)]
    Route(route::Command),
    /// Show what is usual for an agent, and where rules draw the line
    Baseline(baseline::Args),
    /// What may not be done for a while
    #[command(subcommand)]
    Freeze(freeze::Command),
    /// Keys of signers
    #[command(subcommand)]
    Key(key::Command),
    /// Tokens of the API: made, listed and revoked in the ledger's directory
    #[command(subcommand)]
    Token(token::Command),
    /// The broker's configuration
    #[command(subcommand)]
    Nats(nats::Command),
    /// Look after a ledger: what its server needs, redactions, holds, its key, its indexes
    #[command(subcommand)]
    Admin(admin::Command),
    /// Witnesses: being one, and how far they are
    #[command(subcommand)]
    Witness(witnesses::Command),
    /// Servers by name, with their trusted keys
    #[command(subcommand)]
    Context(contexts::Command),
    /// Demonstrations on a development ledger
    #[command(subcommand)]
    Demo(demo::Command),
    /// Explain an error code, or the rule of a finding
    Explain(explain::Args),
    /// Print what a shell needs to complete commands
    Completion(completion::Args),
    /// Print the manual, or write its pages
    Man(man::Args),
}

impl Cli {
    /// Reads the command line; ends the process where it cannot be read, or asks for help.
    pub(crate) fn read() -> Self {
        Self::parse_from(std::env::args_os().map(unsigned))
    }
}

/// A negated term in the spelling that is no flag: `-env:staging` as `not:env:staging`.
fn unsigned(argument: OsString) -> OsString {
    let term = argument.to_str().and_then(|text| text.strip_prefix('-')).filter(|term| {
        let key = term.split_once(':').map(|(key, _)| key).unwrap_or_default();
        key.len() > 1 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    match term {
        Some(term) => format!("not:{term}").into(),
        None => argument,
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`], which says how to end.
pub(crate) fn run(cli: Cli) -> Result<Exit, Failure> {
    let context = Context::new(cli.global);
    match cli.command {
        // These two log as they are told to, the others only what is wrong.
        Command::Serve(args) => serve::main(&args).map_err(served).map(|()| Exit::Ok),
        Command::Dev(args) => {
            dev::main(&args).map_err(|error| Failure::Serve(error.into())).map(|()| Exit::Ok)
        }
        command => {
            telemetry::init("warn", telemetry::Format::Text)
                .map_err(|error| Failure::Config(error.into()))?;
            client_command(command, &context)
        }
    }
}

impl Command {
    /// Whether what it shows may be longer than a screen, and ends.
    fn is_long(&self) -> bool {
        match self {
            Self::Query(args) => !args.follows(),
            Self::Finding(command) => command.shows(),
            Self::Stats(_)
            | Self::Gaps(_)
            | Self::Report(_)
            | Self::Get(_)
            | Self::Chain(_)
            | Self::Why(_)
            | Self::Lineage(_)
            | Self::Impact(_)
            | Self::Access(_) => true,
            _ => false,
        }
    }

    /// Whether its data can be written like this.
    fn writes(&self, format: Format) -> bool {
        match format {
            Format::Table | Format::Json | Format::Jsonl => true,
            Format::Csv | Format::Raw | Format::Template => {
                matches!(self, Self::Query(args) if args.lists_entries())
            }
            Format::Mermaid | Format::Dot => matches!(self, Self::Chain(_)),
        }
    }
}

fn client_command(command: Command, context: &Context) -> Result<Exit, Failure> {
    let format = context.out().format();
    if !command.writes(format) {
        let expected = "table, json or jsonl for this command";
        return Err(Failure::Argument { name: "--output", value: format.name(), expected });
    }
    let _pager = (context.pages() && command.is_long()).then(Pager::start).flatten();
    match command {
        Command::Init(args) => init::run(&args, context),
        Command::Tail(args) => tail::run(&args, context),
        Command::Query(args) => query::run(&args, context),
        Command::Stats(args) => stats::run(&args, context),
        Command::Gaps(args) => gaps::run(&args, context),
        Command::Report(command) => report::run(&command, context),
        Command::Get(args) => get::run(&args, context),
        Command::Chain(args) => chain::run(&args, context),
        Command::Why(args) => why::run(&args, context),
        Command::Lineage(args) => lineage::run(&args, context),
        Command::Impact(args) => impact::run(&args, context),
        Command::Thread(args) => thread::run(&args, context),
        Command::Access(args) => access::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Bundle(command) => bundle::run(&command, context),
        Command::Prove(args) => prove::run(&args, context),
        Command::Checkpoint(command) => checkpoint::run(&command, context),
        Command::Publish(args) => publish::run(&args, context),
        Command::Agent(command) => agent::run(command, context),
        Command::Principal(command) => principal::run(command, context),
        Command::Credential(command) => credential::run(&command, context),
        Command::Contract(args) => contract::run(&args, context),
        Command::Policy(command) => policy::run(&command, context),
        Command::Grant(command) => grant::run(&command, context),
        Command::Approval(command) => approval::run(&command, context),
        Command::Proposal(command) => proposal::run(&command, context),
        Command::Finding(command) => finding::run(&command, context),
        Command::Annotate(args) => annotate::run(&args, context),
        Command::Route(command) => route::run(&command, context),
        Command::Baseline(args) => baseline::run(&args, context),
        Command::Freeze(command) => freeze::run(&command, context),
        Command::Key(command) => key::run(command, context),
        Command::Token(command) => token::run(&command, context),
        Command::Nats(command) => nats::run(&command, context),
        Command::Admin(command) => admin::run(&command, context),
        Command::Witness(command) => witnesses::run(&command, context),
        Command::Context(command) => contexts::run(&command, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Completion(args) => completion::run(&args, context),
        Command::Man(args) => man::run(&args, context),
        Command::Demo(command) => demo::run(&command, context.out())
            .map_err(|error| Failure::Demo(error.into()))
            .map(|()| Exit::Ok),
        // Dispatched before.
        Command::Serve(_) | Command::Dev(_) => Ok(Exit::Ok),
    }
}

fn served(error: ServeError) -> Failure {
    match error {
        ServeError::Config(error) => Failure::Config(error.into()),
        ServeError::Telemetry(error) => Failure::Config(error.into()),
        ServeError::Key(error) => error.into(),
        ServeError::Open(error) => error.into(),
        error => Failure::Serve(error.into()),
    }
}

/// A runtime for commands that speak to the broker.
///
/// # Errors
/// [`Failure::Serve`] when the system gives no threads.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Failure::Serve(error.into()))
}

/// The query language on one screen.
fn query_help() -> String {
    let width = Key::ALL.iter().map(|key| key.as_str().len()).max().unwrap_or_default();
    let line = |key: &Key| format!("  {:<width$}  {}\n", key.as_str(), key.meaning());
    let keys: String = Key::ALL.iter().map(line).collect();
    format!(
        "Queries: key:value; the same key again is OR, different keys are AND; - or not: negates; a\n\
         trailing * is a prefix, alone any value; quotes hold spaces; (a:1 | b:2) is OR across keys.\n\
         Window: since: until: after: with 15m, 1d2h, 2026-04-08, RFC 3339, #900, checkpoint:900,\n\
         or 03:40 of today or of on:DATE. time: is the claimed time: a date, RFC 3339, or A..B.\n\n\
         Keys:\n{keys}"
    )
}

/// The words of a query as the shell parted them.
fn query_text(words: &[String]) -> String {
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    fn words(line: &str) -> Vec<String> {
        let cli = Cli::try_parse_from(line.split_whitespace().map(|word| unsigned(word.into())));
        match cli.unwrap_or_else(|error| panic!("{line}: {error}")).command {
            Command::Tail(args) => args.words().to_vec(),
            Command::Query(args) => args.words().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_negated_term_is_no_flag_and_a_flag_no_term() {
        for (line, expected) in [
            ("sworn tail agent:db-* -env:staging -o json", "agent:db-* not:env:staging"),
            ("sworn tail -o jsonl -kind:finding --limit 3", "not:kind:finding"),
            ("sworn query -outcome:denied agent:a --since 15m", "not:outcome:denied agent:a"),
            ("sworn query (user:U | owner:U) class:payment", "(user:U | owner:U) class:payment"),
            ("sworn tail", ""),
        ] {
            assert_eq!(query_text(&words(line)), expected, "{line}");
        }
        // What would change nothing is not taken.
        for counted in ["--count", "--by model", "--histogram 1h"] {
            for ignored in ["--limit 5", "--order oldest", "--template {index}"] {
                let line = format!("sworn query agent:a {counted} {ignored}");
                assert!(Cli::try_parse_from(line.split_whitespace()).is_err(), "{line}");
            }
        }
        assert!(Cli::try_parse_from(["sworn", "query", "--limit", "0"]).is_err());
        for wrong in ["--frobnicate", "-x", "-X:1", "--since:1"] {
            assert!(Cli::try_parse_from(["sworn", "tail", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_are_written_where_entries_are_listed() {
        for (line, expected) in [
            ("sworn query agent:a", true),
            ("sworn query agent:a --order oldest --explain", true),
            ("sworn query agent:a --count", false),
            ("sworn query agent:a --by model", false),
            ("sworn query agent:a --histogram 1h", false),
            ("sworn query agent:a --actions", false),
            ("sworn query agent:a --follow", false),
            ("sworn tail agent:a", false),
        ] {
            let command = Cli::try_parse_from(line.split_whitespace()).unwrap().command;
            for format in [Format::Csv, Format::Raw, Format::Template] {
                assert_eq!(command.writes(format), expected, "{line} as {format:?}");
            }
            assert!(command.writes(Format::Jsonl), "{line}");
        }
    }

    #[test]
    fn global_options_stand_anywhere() {
        for line in [
            "sworn --tenant acme --nats nats://x agent ls",
            "sworn agent ls --tenant acme --nats nats://x",
            "sworn serve --tenant acme --nats nats://x",
            "sworn demo agent a --key k --nats n --tenant t --ledger-key 00",
        ] {
            Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// A line of a guide as the shell parts it, without what stands behind to explain it, and with an id for each
    /// placeholder.
    fn shown(line: &str) -> Vec<String> {
        let line = line.split("  ").next().unwrap_or_default();
        let line = line.split(" #").next().unwrap_or_default();
        let mut words = Vec::new();
        for (n, part) in line.split(['\'', '"']).enumerate() {
            match n % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _quoted => words.push(part.to_owned()),
            }
        }
        for word in words.iter_mut().filter(|word| matches!(word.as_str(), "GRANT" | "PROPOSAL")) {
            "019d6b2c-ee80-7001-8002-030405060708".clone_into(word);
        }
        words
    }

    #[test]
    fn the_commands_of_the_guides_can_be_read() {
        let guides = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
        let mut read = 0;
        for file in std::fs::read_dir(guides).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap().replace(" \\\n      ", " ");
            let fenced = text.split("```").skip(1).step_by(2).flat_map(str::lines);
            let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
            let commands = fenced.chain(indented).filter(|line| line.starts_with("sworn "));
            // Of alternatives on one line, one would be given.
            for line in commands.filter(|line| !line.contains(" | --")) {
                let words = shown(line).into_iter().map(|word| unsigned(word.into()));
                Cli::try_parse_from(words)
                    .unwrap_or_else(|error| panic!("{}: {line}: {error}", path.display()));
                read += 1;
            }
        }
        assert!(read > 50, "{read}");
    }

    #[test]
    fn the_exit_codes_are_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("13  checkpoints contradict each other"), "{help}");
    }
}
