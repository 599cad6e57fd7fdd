//! `baseline`: what is usual for an agent, and where its rules draw the line.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::{cell, items, number};
use crate::cli::out::Format;
use crate::client::segment;
use crate::exit::Exit;

/// Arguments of `baseline`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Id of the agent
    agent: String,
}

/// Shows it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let path = format!("/api/v1/agents/{}/baseline", segment(&args.agent));
    let baseline = context.client()?.json(&path, &[])?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&baseline)?;
        return Ok(Exit::Ok);
    }
    lines(&baseline).iter().try_for_each(|line| out.line(line))?;
    Ok(Exit::Ok)
}

fn lines(baseline: &Json) -> Vec<String> {
    let line = |name: &str, number: u64| format!("{name:<24} {number}");
    let usual = [("actions", "actions"), ("usual in an hour", "usual")];
    let mut lines: Vec<_> =
        usual.iter().map(|(heading, name)| line(heading, number(baseline, name))).collect();
    let bounds = items(baseline, "thresholds").iter();
    lines.extend(bounds.map(|bound| line(&cell(bound, "rule"), number(bound, "bound"))));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_cannot_act_on_the_terminal() {
        let bound = json!({ "rule": "volume\u{1b}[2J\n", "bound": 12 });
        let lines = lines(&json!({ "actions": 3, "usual": 1, "thresholds": [bound] }));
        assert_eq!(lines.len(), 3);
        assert_eq!(lines.last().map(String::as_str), Some("volume\\u{1b}[2J\\n        12"));
    }
}
