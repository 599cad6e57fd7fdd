//! The reading API on loopback, a floor beside it, and one client with one connection that stays.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use axum::Router;
use axum::body::Bytes;
use axum::serve::ListenerExt as _;
use ledger::Ledger;
use schemas::id::Micros;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::round::Failure;

/// A server; it ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Server {
    /// Serves the ledger's routes; its clock stands where the ledger ends.
    pub(crate) fn start(ledger: Ledger) -> Result<Self, Failure> {
        let Micros(now) = ledger.head().received_at;
        Self::serve(query::routes(ledger, move || Micros(now)))
    }

    /// The floor: a server whose one answer is there already, the same to everything.
    pub(crate) fn ready(answer: Vec<u8>) -> Result<Self, Failure> {
        let answer = Bytes::from(answer);
        Self::serve(Router::new().fallback(move || std::future::ready(answer.clone())))
    }

    fn serve(router: Router) -> Result<Self, Failure> {
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            // Without it answers would wait for acknowledgements; a failure shows in the figures.
            stream.set_nodelay(true).ok();
        });
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, _runtime: runtime })
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::with_capacity(64 << 10, stream) })
    }
}

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// The body of an answer that has to be 200.
    pub(crate) fn get(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = None;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or("a header without a colon")?;
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse()?);
            }
        }
        let mut body = vec![0; length.ok_or("an answer without its length")?];
        self.stream.read_exact(&mut body)?;
        if status.starts_with("HTTP/1.1 200") {
            return Ok(body);
        }
        Err(format!("{path}: {status}{}", String::from_utf8_lossy(&body)).into())
    }
}
