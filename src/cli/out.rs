//! Standard output: text, tables and JSON, in colour only where a terminal shows it.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value as Json;

use crate::cli::failure::Failure;
use crate::cli::pager;

/// How data is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
    /// Rows for a spreadsheet, which computes nothing in them.
    Csv,
    /// Deterministic CBOR, one item after another.
    Raw,
    /// As `--template` says.
    Template,
    /// A drawing for Mermaid.
    Mermaid,
    /// A drawing for Graphviz.
    Dot,
}

impl Format {
    /// The word on the command line.
    pub(crate) fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// How serious a word is; shown in colour besides the word, never instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    /// Nothing particular.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Notable,
    /// Not as it should be.
    Bad,
    /// Less important than the rest.
    Quiet,
}

/// Where data goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    format: Format,
    colour: bool,
}

impl Out {
    /// To standard output.
    pub(crate) fn new(format: Option<Format>, no_colour: bool) -> Self {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let colour = !no_colour
            && wants_colour(
                variable("NO_COLOR").is_some(),
                variable("TERM").as_deref() == Some("dumb"),
                io::stdout().is_terminal(),
                variable("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            );
        Self { format: format.unwrap_or_default(), colour }
    }

    /// What the user asked for.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// `text` in the colour of its tone, where colours are shown.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Notable => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A line of text.
    ///
    /// # Errors
    /// [`Failure::ClosedPipe`] when nobody reads any more, [`Failure::Output`].
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        pager::write(format!("{text}\n").as_bytes()).map_err(failed)
    }

    /// Text with its own ends of lines.
    ///
    /// # Errors
    /// As for [`Out::line`].
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        pager::write(text.as_bytes()).map_err(failed)
    }

    /// Bytes as they are; as a line of hex on a terminal, which they could drive.
    ///
    /// # Errors
    /// As for [`Out::line`].
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            return self.line(&schemas::id::hex(bytes));
        }
        pager::write(bytes).map_err(failed)
    }

    /// One JSON document: on one line, or indented where the user asked for `json`.
    ///
    /// # Errors
    /// As for [`Out::line`].
    pub(crate) fn json(self, json: &Json) -> Result<(), Failure> {
        let text = if self.format == Format::Json { format!("{json:#}") } else { json.to_string() };
        self.line(&armoured(&text))
    }

    /// One JSON document on one line, whatever the user asked for: part of a stream without an end.
    ///
    /// # Errors
    /// As for [`Out::line`].
    pub(crate) fn json_line(self, json: &Json) -> Result<(), Failure> {
        self.line(&armoured(&json.to_string()))
    }

    /// Many JSON documents: one array, or one a line.
    ///
    /// # Errors
    /// As for [`Out::line`].
    pub(crate) fn jsons(self, items: &[Json]) -> Result<(), Failure> {
        if self.format == Format::Json {
            return self.json(&Json::Array(items.to_vec()));
        }
        items.iter().try_for_each(|item| self.json(item))
    }
}

fn wants_colour(no_color: bool, dumb: bool, terminal: bool, forced: bool) -> bool {
    !no_color && !dumb && (terminal || forced)
}

fn failed(source: io::Error) -> Failure {
    match source.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Output(source),
    }
}

/// JSON text that means the same and drives no terminal: control, formatting and other invisible
/// characters are written as `\u` escapes. JSON itself has them only inside strings.
fn armoured(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_plain(c) {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

fn is_plain(c: char) -> bool {
    c.is_ascii_graphic()
        || c == ' '
        || schemas::printable::printable(c.encode_utf8(&mut [0; 4])) == c.to_string()
}

/// A line for the user beside the data: progress, a hint, a warning; behind the data, where that is paged. A closed
/// standard error is no reason to fail.
pub(crate) fn note(text: &str) {
    if !pager::keep(text) {
        let _unread = writeln!(io::stderr(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn colour_is_decided_in_the_documented_order() {
        let cases = [
            // NO_COLOR, TERM=dumb, terminal, CLICOLOR_FORCE
            ((true, false, true, true), false),
            ((false, true, true, true), false),
            ((false, false, true, false), true),
            ((false, false, false, true), true),
            ((false, false, false, false), false),
        ];
        for ((no_color, dumb, terminal, forced), expected) in cases {
            assert_eq!(wants_colour(no_color, dumb, terminal, forced), expected);
        }
    }

    #[test]
    fn without_colour_a_word_stays_as_it_is() {
        let plain = Out { format: Format::Table, colour: false };
        assert_eq!(plain.paint(Tone::Bad, "DENIED"), "DENIED");
        let coloured = Out { format: Format::Table, colour: true };
        assert_eq!(coloured.paint(Tone::Bad, "DENIED"), "\u{1b}[31mDENIED\u{1b}[0m");
    }

    #[test]
    fn armoured_json_means_the_same() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}x\u{2028}\u{0}\u{e0041}ü漢\"\\\n\u{feff}";
        let json = serde_json::json!({ hostile: [hostile, 1] });
        for text in [json.to_string(), format!("{json:#}")] {
            let safe = armoured(&text);
            assert_eq!(serde_json::from_str::<Json>(&safe).unwrap(), json);
            assert!(!safe.chars().any(|c| c != '\n' && c.is_control()));
            assert!(!safe.contains(['\u{202e}', '\u{2028}', '\u{e0041}', '\u{feff}']));
            assert!(safe.contains("ü漢"));
        }
    }
}
