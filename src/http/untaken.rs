//! Answers over HTTP/2 of which their client takes nothing: it may shut the window of one stream for ever while pings
//! and other streams pass, which no deadline for writes sees.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, SizeHint};
use schemas::limits::HTTP_WRITE_S_MAX;
use tokio::time::Instant;

/// Most bytes handed on at a time: what is handed on counts as taken.
const PIECE_BYTES: usize = 16 << 10;
/// How often it is looked whether an answer is overdue, in seconds.
const LOOK_S: u64 = 10;

/// The answers that one connection has under way.
#[derive(Clone, Default)]
pub(super) struct Untaken(Arc<Mutex<Vec<Weak<Turn>>>>);

impl Untaken {
    /// An answer, which is watched from now on.
    pub(super) fn watch(&self, body: Body) -> Watched {
        let turn = Arc::new(Turn(Mutex::new(Some(Instant::now()))));
        let mut answers = self.answers();
        answers.retain(|turn| turn.strong_count() > 0);
        answers.push(Arc::downgrade(&turn));
        Watched { body, rest: Bytes::new(), turn, woken: None }
    }

    /// Ends when the client has taken nothing of some answer for as long as it may.
    pub(super) async fn overdue(&self) {
        while !self.has_overdue() {
            tokio::time::sleep(Duration::from_secs(LOOK_S)).await;
        }
    }

    fn has_overdue(&self) -> bool {
        let patience = Duration::from_secs(HTTP_WRITE_S_MAX);
        let answers = self.answers();
        let mut turns = answers.iter().filter_map(Weak::upgrade);
        turns.any(|turn| turn.since().is_some_and(|since| since.elapsed() >= patience))
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Weak<Turn>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since when it is the client's turn; none while there is nothing for it to take.
struct Turn(Mutex<Option<Instant>>);

impl Turn {
    fn since(&self) -> Option<Instant> {
        *self.place()
    }

    fn place(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer's body. The connection asks it for more as soon as it could pass on what it has.
pub(super) struct Watched {
    body: Body,
    /// Of the last frame.
    rest: Bytes,
    turn: Arc<Turn>,
    woken: Option<Arc<Woken>>,
}

impl Watched {
    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE_BYTES);
        Frame::data(self.rest.split_to(length))
    }

    fn next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let waker = self.waker(context.waker());
        let polled = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(&waker));
        polled.map_ok(|frame| match frame.into_data() {
            Ok(bytes) => {
                self.rest = bytes;
                self.piece()
            }
            Err(trailers) => trailers,
        })
    }

    fn waker(&mut self, inner: &Waker) -> Waker {
        let woken = match self.woken.take() {
            Some(woken) if woken.inner.will_wake(inner) => woken,
            _ => Arc::new(Woken { turn: Arc::downgrade(&self.turn), inner: inner.clone() }),
        };
        self.woken = Some(Arc::clone(&woken));
        woken.into()
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let watched = self.get_mut();
        // Before: what wakes it meanwhile makes it the client's turn again.
        *watched.turn.place() = None;
        let polled = watched.next(context);
        if polled.is_ready() {
            *watched.turn.place() = Some(Instant::now());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

/// Wakes who waits for more of the body: from then on it waits for its client.
struct Woken {
    turn: Weak<Turn>,
    inner: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(turn) = self.turn.upgrade() {
            turn.place().get_or_insert_with(Instant::now);
        }
        self.inner.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::convert::Infallible;

    use futures_util::StreamExt as _;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    const LONG: Duration = Duration::from_secs(10 * HTTP_WRITE_S_MAX);

    async fn is_overdue(untaken: &Untaken) -> bool {
        tokio::time::timeout(LONG, untaken.overdue()).await.is_ok()
    }

    fn poll(body: &mut Watched) -> Poll<Option<usize>> {
        let mut context = Context::from_waker(Waker::noop());
        let polled = Pin::new(body).poll_frame(&mut context);
        polled.map(|frame| frame.map(|frame| frame.unwrap().into_data().unwrap().len()))
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_its_client_could_take_is_overdue() {
        let untaken = Untaken::default();
        assert!(!is_overdue(&untaken).await);
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let chunks = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
        let mut body = untaken.watch(Body::from_stream(chunks));
        assert!(is_overdue(&untaken).await, "never asked for anything");
        assert!(poll(&mut body).is_pending());
        assert!(!is_overdue(&untaken).await, "there is nothing to take");
        sender.send(Bytes::from_static(b"x")).await.unwrap();
        assert!(is_overdue(&untaken).await, "there is");
        assert_eq!(poll(&mut body), Poll::Ready(Some(1)));
        assert!(is_overdue(&untaken).await, "it was not asked for more");
        drop(body);
        assert!(!is_overdue(&untaken).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_taken_piece_by_piece() {
        let untaken = Untaken::default();
        let mut body = untaken.watch(Body::from(vec![0_u8; PIECE_BYTES + 1]));
        assert_eq!(poll(&mut body), Poll::Ready(Some(PIECE_BYTES)));
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (false, Some(1)));
        assert_eq!(poll(&mut body), Poll::Ready(Some(1)));
        assert!(body.is_end_stream());
    }
}
