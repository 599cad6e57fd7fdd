//! Events as they are given to `publish`: JSON lines or one JSON array, read on a thread of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use schemas::limits::READ_AHEAD_MAX;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use crate::cli::failure::Failure;

/// The next events of the input, as they come.
pub(crate) type Events = mpsc::Receiver<Result<Json, Failure>>;

/// Begins to read `path`; `-` is standard input.
///
/// # Errors
/// [`Failure::File`] when it cannot be opened.
pub(crate) fn open(path: &Path) -> Result<Events, Failure> {
    let reader: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|source| file(path, source))?)
    };
    let (sender, events) = mpsc::channel(READ_AHEAD_MAX);
    let path = path.to_owned();
    std::thread::spawn(move || read(BufReader::new(reader), &path, &sender));
    Ok(events)
}

/// No events.
pub(crate) fn none() -> Events {
    mpsc::channel(1).1
}

fn file(path: &Path, source: io::Error) -> Failure {
    Failure::File { path: path.to_owned(), source }
}

/// Sends each event on, or the first fault and then nothing more. Ends early when nobody listens.
fn read(mut input: impl BufRead, path: &Path, sender: &mpsc::Sender<Result<Json, Failure>>) {
    let array = match begins_array(&mut input) {
        Ok(array) => array,
        Err(source) => {
            let _unheard = sender.blocking_send(Err(file(path, source)));
            return;
        }
    };
    let documents = serde_json::Deserializer::from_reader(input).into_iter::<Json>();
    let mut number = 0;
    let mut send = |found: Result<Json, serde_json::Error>| {
        number += 1;
        let good = found.is_ok();
        let found = found.map_err(|source| Failure::Input { number, source });
        sender.blocking_send(found).is_ok() && good
    };
    for document in documents {
        let more = match document {
            Ok(Json::Array(events)) if array => events.into_iter().all(|event| send(Ok(event))),
            document => send(document),
        };
        if !more {
            return;
        }
    }
}

fn begins_array(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = input.fill_buf()?;
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => return Ok(buffer.get(at) == Some(&b'[')),
            None if buffer.is_empty() => return Ok(false),
            None => {
                let length = buffer.len();
                input.consume(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn check(input: &str, expected: &[Json], fault_at: Option<u64>) {
        let (sender, mut events) = mpsc::channel(100);
        read(input.as_bytes(), Path::new("-"), &sender);
        drop(sender);
        let mut found = Vec::new();
        let mut fault = None;
        while let Some(event) = events.blocking_recv() {
            match event {
                Ok(event) => found.push(event),
                Err(Failure::Input { number, .. }) => fault = Some(number),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((found.as_slice(), fault), (expected, fault_at), "{input:?}");
    }

    #[test]
    fn lines_and_arrays_are_the_same() {
        let two = [json!({ "a": 1 }), json!({ "b": [2] })];
        check("{\"a\":1}\n{\"b\":[2]}\n", &two, None);
        check("{\"a\":1}{\n\"b\":\n[2]}", &two, None);
        check(" \n\t[{\"a\":1},\n{\"b\":[2]}]\n", &two, None);
        check("", &[], None);
        check("[]", &[], None);
    }

    #[test]
    fn a_fault_ends_the_input_and_is_counted() {
        check("{\"a\":1}\n{\"b\":\n", &[json!({ "a": 1 })], Some(2));
        check("{\"a\":1}\nnonsense\n{\"c\":1}", &[json!({ "a": 1 })], Some(2));
        check("[{\"a\":1},", &[], Some(1));
    }

    #[test]
    fn a_missing_file_is_named() {
        assert!(matches!(open(Path::new("/nonexistent/x")), Err(Failure::File { .. })));
    }
}
