//! A browser's own EventSource, in a page beside the API, as a reverse proxy would serve it.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::road::{Fate, Road};
use super::{BUSY, CUTS, Course, HALF, clients, publish};
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

fn page() -> String {
    std::fs::read_to_string(format!("{}/browser/tail.html", clients())).unwrap()
}

fn state(browser: &Browser) -> Value {
    browser.run("return document.getElementById('state').textContent")
}

/// The entries in the page, once the one before `end` is there.
fn seen(browser: &Browser, end: u64) -> Vec<u64> {
    let lines =
        "return [...document.querySelectorAll('li')].map((line) => Number(line.textContent))";
    until("the last entry in the page", || {
        let seen: Vec<u64> = serde_json::from_value(browser.run(lines)).unwrap();
        (seen.last() >= Some(&(end - 1))).then_some(seen)
    })
}

#[test]
fn a_browsers_eventsource_follows() {
    let mut course = Course::new();
    let road = Road::with_page(&course.world, &CUTS, &page());
    let browser = Browser::new();
    browser.open(&road.url("/?since=0"));
    course.go_on(&road);
    let seen = seen(&browser, course.end);
    assert_eq!(state(&browser), "connected");
    course.finish(&seen);
}

#[test]
fn a_page_that_has_seen_no_entry_yet_misses_none() {
    // In the first entry, when the place alone is known; then the browser gives its own connection up for ever.
    const FATES: &[Fate] = &[Fate::Cut(1_200), BUSY];
    let mut course = Course::new();
    let road = Road::with_page(&course.world, FATES, &page());
    let browser = Browser::new();
    browser.open(&road.url("/"));
    until("the connection", || (state(&browser) == "connected").then_some(()));
    publish(&course.world, &mut course.agent, HALF);
    let seen = seen(&browser, course.end);
    assert!(seen.iter().copied().eq(course.end - HALF as u64..course.end), "{seen:?}");
    course.world.stop();
}
