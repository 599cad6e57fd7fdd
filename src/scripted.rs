//! For tests: an HTTP server that answers what it was told to.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// Answers each connection with one of these and closes it; gives its address, and what each was asked.
pub(crate) fn server(
    answers: Vec<impl AsRef<str> + Send + 'static>,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let serve = move || answers.iter().map(|answer| serve(&listener, answer.as_ref())).collect();
    (format!("http://{address}"), std::thread::spawn(serve))
}

fn serve(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().expect("a client connects");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a client sends its request");
        head.extend(byte);
    }
    stream.write_all(answer.as_bytes()).expect("a client reads its answer");
    String::from_utf8(head).expect("a request is text")
}
