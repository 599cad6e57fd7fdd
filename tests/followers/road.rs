//! The way to a server, which breaks or lies.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::harness::{World, until};

/// What becomes of the answer to one tail.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// It ends after so many bytes.
    Cut(usize),
    /// This is answered in the server's place.
    Said(&'static str),
    /// What it says of the past is changed, by something of the same length.
    Forged(fn(&str) -> String),
}

/// The way to the server.
pub(super) struct Road {
    address: SocketAddr,
    /// Where it leads.
    server: Arc<Mutex<String>>,
    /// Tails that were asked for.
    made: Arc<AtomicUsize>,
}

impl Road {
    /// On which the first tails have these fates, and all later ones nothing to fear.
    pub(super) fn new(world: &World, fates: &'static [Fate]) -> Self {
        Self::with_page(world, fates, "")
    }

    /// The same, and there is a page at `/`.
    pub(super) fn with_page(world: &World, fates: &'static [Fate], page: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let road = Self {
            address: listener.local_addr().unwrap(),
            server: Arc::new(Mutex::new(server(world))),
            made: Arc::default(),
        };
        let (server, made) = (Arc::clone(&road.server), Arc::clone(&road.made));
        let page = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        );
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, server) = (client.unwrap(), server.lock().unwrap().clone());
                let (made, page) = (Arc::clone(&made), page.clone());
                std::thread::spawn(move || {
                    let mut head = head(&mut client);
                    if head.starts_with(b"GET / ") || head.starts_with(b"GET /?") {
                        client.write_all(page.as_bytes()).ok();
                        return;
                    }
                    let number = if head.starts_with(b"GET /api/v1/tail") {
                        made.fetch_add(1, Ordering::SeqCst)
                    } else {
                        // Or a tail would come over the same connection, and nobody would count it.
                        head.truncate(head.len().saturating_sub(2));
                        head.extend_from_slice(b"Connection: close\r\n\r\n");
                        usize::MAX
                    };
                    // Nobody is there while a server is exchanged for another one.
                    if let Ok(server) = TcpStream::connect(&server) {
                        carry(&client, &server, &head, fates.get(number).copied());
                    }
                });
            }
        });
        road
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until so many tails were asked for.
    pub(super) fn wait_for(&self, tails: usize) {
        until("all connections", || (self.made.load(Ordering::SeqCst) >= tails).then_some(()));
    }

    /// Leads to another server from the next connection on.
    pub(super) fn lead_to(&self, world: &World) {
        *self.server.lock().unwrap() = server(world);
    }
}

fn server(world: &World) -> String {
    world.url("").trim_start_matches("http://").to_owned()
}

/// The head of a request; empty where none comes, as a browser does that connects in advance.
fn head(client: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    head
}

/// Carries the request there, and back as much as the fate lets through.
fn carry(client: &TcpStream, server: &TcpStream, head: &[u8], fate: Option<Fate>) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    to.write_all(head).unwrap();
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    // Whoever has gone already does not mind.
    match fate {
        Some(Fate::Cut(bytes)) => {
            std::io::copy(&mut from.take(bytes as u64), &mut to).ok();
        }
        Some(Fate::Said(answer)) => {
            to.write_all(answer.as_bytes()).ok();
        }
        Some(Fate::Forged(forge)) => {
            to.write_all(forge(&past(from)).as_bytes()).ok();
            std::io::copy(&mut from, &mut to).ok();
        }
        None => {
            std::io::copy(&mut from, &mut to).ok();
        }
    }
    for end in [client, server] {
        end.shutdown(Shutdown::Both).ok();
    }
}

/// The beginning of an answer, up to where history is finished.
fn past(mut server: &TcpStream) -> String {
    let (mut past, mut buffer) = (String::new(), [0; 4096]);
    while !past.contains("event: caught-up") {
        let read = server.read(&mut buffer).unwrap();
        assert!(read > 0, "the server ended a tail: {past}");
        past.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    past
}
