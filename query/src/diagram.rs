//! A workflow as a drawing: what stands in it, from the JSON that the API gives, for Mermaid and for Graphviz.
//!
//! Steps are boxes, entries outside of steps are rounded, what should be there and is not is dashed, and the critical path is
//! thick. As with text, the JSON may come from a server that lies and holds text of hostile agents.

mod dot;
mod mermaid;

use std::collections::{BTreeMap, BTreeSet};

use schemas::limits::DIAGRAM_LABEL_CHARS_MAX;
use schemas::printable::printable;
use serde_json::Value as Json;

use crate::text::list;

pub use dot::render_dot;
pub use mermaid::render_mermaid;

/// What a box stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Step,
    Denied,
    Entry,
    Missing,
    Workflow,
}

/// A box with its lines of text, which are printable and nothing else.
struct Shown {
    name: String,
    shape: Shape,
    lines: Vec<String>,
}

/// An arrow between two names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    to: String,
    label: String,
    is_critical: bool,
}

/// Everything that is drawn.
struct Drawing {
    title: String,
    boxes: Vec<Shown>,
    arrows: BTreeSet<Arrow>,
}

impl Drawing {
    fn of(chain: &Json) -> Self {
        let mut drawing =
            Self { title: word(chain, "correlation"), boxes: Vec::new(), arrows: BTreeSet::new() };
        let mut names = drawing.steps(chain);
        drawing.entries(chain, &mut names);
        drawing.edges(chain, &names);
        drawing.unknown_causes(chain, &names);
        drawing.linked(chain, &names);
        drawing
    }

    /// Draws each step; gives the name of the box that each entry is in.
    fn steps(&mut self, chain: &Json) -> BTreeMap<u64, String> {
        let mut names = BTreeMap::new();
        for (n, step) in list(chain, "steps").iter().enumerate() {
            let name = format!("s{}", n + 1);
            let indexes = list(step, "entries").iter().filter_map(Json::as_u64);
            names.extend(indexes.map(|index| (index, name.clone())));
            let denied = step.get("denied").and_then(Json::as_bool).unwrap_or_default();
            let shape = if denied { Shape::Denied } else { Shape::Step };
            self.boxes.push(Shown { name, shape, lines: step_lines(n + 1, step) });
        }
        names
    }

    fn entries(&mut self, chain: &Json, names: &mut BTreeMap<u64, String>) {
        for entry in list(chain, "entries") {
            let Some(index) = number(entry, "index").filter(|index| !names.contains_key(index))
            else {
                continue;
            };
            let name = format!("e{index}");
            let who = some([word(entry, "signer"), word(entry, "agent")]);
            let lines = vec![format!("#{index} {}", word(entry, "kind")), who];
            names.insert(index, name.clone());
            self.boxes.push(Shown { name, shape: Shape::Entry, lines });
        }
    }

    fn edges(&mut self, chain: &Json, names: &BTreeMap<u64, String>) {
        let path: Vec<_> = list(critical(chain), "critical_path").iter().collect();
        let path: Vec<_> = path.iter().filter_map(|hop| number(hop, "index")).collect();
        let on_path: BTreeSet<_> = path.iter().zip(path.iter().skip(1)).collect();
        for edge in list(chain, "edges") {
            let (Some(from), Some(to)) = (number(edge, "from"), number(edge, "to")) else {
                continue;
            };
            self.arrow(names, from, to, word(edge, "kind"), on_path.contains(&(&from, &to)));
        }
        // Where one waited for another without citing it.
        for hop in list(critical(chain), "critical_path") {
            let label = word(hop, "on");
            let at = path.iter().position(|index| Some(*index) == number(hop, "index"));
            let from = at.and_then(|at| at.checked_sub(1)).and_then(|at| path.get(at));
            if let (Some(from), Some(to), "step" | "order") =
                (from, number(hop, "index"), label.as_str())
            {
                self.arrow(names, *from, to, label, true);
            }
        }
    }

    fn arrow(
        &mut self,
        names: &BTreeMap<u64, String>,
        from: u64,
        to: u64,
        label: String,
        is_critical: bool,
    ) {
        if let (Some(from), Some(to)) = (names.get(&from), names.get(&to))
            && from != to
        {
            let label = if label == "cause" { String::new() } else { label };
            let (from, to) = (from.clone(), to.clone());
            self.arrows.insert(Arrow { from, to, label, is_critical });
        }
    }

    fn unknown_causes(&mut self, chain: &Json, names: &BTreeMap<u64, String>) {
        let gaps = list(chain, "gaps").iter().filter(|gap| word(gap, "kind") == "unknown_cause");
        for (n, gap) in (1..).zip(gaps) {
            let Some(to) = number(gap, "index").and_then(|index| names.get(&index)) else {
                continue;
            };
            let name = format!("m{n}");
            let lines = vec!["no such entry".to_owned(), word(gap, "cause")];
            self.boxes.push(Shown { name: name.clone(), shape: Shape::Missing, lines });
            let (to, label) = (to.clone(), String::new());
            self.arrows.insert(Arrow { from: name, to, label, is_critical: false });
        }
    }

    /// Workflows that this one is linked with, where they were asked for.
    fn linked(&mut self, chain: &Json, names: &BTreeMap<u64, String>) {
        let Some(linked) = chain.get("linked") else { return };
        let mut others = BTreeMap::new();
        for (n, other) in (1..).zip(list(linked, "workflows")) {
            let name = format!("w{n}");
            others.insert(word(other, "correlation"), name.clone());
            let entries = number(other, "entries").unwrap_or_default();
            let lines = vec![word(other, "correlation"), format!("{entries} entries")];
            self.boxes.push(Shown { name, shape: Shape::Workflow, lines });
        }
        for link in list(linked, "links") {
            let end = |workflow: &str, at: &str| {
                let own = number(link, at).and_then(|index| names.get(&index));
                own.or_else(|| others.get(&word(link, workflow))).cloned()
            };
            if let (Some(from), Some(to)) = (end("from", "index"), end("to", "at"))
                && from != to
            {
                let label = word(link, "by");
                // Causes are drawn before what cites them.
                let (from, to) = if label == "cause" { (to, from) } else { (from, to) };
                self.arrows.insert(Arrow { from, to, label, is_critical: false });
            }
        }
    }
}

fn step_lines(n: usize, step: &Json) -> Vec<String> {
    let status = [word(step, "status"), word(step, "reason")];
    let status: Vec<_> = status.into_iter().filter(|word| !word.is_empty()).collect();
    let lines = [
        format!("{n} {}", word(step, "action")),
        word(step, "agent"),
        word(step, "target"),
        status.join(", "),
    ];
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

fn critical(chain: &Json) -> &Json {
    chain.get("timing").unwrap_or(&Json::Null)
}

fn some(words: [String; 2]) -> String {
    words.into_iter().find(|word| !word.is_empty()).unwrap_or_default()
}

fn number(json: &Json, key: &str) -> Option<u64> {
    json.get(key).and_then(Json::as_u64)
}

/// Text at `key`: printable, and cut where it is too long for a box.
fn word(json: &Json, key: &str) -> String {
    let text = printable(json.get(key).and_then(Json::as_str).unwrap_or_default());
    match text.char_indices().nth(DIAGRAM_LABEL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
