//! `lineage`: all that was done under a principal, and the grants that it gave and got.

use schemas::printable::printable;
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete::listed;
use crate::cli::member::cell;
use crate::cli::out::Format;
use crate::client::segment;
use crate::exit::Exit;
use crate::table::Table;

/// Arguments of `lineage`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A person, a service or an agent
    principal: String,
}

/// Shows it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let path = format!("/api/v1/principals/{}/lineage", segment(&args.principal));
    let lineage = context.client()?.json(&path, &[])?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&lineage)?;
        return Ok(listed(&lineage, "grants or chains", ""));
    }
    for (heading, name) in [("gave", "given"), ("got", "received")] {
        for grant in list(&lineage, &format!("/grants/{name}")) {
            out.line(&grant_line(heading, grant))?;
        }
    }
    let mut table = Table::new(["CHAIN", "ENTRIES", "FIRST", "LAST"]);
    for chain in list(&lineage, "/chains") {
        let hops = list(chain, "/path").iter().filter_map(Json::as_str).map(printable);
        let hops = hops.collect::<Vec<_>>().join(" → ");
        let [entries, first, last] = ["entries", "first", "last"].map(|name| number(chain, name));
        table.row([hops.as_str(), &entries, &first, &last]);
    }
    table.lines().try_for_each(|line| out.line(&line))?;
    Ok(listed(&lineage, "grants or chains", ""))
}

fn list<'j>(json: &'j Json, pointer: &str) -> &'j [Json] {
    json.pointer(pointer).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn number(json: &Json, name: &str) -> String {
    json.get(name).and_then(Json::as_u64).map(|number| number.to_string()).unwrap_or_default()
}

/// Who gave whom which scope: down a chain it only shrinks, or a finding says so.
fn grant_line(heading: &str, grant: &Json) -> String {
    let at = |name: &str| cell(grant, name);
    let scope = list(grant, "/grant/scope").iter().filter_map(Json::as_str).map(printable);
    let (scope, environment) = (scope.collect::<Vec<_>>().join(", "), at("grant.environment"));
    let bounds = [scope, environment].into_iter().filter(|bound| !bound.is_empty());
    let bounds = bounds.collect::<Vec<_>>().join(" · ");
    format!("{heading:<5} #{} {} → {}  {bounds}", number(grant, "index"), at("by"), at("grant.to"))
}
