//! A browser's own EventSource, in a page beside the API, as a reverse proxy would serve it.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::road::Road;
use super::{CUTS, Course, clients};
use crate::harness::{free_port, until};

/// What the browser does without: a sandbox that a superuser cannot have, and the world outside.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=direct://",
];

/// A Chromium, driven over WebDriver (W3C).
struct Browser {
    driver: Child,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn new() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", profile.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("./check installs chromium-driver");
        let url = format!("http://127.0.0.1:{port}");
        let mut browser = Self { driver, session: String::new(), _profile: profile };
        until("chromedriver", || ureq::get(format!("{url}/status")).call().ok());
        let mut arguments: Vec<_> = ARGUMENTS.map(str::to_owned).to_vec();
        let directory = browser._profile.path().join("profile");
        arguments.push(format!("--user-data-dir={}", directory.display()));
        let options = json!({ "alwaysMatch": { "goog:chromeOptions": { "args": arguments } } });
        let made = post(&format!("{url}/session"), &json!({ "capabilities": options }));
        browser.session = format!("{url}/session/{}", made["sessionId"].as_str().unwrap());
        browser
    }

    fn open(&self, url: &str) {
        post(&format!("{}/url", self.session), &json!({ "url": url }));
    }

    /// Runs a script in the page and gives what it returns.
    fn run(&self, script: &str) -> Value {
        let script = json!({ "script": script, "args": [] });
        post(&format!("{}/execute/sync", self.session), &script)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with its session, and without one there is no browser.
        ureq::delete(&self.session).call().ok();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

fn post(url: &str, body: &Value) -> Value {
    let mut answer = ureq::post(url).send_json(body).unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    answer["value"].clone()
}

#[test]
fn a_browsers_eventsource_follows() {
    let mut course = Course::new();
    let page = std::fs::read_to_string(format!("{}/browser/tail.html", clients())).unwrap();
    let road = Road::with_page(&course.world, &CUTS, &page);
    let browser = Browser::new();
    browser.open(&road.url("/?since=0"));
    course.go_on(&road);
    let lines =
        "return [...document.querySelectorAll('li')].map((line) => Number(line.textContent))";
    let last = course.end - 1;
    let seen: Vec<u64> = until("the last entry in the page", || {
        let seen: Vec<u64> = serde_json::from_value(browser.run(lines)).unwrap();
        (seen.last() >= Some(&last)).then_some(seen)
    });
    assert_eq!(browser.run("return document.getElementById('state').textContent"), "connected");
    course.finish(&seen);
}
