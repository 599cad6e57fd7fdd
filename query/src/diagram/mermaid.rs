//! Mermaid's flowchart: `flowchart TD`, every text in quotes.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{Drawing, Shape};

/// A workflow, as the API gives it, as a Mermaid flowchart.
///
/// Every character of a text that is not a letter, a digit or one of ` .,@+-/_:` is written as its number (`#34;`), so that
/// none ends a text, is a directive or is HTML.
#[must_use]
pub fn render_mermaid(chain: &Json) -> String {
    let drawing = Drawing::of(chain);
    let mut text = String::from("flowchart TD\n");
    let mut line = |line: String| {
        text.push_str("  ");
        text.push_str(&line);
        text.push('\n');
    };
    for shown in &drawing.boxes {
        let lines: Vec<_> = shown.lines.iter().map(|line| quoted(line)).collect();
        let (open, close) = match shown.shape {
            Shape::Step | Shape::Denied => ("[", "]"),
            Shape::Entry | Shape::Missing => ("(", ")"),
            Shape::Workflow => ("[[", "]]"),
        };
        line(format!("{}{open}\"{}\"{close}", shown.name, lines.join("<br/>")));
        match shown.shape {
            Shape::Denied => line(format!("class {} denied", shown.name)),
            Shape::Missing => line(format!("class {} missing", shown.name)),
            _ => {}
        }
    }
    for arrow in &drawing.arrows {
        let stroke = if arrow.is_critical { "==>" } else { "-->" };
        let label = match arrow.label.as_str() {
            "" => String::new(),
            label => format!("|\"{}\"|", quoted(label)),
        };
        line(format!("{} {stroke}{label} {}", arrow.from, arrow.to));
    }
    line("classDef denied stroke:#b00020".to_owned());
    line("classDef missing stroke-dasharray:4".to_owned());
    text
}

fn quoted(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        if c.is_alphanumeric() || " .,@+-/_:".contains(c) {
            safe.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(safe, "#{};", u32::from(c));
        }
        safe
    })
}
