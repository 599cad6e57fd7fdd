//! What a bundle says of its making, and the page in it that checks it in a browser.

use std::io::Write as _;
use std::process::{Command, Stdio};

use axum::body::{Body as HttpBody, to_bytes};
use axum::http::{Request, StatusCode};
use schemas::evidence::{self, Fault, Opened};
use schemas::id::{hex, sha256};
use schemas::key::PublicKey;
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;

use crate::bundle::{file, judge, opened, publish};
use crate::world::{World, encoded, intent, start};

const CASE: &str = "corr:release-1";

fn world() -> World {
    let mut world = World::new();
    world.agent("planner");
    world.accept("planner", start("planner", "release-1"));
    for n in 0..5 {
        let target = format!("{n}@example.com");
        world.accept("planner", intent("planner", "release-1", "email.send", &target));
    }
    world.submit_detail("planner", intent("planner", "release-1", "email.send", "x"), "to whom");
    publish(&mut world);
    world
}

fn custody(opened: &Opened) -> Json {
    serde_json::from_slice(&opened.rendered["custody.json"]).unwrap()
}

#[test]
fn custody_names_the_digest_of_every_other_file() {
    let world = world();
    let opened = opened(&world, CASE);
    let custody = custody(&opened);
    assert_eq!(custody["made"]["with"], concat!("sworn ", env!("CARGO_PKG_VERSION")));
    assert_eq!(custody["made"]["by"], Json::Null, "nobody said who asked");
    assert_eq!(custody["ledger"]["origin"], "ledger.example/acme");
    let key = format!("SHA256:{}", PublicKey::of(&world.key).kid());
    assert_eq!(custody["ledger"]["key"], key);
    let asked = json!({ "query": CASE, "since": 0, "until": world.head(), "details": true });
    assert_eq!(custody["asked"], asked);
    let names: Vec<_> = custody["files"].as_array().unwrap().iter().map(|f| &f["name"]).collect();
    assert_eq!(names.len(), 14, "{names:?}");
    assert!(!names.contains(&&json!("custody.json")));
    let report = &opened.rendered["report.html"];
    let listed = custody["files"].as_array().unwrap().iter().find(|f| f["name"] == "report.html");
    let expected =
        json!({ "name": "report.html", "bytes": report.len(), "sha256": hex(&sha256(report)) });
    assert_eq!(listed, Some(&expected));
}

