//! Connections: so many at once, each with deadlines for what its client has to do.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use schemas::limits::{
    HTTP_ACCEPTS, HTTP_ACCEPTS_MS, HTTP_BACKLOG, HTTP_HEAD_BYTES_MAX, HTTP_HEADER_S_MAX,
    HTTP_SEND_BYTES, HTTP_STREAMS_MAX,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::deadline::Deadline;
use super::tls::Tls;
use super::untaken::{Untaken, Watched};
use crate::files;

/// How long the listener rests when the system gives it no connection, in milliseconds.
const ACCEPT_REST_MS: u64 = 100;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A listener whose connections each hold a bounded part of a response for a client that takes nothing: left to itself,
/// Linux grows it to megabytes.
///
/// # Errors
/// When the address is taken, or not this machine's.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(HTTP_SEND_BYTES)?;
    socket.bind(address)?;
    socket.listen(HTTP_BACKLOG)
}

/// Serves until `shutdown`, then lets the requests under way finish.
///
/// In cleartext only HTTP/1.1: telling it from HTTP/2 without TLS means waiting on bytes that a client may
/// never send. With TLS the client says which in its greeting (ALPN).
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(files::connections()));
    let (mut connections, mut pace) = (JoinSet::new(), Pace::new());
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => {}
            (stream, slot) = accept(&listener, &slots, &mut pace) => {
                let (tls, router, shutdown) = (tls.clone(), router.clone(), shutdown.clone());
                // NOTE: thousands idle, and each keeps the room of this. An `async fn` would keep what it was given
                // beside what it makes of it.
                connections.spawn(async move {
                    let stream = Deadline::new(stream);
                    let ended = match tls {
                        None => {
                            let stream = TokioIo::new(stream);
                            let served = pin!(http1().serve_connection(stream, Answers(router)));
                            until(served, &shutdown).await.map_err(Failure::from)
                        }
                        // Apart, because its state is several times that of a connection in cleartext.
                        Some(tls) => Box::pin(encrypted(stream, &tls, router, &shutdown)).await,
                    };
                    // What goes wrong on a connection is its client's affair.
                    tracing::debug!(?ended, "connection");
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The pace of a listener: thousands who come back at once are let in one after the other, and leave time between them
/// to whoever is working.
struct Pace {
    since: Instant,
    /// Connections accepted since then.
    accepted: u32,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), accepted: 0 }
    }

    /// Waits until another one may be accepted.
    async fn keep(&mut self) {
        if self.accepted >= HTTP_ACCEPTS {
            tokio::time::sleep_until(self.since + Duration::from_millis(HTTP_ACCEPTS_MS)).await;
            *self = Self::new();
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    pace: &mut Pace,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        pace.keep().await;
        let slot = Arc::clone(slots).acquire_owned().await.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, _peer)) => {
                pace.accepted += 1;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY");
                }
                return (stream, slot);
            }
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(ACCEPT_REST_MS)).await;
            }
        }
    }
}

async fn encrypted(
    stream: Deadline<TcpStream>,
    tls: &Tls,
    router: Router,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let greeted = tokio::time::timeout(patience(), tls.acceptor().accept(stream));
    let stream = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        greeted = greeted => greeted.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??,
    };
    if is_http2(&stream) {
        return multiplexed(stream, router, shutdown).await;
    }
    let served = pin!(http1().serve_connection(TokioIo::new(stream), Answers(router)));
    Ok(until(served, shutdown).await?)
}

/// HTTP/2.
async fn multiplexed<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let asked = Asked::new(router);
    let (has_asked, untaken) = (Arc::clone(&asked.has_asked), asked.untaken.clone());
    let served = pin!(http2().serve_connection(TokioIo::new(stream), asked));
    tokio::select! {
        ended = unless_silent(until(served, shutdown), &has_asked) => ended,
        () = untaken.overdue() => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Serves a connection to its end; from `shutdown` on, only what is under way.
async fn until<C: GracefulConnection>(
    mut served: Pin<&mut C>,
    shutdown: &CancellationToken,
) -> Result<(), C::Error> {
    tokio::select! {
        ended = served.as_mut() => return ended,
        () = shutdown.cancelled() => served.as_mut().graceful_shutdown(),
    }
    served.await
}

fn patience() -> Duration {
    Duration::from_secs(HTTP_HEADER_S_MAX)
}

fn is_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(patience())
        .max_buf_size(HTTP_HEAD_BYTES_MAX);
    builder
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let head = u32::try_from(HTTP_HEAD_BYTES_MAX).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP_STREAMS_MAX)
        .max_header_list_size(head)
        .keep_alive_interval(patience())
        .keep_alive_timeout(patience());
    builder
}

