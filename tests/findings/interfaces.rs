//! The same findings by the other ways there are: live, in lists, one by one.

use std::sync::mpsc::Receiver;

use serde_json::{Value as Json, json};

use super::case::{AUDITOR, ENDS, micros};
use super::world::World;
use crate::harness::PATIENCE;

/// Who followed from the start was told every finding, once and in order.
pub(super) fn tell_it_live(world: &World, live: &Receiver<u64>) {
    let all = world.find("kind:finding");
    let all: Vec<_> = all.iter().map(|finding| finding["index"].as_u64().unwrap()).collect();
    let told: Vec<_> = all.iter().map(|_| live.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(told, all);
    assert!(live.try_recv().is_err(), "and nothing else");
}

/// Ids in a list of the API, which a command lists too.
fn listed(world: &World, path: &str, command: &[&str]) -> Vec<String> {
    let page = world.get(path);
    let ids = |items: &Json| -> Vec<_> {
        items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let by_address = ids(&page["items"]);
    let by_command = world.run(&[command, &["-o", "json"]].concat());
    assert_eq!(ids(&serde_json::from_str(&by_command).unwrap()), by_address, "{command:?}");
    by_address
}

pub(super) fn list_what_is_wrong(world: &World) {
    for (path, command, expected) in [
        (
            "/agents?unreviewed=true",
            vec!["agent", "ls", "--unreviewed"],
            vec!["a.review_overdue.0"],
        ),
        ("/agents?shadow=true", vec!["agent", "ls", "--shadow"], vec!["x.shadow_agent.0"]),
        (
            "/credentials?shared=true",
            vec!["credential", "ls", "--shared"],
            vec![
                "cred-a.shared_credential.0",
                "cred-a.shared_credential.1",
                "cred-b.shared_credential.3",
                "key.shared_credential.4",
            ],
        ),
        (
            "/credentials?overbroad=true",
            vec!["credential", "ls", "--overbroad"],
            vec!["key.credential_overbroad.0"],
        ),
        (
            "/credentials?unregistered=true",
            vec!["credential", "ls", "--unregistered"],
            vec!["cred-x.shadow_agent.0", "nobody-issued-it"],
        ),
        (
            "/credentials?unregistered=true&agent=x.shadow_agent.0",
            vec!["credential", "ls", "--unregistered", "--agent", "x.shadow_agent.0"],
            vec!["cred-x.shadow_agent.0"],
        ),
        (
            "/credentials?overbroad=true&unregistered=true&agent=a.credential_overbroad.0",
            vec![
                "credential",
                "ls",
                "--overbroad",
                "--unregistered",
                "--agent",
                "a.credential_overbroad.0",
            ],
            vec!["key.credential_overbroad.0"],
        ),
    ] {
        assert_eq!(listed(world, path, &command), expected, "{command:?}");
    }
}

/// One finding with what it rests on; it is resolved through the broker, and stays.
pub(super) fn show_and_resolve(world: &mut World) {
    let agent = "finding:grant_late agent:a.grant_late.0";
    let [finding] = <[Json; 1]>::try_from(world.find(agent)).unwrap();
    let index = finding["index"].to_string();
    let path = format!("/findings/{index}");
    let shown = world.get(&path);
    let cited = |name: &str| -> Vec<_> {
        let cited = shown["cited"].as_array().unwrap().iter();
        cited.map(|entry| entry["body"][name].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(cited("kind"), ["action.intent", "delegation.granted"]);
    assert_eq!(shown["flags"], shown["cited"][0]["index"]);
    assert_eq!(shown["resolved"], Json::Null);
    let printed = world.run(&["finding", "show", &index]);
    let rule = schemas::rules::rule("grant_late").unwrap();
    assert!(
        printed.starts_with(&format!("#{index} grant_late  a.grant_late.0  flags #")),
        "{printed}"
    );
    assert!(printed.contains(rule.text) && printed.contains("\nopen: "), "{printed}");
    assert_eq!(printed.matches("\nflags  ").count(), 1, "{printed}");
    assert_eq!(printed.matches("\ncites  ").count(), 1, "{printed}");
    let reason = "the transport reordered the two";
    let resolved = json!({
        "kind": "finding.resolved", "causes": [finding["id"]], "note": reason,
        "time": micros(ENDS), "tenant": "dev",
    });
    world.say(AUDITOR, resolved);
    let shown = world.get(&path);
    assert_eq!(
        (&shown["resolved"]["by"], &shown["resolved"]["note"]),
        (&json!(AUDITOR), &json!(reason))
    );
    let printed = world.run(&["finding", "show", &format!("#{index}")]);
    assert!(printed.contains(&format!("resolved by {AUDITOR} at #")), "{printed}");
    assert_eq!(world.find(agent), [finding], "it stays");
}
