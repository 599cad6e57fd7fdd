//! Decoding takes memory in proportion to the bytes that are there, whatever lengths they declare.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::as_conversions, reason = "tests")]

use schemas::deterministic::{Bounds, decode};

/// Bytes of one hostile input.
const LEN: usize = 1 << 20;
/// Most memory for one byte: an item of 32 bytes, and half as much for the allocator.
const BYTES_EACH: usize = 48;

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn padded(head: &[u8], fill: u8) -> Vec<u8> {
    let mut bytes = head.to_vec();
    bytes.resize(LEN, fill);
    bytes
}

/// Heads one inside the other that each declare `len` items.
fn nested(head: u8, len: u32, fill: u8) -> Vec<u8> {
    let head = [&[head][..], &len.to_be_bytes()].concat();
    padded(&head.repeat(60), fill)
}

/// One test in this binary, for the peak is the whole process's.
#[test]
fn memory_is_bounded_by_the_input() {
    let almost = u32::try_from(LEN).unwrap() - 400;
    let inputs = [
        padded(&[0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0], 0),
        padded(&[0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0),
        padded(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0),
        padded(&[0x7b, 0x80, 0, 0, 0, 0, 0, 0, 0], 0),
        nested(0x9a, almost, 0),
        nested(0x9a, almost / 2, 0),
        nested(0xba, almost / 2, 0),
        nested(0xba, almost / 4, 0),
        padded(&[], 0x81),
        padded(&[], 0xa1),
        vec![0x81; 200_000],
    ];
    let before = peak();
    for bytes in &inputs {
        // Neither depth nor count is limited here but by what a stack holds.
        assert!(decode(bytes, Bounds { depth: 64, nodes: usize::MAX }).is_err());
        assert!(decode(bytes, Bounds::WIRE).is_err());
    }
    let grown = peak() - before;
    assert!(grown <= BYTES_EACH * LEN, "{} bytes for each byte", grown / LEN);
    assert!(grown >= LEN, "the peak tells nothing: it did not grow");
}