#[test]
fn the_reader_stands_in_it() {
    let world = world();
    let mut request = Request::get("/api/v1/bundles?q=corr%3Arelease-1&since=%230");
    request.extensions_mut().unwrap().insert(query::Reader("auditor-7 <b>".into()));
    let request = request.body(HttpBody::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bytes = runtime.block_on(async {
        let response = world.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        to_bytes(response.into_body(), usize::MAX).await.unwrap()
    });
    let opened = evidence::open(&bytes).unwrap();
    assert_eq!(custody(&opened)["made"]["by"], "auditor-7 <b>");
    assert_eq!(opened.bundle.manifest.maker.as_deref(), Some("auditor-7 <b>"));
    let report = String::from_utf8(opened.rendered["report.html"].clone()).unwrap();
    assert!(report.contains("auditor-7 &lt;b&gt;"));
    assert_eq!(judge(&world, &opened).faults, []);
}

#[test]
fn a_custody_record_that_is_not_true_is_named() {
    let world = world();
    let sound = opened(&world, CASE);
    let digest = hex(&sha256(&sound_leaves(&sound)));
    let forged = |from: &str, to: &str| {
        let mut altered = sound.clone();
        let custody = altered.rendered.get_mut("custody.json").unwrap();
        let text = String::from_utf8(custody.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        *custody = text.replacen(from, to, 1).into_bytes();
        let altered = evidence::open(&altered.pack()).unwrap();
        judge(&world, &altered).faults
    };
    let rendered = Fault::Rendered { member: "custody.json".to_owned() };
    let member = "leaves.cbor".to_owned();
    let of_leaves = [rendered.clone(), Fault::Custody { member }];
    assert_eq!(forged(&digest, &"0".repeat(64)), of_leaves);
    assert_eq!(forged("\"sworn ", "\"other "), std::slice::from_ref(&rendered));
    let unreadable = forged("{", "[");
    assert_eq!((unreadable.len(), &unreadable[0]), (9, &rendered), "and every file of evidence");
    let mut without = sound.clone();
    without.rendered.remove("custody.json");
    let without = evidence::open(&without.pack()).unwrap();
    let missing = [Fault::NotRendered { member: "custody.json" }];
    assert_eq!(judge(&world, &without).faults, missing);
}

/// The member as the file has it.
fn sound_leaves(opened: &Opened) -> Vec<u8> {
    let leaves = opened.bundle.leaves.iter().map(|leaf| schemas::encode::bytes(leaf)).collect();
    let mut member = schemas::encode::Encoder::new();
    member.value(&schemas::encode::Value::Array(leaves));
    member.finish()
}

/// What the page's script says of files, each with a TRUST: verdict and sentence of each step.
fn in_a_browser(page: &str, files: &[(Vec<u8>, &str)]) -> Vec<Vec<(Option<bool>, String)>> {
    let (_, script) = page.split_once("<script>").unwrap();
    let (script, _) = script.split_once("</script>").unwrap();
    let run = "\n(async () => {
        const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
        const all = [];
        for (const { file, trust } of asked) all.push(await check(unhex(file), trust));
        console.log(JSON.stringify(all));
    })();";
    let mut child = Command::new("node")
        .args(["-e", &format!("{script}{run}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = files.iter().map(|(file, trust)| json!({ "file": hex(file), "trust": trust }));
    let asked = Json::Array(asked.collect()).to_string();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Json = serde_json::from_slice(&output.stdout).unwrap();
    let step = |step: &Json| {
        let said =
            format!("{}: {}", step["name"].as_str().unwrap(), step["said"].as_str().unwrap());
        (step["holds"].as_bool(), said)
    };
    let steps = |steps: &Json| steps.as_array().unwrap().iter().map(step).collect();
    answers.as_array().unwrap().iter().map(steps).collect()
}

fn fails(steps: &[(Option<bool>, String)]) -> &str {
    let (holds, said) = steps.last().unwrap();
    assert_eq!(*holds, Some(false), "{steps:?}");
    said
}

#[test]
fn the_page_checks_the_bundle_it_lies_in() {
    let world = world();
    let sound = opened(&world, CASE);
    let page = String::from_utf8(sound.rendered["verifier.html"].clone()).unwrap();
    let vkey = world.writer.as_ref().unwrap().ledger().identity().note_key().vkey();
    let print = format!("SHA256:{}", PublicKey::of(&world.key).kid());
    let stranger = format!("SHA256:{}", "07".repeat(32));
    let file = sound.pack();
    let cut = file[..file.len() / 2].to_vec();
    let forged = |forge: &dyn Fn(&mut Opened)| {
        let mut opened = sound.clone();
        forge(&mut opened);
        evidence::pack(&opened.bundle)
    };
    let leaf = forged(&|o| o.bundle.leaves[3][20] ^= 1);
    let path = forged(&|o| o.bundle.paths.swap(3, 4));
    let body = forged(&|o| *o.bundle.bodies.values_mut().last().unwrap().last_mut().unwrap() ^= 1);
    let detail =
        forged(&|o| *o.bundle.details.values_mut().next().unwrap().last_mut().unwrap() ^= 1);
    let statement = forged(&|o| *o.bundle.statements[2].statement.last_mut().unwrap() ^= 1);
    let note = forged(&|o| {
        let line = o.bundle.head.lines().last().unwrap().to_owned();
        let (kept, _) = line.split_at(line.len() - 8);
        o.bundle.head = o.bundle.head.replace(&line, &format!("{kept}AAAAAAA="));
    });
    let mut report = sound.clone();
    *report.rendered.get_mut("report.html").unwrap().last_mut().unwrap() ^= 1;
    let said = in_a_browser(
        &page,
        &[
            (file.clone(), &vkey),
            (file.clone(), &print),
            (file.clone(), ""),
            (file.clone(), &stranger),
            (cut, &print),
            (leaf, &print),
            (path, &print),
            (body, &print),
            (detail, &print),
            (statement, &print),
            (note, &print),
            (report.pack(), &print),
        ],
    );
    for sound in &said[..2] {
        assert!(sound.iter().all(|(holds, _)| *holds == Some(true)), "{sound:?}");
        assert_eq!(sound.len(), 6);
        assert!(sound[0].1.contains("14 files"), "{sound:?}");
        assert!(sound[5].1.contains("signed by the trusted key"), "{sound:?}");
    }
    assert_eq!(said[2].last().unwrap().0, None, "without TRUST nothing is decided");
    assert!(fails(&said[3]).contains("another key than TRUST"), "{:?}", said[3]);
    assert!(fails(&said[4]).starts_with("file: "), "{:?}", said[4]);
    for (steps, sentence) in said[5..].iter().zip([
        "is not in the checkpoint's tree",
        "is not in the checkpoint's tree",
        "does not have the digest in its leaf",
        "is not its body's",
        "a statement that no leaf commits to",
        "signature does not verify",
        "report.html does not have its digest",
    ]) {
        assert!(fails(steps).contains(sentence), "{sentence}: {steps:?}");
    }
}

#[test]
fn the_page_reads_every_bundle_that_is_made() {
    let world = world();
    let trust = format!("SHA256:{}", PublicKey::of(&world.key).kid());
    let everything = file(&world, &format!("q=&since=%230&until=%23{}", world.head()));
    let nothing = file(&world, &format!("q={}&since=%230", encoded("corr:nothing-has-it")));
    let page = evidence::open(&everything).unwrap().rendered["verifier.html"].clone();
    let page = String::from_utf8(page).unwrap();
    for steps in in_a_browser(&page, &[(everything, &trust), (nothing, &trust)]) {
        assert!(steps.iter().all(|(holds, _)| *holds == Some(true)), "{steps:?}");
    }
}
