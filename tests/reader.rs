//! A tail reader on plain HTTP, which reconnects by its last id whenever the stream ends.

use std::io::Read as _;
use std::thread::JoinHandle;
use std::time::Instant;

use tail::Decoder;

use crate::harness::PATIENCE;

/// Reads every entry from the first to the one before `end()` says it is enough; gives the indexes in
/// the order in which they came, and how often it reconnected.
pub(crate) fn follow(
    url: String,
    enough: impl Fn(u64) -> bool + Send + 'static,
) -> JoinHandle<(Vec<u64>, usize)> {
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        let mut last_id: Option<String> = None;
        let mut connects = 0;
        let end = Instant::now() + PATIENCE * 2;
        loop {
            assert!(Instant::now() < end, "the reader is stuck after {} entries", seen.len());
            let mut request = ureq::get(format!("{url}?since=0"));
            if let Some(id) = &last_id {
                request = request.header("Last-Event-ID", id);
            }
            let Ok(response) = request.call() else {
                std::thread::park_timeout(std::time::Duration::from_millis(10));
                continue;
            };
            connects += 1;
            let mut body = response.into_body().into_reader();
            let mut decoder = Decoder::default();
            let mut chunk = [0; 16 << 10];
            while let Ok(read @ 1..) = body.read(&mut chunk) {
                for event in decoder.push(&chunk[..read]).unwrap() {
                    assert_ne!(event.event, "reset", "{event:?}");
                    if event.id.is_some() {
                        last_id.clone_from(&event.id);
                    }
                    if event.event == "entry" {
                        let entry: serde_json::Value = serde_json::from_str(&event.data).unwrap();
                        seen.push(entry["index"].as_u64().unwrap());
                    }
                }
                if seen.last().is_some_and(|last| enough(*last)) {
                    return (seen, connects - 1);
                }
            }
        }
    })
}
