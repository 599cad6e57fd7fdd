//! Another language comes to the same bytes and verdicts.
#![allow(clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command;

#[test]
fn python_signs_the_same_bytes() {
    let python = std::env::var("SWORN_PYTHON").unwrap_or_else(|_| {
        panic!("SWORN_PYTHON names no Python with cbor2, cryptography and nats-py; ./check sets it")
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python/check_vectors.py");
    let output = Command::new(&python).arg("-B").arg(script).output();
    let output = output.unwrap_or_else(|error| panic!("{python}: {error}"));
    let [said, complained] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.starts_with("49 submissions"), "{said}");
}
