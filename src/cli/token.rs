//! `token`: who may use the API. Works on the ledger's directory, so on the server's machine and by its operator.

use schemas::access::Role;
use schemas::id::Micros;
use schemas::query::duration_us;
use schemas::shape::time_json;
use serde_json::json;

use crate::access::{Row, Token, Tokens};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::out::{Format, note};
use crate::clock::Clock;
use crate::config::{Config, Flags};
use crate::exit::Exit;
use crate::table::Table;

/// Subcommands of `token`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a token; it is shown once and kept as a hash
    Create(Create),
    /// List tokens, without their secrets
    Ls {
        #[command(flatten)]
        flags: Flags,
    },
    /// Take a token back: within a second its requests are refused and its streams end
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: Flags,
    },
}

/// Arguments of `token create`.
#[derive(clap::Args, Debug)]
pub(crate) struct Create {
    /// Its name, under which reads are recorded
    name: String,
    /// publisher (submits), auditor (reads), responder (reads, follows, disables agents) or operator (everything)
    #[arg(long, value_parser = role)]
    role: Role,
    /// Query that bounds what it sees
    #[arg(long, value_name = "QUERY")]
    scope: Option<String>,
    /// How long it is valid
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = span)]
    expires: u64,
    #[command(flatten)]
    flags: Flags,
}

fn role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("publisher, auditor, responder or operator")
}

/// In microseconds.
fn span(text: &str) -> Result<u64, &'static str> {
    duration_us(text).filter(|us| *us > 0).ok_or("a span as 90d or 12h")
}

/// Runs a subcommand.
///
/// # Errors
/// [`Failure::Config`], [`Failure::Tokens`], [`Failure::Argument`].
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(args, context),
        Command::Ls { flags } => list(&config(flags)?, context),
        Command::Revoke { name, flags } => {
            Tokens::below(&config(flags)?.data).remove(name)?;
            context.out().line(&format!("revoked {name}"))?;
            Ok(Exit::Ok)
        }
    }
}

fn config(flags: &Flags) -> Result<Config, Failure> {
    Config::load(flags).map_err(|error| Failure::Config(error.into()))
}

fn create(args: &Create, context: &Context) -> Result<Exit, Failure> {
    let argument = |name, value: &str, expected| {
        Err(Failure::Argument { name, value: value.to_owned(), expected })
    };
    if !Row::is_name(&args.name) {
        return argument("NAME", &args.name, "1 to 63 of a-z, A-Z, 0-9, ., - and _");
    }
    if let Some(scope) = args.scope.as_deref().filter(|scope| Row::condition(scope).is_none()) {
        return argument("--scope", scope, "a query without since, until and after");
    }
    let config = config(&args.flags)?;
    let (token, now) = (Token::generate(), Clock::system().now());
    let expires = Micros(now.0.saturating_add(args.expires));
    let row = Row {
        name: args.name.clone(),
        hash: token.digest(),
        role: args.role,
        tenant: config.tenant,
        scope: args.scope.clone(),
        created: now,
        expires,
    };
    Tokens::below(&config.data).add(row)?;
    let (out, text) = (context.out(), token.text());
    if out.format() != Format::Table {
        let role = args.role.as_str();
        out.json(&json!({
            "name": args.name, "role": role, "scope": args.scope, "expires": time_json(expires),
            "token": text.as_str(),
        }))?;
        return Ok(Exit::Ok);
    }
    out.line(&text)?;
    note(
        "This is the only time that it is shown. It goes into SWORN_TOKEN, or into a file of mode 0600.",
    );
    if !config.http.auth {
        note("The server asks nobody for a token yet: set [http] auth = \"required\".");
    }
    Ok(Exit::Ok)
}

fn list(config: &Config, context: &Context) -> Result<Exit, Failure> {
    let (out, now) = (context.out(), Clock::system().now());
    let mut table = Table::new(["NAME", "ROLE", "SCOPE", "TENANT", "CREATED", "EXPIRES", "STATE"]);
    let mut items = Vec::new();
    for row in Tokens::below(&config.data).read()? {
        let state = if row.expires <= now { "expired" } else { "valid" };
        let [created, expires] = [row.created, row.expires].map(time_json);
        let scope = row.scope.as_deref().unwrap_or_default();
        let (role, tenant) = (row.role.as_str(), row.tenant.as_str());
        let [made, ends] = [&created, &expires].map(|time| time.as_str().unwrap_or_default());
        table.row([row.name.as_str(), role, scope, tenant, made, ends, state]);
        items.push(json!({
            "name": row.name, "role": role, "scope": row.scope, "tenant": tenant,
            "created": created, "expires": expires, "state": state,
        }));
    }
    match out.format() {
        Format::Table => table.lines().try_for_each(|line| out.line(&line))?,
        _ => out.json(&json!({ "items": items }))?,
    }
    Ok(Exit::Ok)
}
