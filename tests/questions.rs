//! What auditors and responders ask: each question is one command and one address, and both give the same answer about the worked example.

mod replay;
mod table;

use serde_json::Value as Json;

use replay::Replay;

/// A question. Words in braces stand for what the replay made: an entry's index, a grant's id.
struct Question {
    /// Its number in the list of questions, and a letter where it has several parts.
    name: &'static str,
    command: &'static [&'static str],
    path: &'static str,
    told: Told,
    expected: &'static [&'static str],
}

/// What is compared of an answer.
enum Told {
    /// Entries: who did what, and how it ended.
    Entries(&'static str),
    /// These members of every item of a list.
    Items(&'static str, &'static [&'static str]),
    /// These members of the answer.
    Answer(&'static [&'static str]),
}

const ENTRIES: Told = Told::Entries("items");

/// Members on a dotted path; a list stands for all that its items have there.
fn member(json: &Json, path: &str) -> String {
    let steps: Vec<_> = path.split('.').collect();
    match (json, steps.as_slice()) {
        (Json::Array(items), ["length"]) => items.len().to_string(),
        (Json::Array(items), _) => {
            items.iter().map(|item| member(item, path)).collect::<Vec<_>>().join(",")
        }
        (Json::Object(members), [first, rest @ ..]) if !first.is_empty() => {
            members.get(*first).map(|json| member(json, &rest.join("."))).unwrap_or_default()
        }
        (Json::Null, _) => String::new(),
        (Json::String(text), _) => text.clone(),
        (json, _) => json.to_string(),
    }
}

/// The list of an answer; a command may print the list alone.
fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    let list = json.as_array().or_else(|| json.get(name)?.as_array());
    list.unwrap_or_else(|| panic!("no {name} in {json:#}"))
}

impl Told {
    fn of(&self, answer: &Json) -> Vec<String> {
        let row = |json: &Json, members: &[&str]| {
            members.iter().map(|path| member(json, path)).collect::<Vec<_>>().join(" | ")
        };
        match self {
            // When an alert is delivered is its receiver's affair.
            Self::Entries(name) => {
                let entries = list(answer, name).iter().filter(|entry| !is_delivery(entry));
                entries.map(brief).collect()
            }
            Self::Items(name, members) => {
                list(answer, name).iter().map(|item| row(item, members)).collect()
            }
            Self::Answer(members) => vec![row(answer, members)],
        }
    }
}

fn is_delivery(entry: &Json) -> bool {
    let entry = entry.get("entry").unwrap_or(entry);
    entry["body"]["kind"] == "delivery"
}

fn brief(entry: &Json) -> String {
    let entry = entry.get("entry").unwrap_or(entry);
    let brief = schemas::brief::Brief::of(entry);
    let parts =
        [Some(brief.actor), Some(brief.deed), brief.object, Some(brief.ending), brief.reason];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_question_is_one_command_and_one_address() {
    let replay = Replay::start();
    let mut wrong = Vec::new();
    for question in table::QUESTIONS {
        let expected: Vec<_> = question.expected.iter().map(|line| replay.fill(line)).collect();
        for (way, answer) in
            [("command", replay.run(question.command)), ("address", replay.get(question.path))]
        {
            let told = question.told.of(&answer);
            if told != expected {
                wrong
                    .push(format!("{} by {way}: {told:#?}, expected {expected:#?}", question.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    prints_what_people_read(&replay);
    draws_the_same_lots(&replay);
}

/// The answers that have a form of their own for people.
fn prints_what_people_read(replay: &Replay) {
    let chain = replay.print(&["chain", "workflow-abc-123"]);
    for line in [
        "1 mail in     mail-boundary      inv4471@vendor.example                         joined by cause\n",
        "9 entries (8 counted, 1 joined), 0 gaps, 0 findings, complete, verified at checkpoint ",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&chain).contains(&squeezed(line)), "{line}\n{chain}");
    }
    let timing = replay.print(&["chain", "workflow-abc-123", "--timing"]);
    assert!(timing.contains(" for voice-gate (#"), "{timing}");
    let one = replay.print(&[
        "query",
        "--actions",
        "target:postgres:prod/sessions",
        "on:2026-04-08",
        "since:03:40",
        "until:03:50",
    ]);
    let rows: Vec<_> = one.lines().filter(|line| line.contains("DROP TABLE")).collect();
    assert_eq!(rows.len(), 1, "{one}");
    let drawn = replay.print(&["chain", "release-2026-04-08", "-o", "mermaid"]);
    assert!(drawn.starts_with("flowchart TD\n"), "{drawn}");
    let rows = replay.print(&["query", "corr:pr-4521", "-o", "csv"]);
    assert_eq!(rows.lines().count(), 1 + 8, "{rows}");
}

/// The same seed picks the same entries by command and by address; another one picks others.
fn draws_the_same_lots(replay: &Replay) {
    let picked = |answer: &Json| {
        list(answer, "items").iter().map(|item| member(item, "index")).collect::<Vec<_>>()
    };
    let draw = |seed: &str| {
        let path = format!("/reports/sample?q=since%3A0&sample=25&seed={seed}");
        let command = ["report", "sample", "since:0", "--sample", "25", "--seed", seed];
        let (by_command, by_address) = (replay.run(&command), replay.get(&path));
        assert_eq!(picked(&by_command), picked(&by_address));
        picked(&by_command)
    };
    let first = draw("case-42");
    assert_eq!(first.len(), 25);
    assert_eq!(draw("case-42"), first);
    assert_ne!(draw("case-43"), first);
}
