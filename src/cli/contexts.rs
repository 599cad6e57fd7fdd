//! `context`: servers by name, each with its trusted key and its last verified checkpoint.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::out::Format;
use crate::cli::trust::Trust;
use crate::contexts::{Contexts, Settings};
use crate::exit::Exit;
use crate::table::Table;

/// Subcommands of `context`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Remember a server under a name
    Add(Add),
    /// List contexts; the one in use has a star
    Ls,
    /// Use a context from now on; - goes back to the one before
    Select {
        /// Its name, or -
        #[arg(allow_hyphen_values = true)]
        name: String,
    },
}

/// Arguments of `context add`; --url, --tenant and --nats are the global options.
#[derive(clap::Args, Debug)]
pub(crate) struct Add {
    /// Its name: a-z, 0-9, - and _
    name: String,
    /// Ledger key to trust: verifier key, fingerprint or file
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
    /// File with the token to show the server, which only you may read
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Runs a subcommand.
///
/// # Errors
/// [`Failure::Contexts`], [`Failure::Argument`].
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    let contexts = Contexts::of_user()?;
    match command {
        Command::Add(args) => add(&contexts, args, context),
        Command::Ls => list(&contexts, context),
        Command::Select { name } => {
            let selected = contexts.select(name)?;
            context.out().line(&format!("using {selected}"))?;
            Ok(Exit::Ok)
        }
    }
}

fn add(contexts: &Contexts, args: &Add, context: &Context) -> Result<Exit, Failure> {
    // A file may move or change; what is kept is the key or fingerprint in it.
    let trust = args.trust.as_deref().map(Trust::read).transpose()?;
    let given = context.given();
    let settings = Settings {
        url: given.url,
        tenant: given.tenant,
        nats: given.nats,
        trust: trust.map(|trust| trust.text()),
        token_file: args.token_file.as_deref().map(absolute).transpose()?,
        ca: given.ca.as_deref().map(|ca| absolute(Path::new(ca))).transpose()?,
    };
    contexts.add(&args.name, &settings)?;
    let line = format!("added {}; use it with: sworn context select {}", args.name, args.name);
    context.out().line(&line)?;
    Ok(Exit::Ok)
}

/// The file's place from wherever commands are run later.
fn absolute(path: &Path) -> Result<String, Failure> {
    let found = path.canonicalize();
    let found = found.map_err(|source| Failure::File { path: path.to_owned(), source })?;
    Ok(found.display().to_string())
}

fn list(contexts: &Contexts, context: &Context) -> Result<Exit, Failure> {
    let in_use = contexts.in_use()?;
    let out = context.out();
    let mut table = Table::new(["USED", "NAME", "URL", "TENANT", "TRUST"]);
    let mut items = Vec::new();
    for name in contexts.names()? {
        let settings = contexts.settings(&name)?;
        let used = in_use.as_deref() == Some(&name);
        items.push(json!({
            "name": name, "in_use": used, "url": settings.url, "tenant": settings.tenant,
            "nats": settings.nats, "trust": settings.trust, "token_file": settings.token_file,
            "ca": settings.ca,
        }));
        let [url, tenant, trust] = [&settings.url, &settings.tenant, &settings.trust]
            .map(|value| value.as_deref().unwrap_or_default());
        table.row([if used { "*" } else { "" }, &name, url, tenant, trust]);
    }
    match out.format() {
        Format::Table => table.lines().try_for_each(|line| out.line(&line))?,
        _ => out.json(&json!({ "items": items }))?,
    }
    Ok(Exit::Ok)
}
