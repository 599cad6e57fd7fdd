//! Graphviz' DOT: every text in quotes.

use serde_json::Value as Json;

use super::{Drawing, Shape};

/// A workflow, as the API gives it, as a Graphviz digraph.
///
/// In texts, quotes and backslashes are escaped, and `&`, `<` and `>` are entities, which Graphviz shows as themselves.
#[must_use]
pub fn render_dot(chain: &Json) -> String {
    let drawing = Drawing::of(chain);
    let mut text = format!("digraph \"{}\" {{\n", quoted(&drawing.title));
    text.push_str("  node [shape=box fontname=\"sans-serif\"];\n");
    for shown in &drawing.boxes {
        let lines: Vec<_> = shown.lines.iter().map(|line| quoted(line)).collect();
        let style = match shown.shape {
            Shape::Step => "",
            Shape::Denied => " color=\"#b00020\"",
            Shape::Entry => " style=rounded",
            Shape::Missing => " style=\"rounded,dashed\"",
            Shape::Workflow => " peripheries=2",
        };
        text.push_str(&format!("  {} [label=\"{}\"{style}];\n", shown.name, lines.join("\\n")));
    }
    for arrow in &drawing.arrows {
        let mut attributes = Vec::new();
        if !arrow.label.is_empty() {
            attributes.push(format!("label=\"{}\"", quoted(&arrow.label)));
        }
        if arrow.is_critical {
            attributes.push("penwidth=2".to_owned());
        }
        let (from, to) = (&arrow.from, &arrow.to);
        text.push_str(&format!("  {from} -> {to} [{}];\n", attributes.join(" ")));
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        match c {
            '"' => safe.push_str("\\\""),
            '\\' => safe.push_str("\\\\"),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            c => safe.push(c),
        }
        safe
    })
}
