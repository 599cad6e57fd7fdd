//! Somebody between a client and a server, who answers in the server's place.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// Answers of a server by their paths, in place of the real one's.
pub(crate) type Forged = BTreeMap<String, Vec<u8>>;

/// Stands between a client and `server`, and answers some paths itself; gives its own address.
pub(crate) fn between(server: String, forged: Forged) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the process: nothing says when the last request has come.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            relay(stream.unwrap(), &server, &forged);
        }
    });
    url
}

fn relay(mut stream: TcpStream, server: &str, forged: &Forged) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let Some(path) = head.split(' ').nth(1) else { return };
    let accept = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("accept: ").map(str::to_owned));
    let (status, body) = match forged.get(path) {
        Some(body) => (200, body.clone()),
        None => {
            let asked =
                ureq::get(format!("{server}{path}")).config().http_status_as_error(false).build();
            let mut answer = asked.header("Accept", accept.unwrap_or_default()).call().unwrap();
            (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
        }
    };
    let head = format!(
        "HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // A client that has seen enough may be gone.
    let _gone = stream.write_all(&[head.as_bytes(), &body].concat());
}
