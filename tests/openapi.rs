//! The running server against its own description, by a tester that we did not write.

use std::path::Path;
use std::process::Command;

use schemas::kind::Stream;

use crate::harness::{World, text};
use crate::signer::intent;

/// What is checked of each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,unsupported_method";

#[test]
fn schemathesis_finds_no_answer_that_the_description_does_not_have() {
    let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
    let mut world = World::finding();
    let mut agent = world.agent("described-agent");
    let publisher = world.connect(&agent.id);
    for _ in 0..5 {
        let message = agent.event(intent("described-agent", "workflow-described"));
        world.submit(&publisher, &message, Stream::In);
    }
    let tested = Command::new(Path::new(&python).with_file_name("schemathesis"))
        .args(["run", &world.url("/openapi.json"), "--url", &world.url(""), "--checks", CHECKS])
        // A tail ends only when its reader goes; a purge rewrites the whole store each time; the clock is there on
        // a simulated one alone; and the tester writes no CBOR.
        .args(["--exclude-path", "/api/v1/tail", "--exclude-path", "/api/v1/admin/purge"])
        .args(["--exclude-path", "/api/v1/dev/clock", "--exclude-path", "/api/v1/submissions"])
        .args(["--exclude-path", "/api/v1/agents/{id}/disable"])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "8", "--seed", "1"])
        .args(["--request-timeout", "20", "--suppress-health-check", "all", "--no-color"])
        .current_dir(world.path(""))
        .output()
        .unwrap();
    assert!(tested.status.success(), "{}", text(&tested));
    assert!(text(&tested).contains("Coverage (in"), "{}", text(&tested));
    world.stop();
    assert_eq!(world.audit().divergences, []);
}
