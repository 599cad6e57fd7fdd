//! Receivers of webhooks: one that answers as it is told to, and the documented one.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value as Json;
use sha2::Sha256;

use crate::harness::{PATIENCE, World};

/// What messages are signed with.
pub(crate) const SECRET: &str = "a secret that nobody guesses\n";

/// How a request is answered.
pub(crate) enum Answer {
    Status(u16),
    Redirect(String),
    /// Not at all, until the receiver ends.
    Hang,
}

impl Answer {
    pub(crate) fn ok(_request: &Request) -> Self {
        Self::Status(200)
    }
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers[name].clone()
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Verified here from the documentation, not with the product's code.
    pub(crate) fn is_signed(&self) -> bool {
        let header = self.header("sworn-signature");
        let (time, mac) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let mut expected = Hmac::<Sha256>::new_from_slice(SECRET.trim_end().as_bytes()).unwrap();
        expected.update([time.as_bytes(), b".", &self.body].concat().as_slice());
        let now = jiff::Timestamp::now().as_second();
        let fresh = (time.parse::<i64>().unwrap() - now).abs() < 300;
        fresh && expected.verify_slice(&schemas::id::unhex(mac).unwrap()).is_ok()
    }
}

type Say = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Shared {
    seen: Mutex<Vec<Request>>,
    more: Condvar,
    say: Mutex<Say>,
    held: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

/// A receiver on a port of this machine.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn start(say: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            more: Condvar::new(),
            say: Mutex::new(Arc::new(say)),
            held: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || serve(&shared, stream.unwrap()));
            }
        });
        Self { address, shared, listening: Some(listening) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, say: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.shared.say.lock().unwrap() = Arc::new(say);
    }

    pub(crate) fn count(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().map(|request| request.header("sworn-id")).collect()
    }

    /// Waits until so many have come.
    pub(crate) fn wait(&self, count: usize) {
        let seen = self.shared.seen.lock().unwrap();
        let enough = |seen: &mut Vec<Request>| seen.len() < count;
        let (seen, waited) = self.shared.more.wait_timeout_while(seen, PATIENCE, enough).unwrap();
        assert!(!waited.timed_out(), "{} of {count} messages came", seen.len());
    }

    /// Request number `n`, from 0.
    pub(crate) fn request(&self, n: usize) -> Request {
        self.wait(n + 1);
        self.shared.seen.lock().unwrap()[n].clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.held.lock().unwrap().clear();
        // Whoever waits for a connection sees one more, and that it was the last.
        let _ = TcpStream::connect(self.address);
        self.listening.take().unwrap().join().unwrap();
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let request = Request { path, headers, body };
    let say = Arc::clone(&shared.say.lock().unwrap());
    let answer = say(&request);
    shared.seen.lock().unwrap().push(request);
    shared.more.notify_all();
    let head = match answer {
        Answer::Status(status) => format!("HTTP/1.1 {status} X\r\n"),
        Answer::Redirect(to) => format!("HTTP/1.1 307 X\r\nLocation: {to}\r\n"),
        Answer::Hang => {
            shared.held.lock().unwrap().push(stream);
            return;
        }
    };
    // The server may have been killed meanwhile.
    let _ = stream
        .write_all(format!("{head}Connection: close\r\nContent-Length: 0\r\n\r\n").as_bytes());
}

/// The receiver of the documentation, as a process.
pub(crate) struct Python {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) url: String,
}

impl Python {
    pub(crate) fn start(world: &World, code: &str) -> Self {
        let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
        let (file, secret) = (world.path("receiver.py"), world.path("python.secret"));
        std::fs::write(&file, code).unwrap();
        std::fs::write(&secret, SECRET).unwrap();
        let mut child = Command::new(python)
            .args([&file, &secret])
            .arg("0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let port = lines.recv_timeout(PATIENCE).unwrap();
        Self { child, lines, url: format!("http://127.0.0.1:{port}/") }
    }

    /// The next line that it prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