/// HTTP/2 has no deadline for a client's first words, so a connection without a request is ended here. Later ones
/// are kept alive by pings, which a dead client does not answer.
async fn unless_silent<E: Into<Failure>>(
    served: impl Future<Output = Result<(), E>>,
    has_asked: &AtomicBool,
) -> Result<(), Failure> {
    tokio::pin!(served);
    tokio::select! {
        ended = &mut served => return ended.map_err(Into::into),
        () = tokio::time::sleep(patience()) => {}
    }
    if !has_asked.load(Ordering::Relaxed) {
        return Err(io::Error::from(io::ErrorKind::TimedOut).into());
    }
    served.await.map_err(Into::into)
}

/// Hands requests to the routes. What becomes of one is apart: an idle connection keeps the room for it.
struct Answers(Router);

impl Service<hyper::Request<Incoming>> for Answers {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        Box::pin(self.0.clone().oneshot(request))
    }
}

/// The same, and remembers whether anything was asked, and what was not taken of the answers.
struct Asked {
    router: Router,
    has_asked: Arc<AtomicBool>,
    untaken: Untaken,
}

impl Asked {
    fn new(router: Router) -> Self {
        Self { router, has_asked: Arc::default(), untaken: Untaken::default() }
    }
}

impl Service<hyper::Request<Incoming>> for Asked {
    type Response = Response<Watched>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Watched>, Infallible>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        self.has_asked.store(true, Ordering::Relaxed);
        let (answer, untaken) = (self.router.clone().oneshot(request), self.untaken.clone());
        Box::pin(
            async move { answer.await.map(|response| response.map(|body| untaken.watch(body))) },
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use axum::routing::get;
    use schemas::limits::HTTP_WRITE_S_MAX;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const LONG: u64 = 10 * HTTP_WRITE_S_MAX;

    /// A frame of HTTP/2 (RFC 9113 §4.1).
    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// Answers pings and nothing else, until the connection ends.
    async fn answer_pings(mut stream: DuplexStream) -> io::Result<()> {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut payload).await?;
            if (head[3], head[4]) == (6, 0) {
                stream.write_all(&frame(6, 1, 0, &payload)).await?;
            }
        }
    }

    /// Seconds that a connection lasts whose client opens so small a window for each answer.
    async fn lasts(window: u8) -> u64 {
        let (ours, mut theirs) = duplex(64 << 10);
        let router = Router::new().route("/livez", get(|| async { "ok\n" }));
        let shutdown = CancellationToken::new();
        tokio::spawn(async move { multiplexed(ours, router, &shutdown).await });
        let began = Instant::now();
        let mut asked = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE; then GET, https, /livez, localhost (RFC 7541 §6).
        asked.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, window]));
        asked.extend(frame(1, 5, 1, b"\x82\x87\x04\x06/livez\x01\x09localhost"));
        theirs.write_all(&asked).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(LONG), answer_pings(theirs)).await;
        assert_eq!(ended.is_err(), began.elapsed().as_secs() >= LONG);
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_let_in_one_after_the_other_and_few_at_once() {
        let mut pace = Pace::new();
        let mut lasts = async |accepts: u32| {
            let began = Instant::now();
            for _ in 0..accepts {
                pace.keep().await;
                pace.accepted += 1;
            }
            began.elapsed()
        };
        let rest = Duration::from_millis(HTTP_ACCEPTS_MS);
        assert_eq!(lasts(HTTP_ACCEPTS).await, Duration::ZERO);
        assert!(lasts(HTTP_ACCEPTS * 10).await >= rest * 10);
        tokio::time::sleep(rest * 2).await;
        assert_eq!(lasts(HTTP_ACCEPTS).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_stays_shut_ends_its_connection_though_pings_are_answered() {
        let cut = lasts(0).await;
        assert!((HTTP_WRITE_S_MAX..HTTP_WRITE_S_MAX * 2).contains(&cut), "{cut} s");
        assert_eq!(lasts(100).await, LONG);
    }
}
