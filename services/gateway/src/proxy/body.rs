//! Bodies on their way through: watched, never collected, except a small copy of a good answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::LengthLimitError;
use quickbite_resilience::breaker::{Permit, Verdict};
use tokio::time::Sleep;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How far a client's body has come; the circuit must not blame a service for a slow client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Progress {
    /// The service has not asked for it, or not for more of it.
    Untouched,
    /// The service waits for the client.
    Awaited,
    Complete,
    TooLarge,
    Broken,
}

/// Reads how far a [`Watched`] body has come.
#[derive(Clone)]
pub(super) struct Gauge(Arc<AtomicU8>);

impl Gauge {
    pub(super) fn read(&self) -> Progress {
        match self.0.load(Ordering::Acquire) {
            1 => Progress::Awaited,
            2 => Progress::Complete,
            3 => Progress::TooLarge,
            4 => Progress::Broken,
            _ => Progress::Untouched,
        }
    }

    fn set(&self, progress: Progress) {
        self.0.store(progress as u8, Ordering::Release);
    }
}

/// A request body that says how far it has come.
pub(super) struct Watched {
    body: Body,
    gauge: Gauge,
}

impl Watched {
    pub(super) fn new(body: Body) -> (Self, Gauge) {
        let gauge = Gauge(Arc::default());
        if body.is_end_stream() {
            gauge.set(Progress::Complete);
        }
        let watched = Self {
            body,
            gauge: gauge.clone(),
        };
        (watched, gauge)
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            self.gauge.set(Progress::Awaited);
            return Poll::Pending;
        };
        match &frame {
            Some(Ok(_)) if !self.body.is_end_stream() => self.gauge.set(Progress::Untouched),
            Some(Ok(_)) | None => self.gauge.set(Progress::Complete),
            Some(Err(error)) if is_over_the_limit(error) => self.gauge.set(Progress::TooLarge),
            Some(Err(_)) => self.gauge.set(Progress::Broken),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_over_the_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(current) = error {
        if current.is::<LengthLimitError>() {
            return true;
        }
        error = current.source();
    }
    false
}

/// Resolves when a stream has to end although neither side ends it.
pub(super) type StreamEnd = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer that ends, properly, at its [`StreamEnd`]: an event stream never ends by itself.
pub(super) struct Until {
    body: Body,
    end: StreamEnd,
}

impl Until {
    pub(super) fn new(body: Body, end: StreamEnd) -> Self {
        Self { body, end }
    }
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// A service's answer that ends with an error when the service stands still for `timeout`, and that
/// tells the circuit how it ended: a service whose answers break off is as broken as one that gives
/// none. Dropped before its end, because the client left, it counts as nothing.
pub(super) struct UpstreamBody {
    body: Body,
    permit: Option<Permit>,
    /// Between two parts. It starts when the service has nothing ready, so that a client that reads
    /// slowly is never taken for a service that stands still.
    timeout: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl UpstreamBody {
    pub(super) fn new(body: Body, permit: Option<Permit>, timeout: Duration) -> Self {
        let mut this = Self {
            body,
            permit,
            timeout,
            waiting: None,
        };
        if this.body.is_end_stream() {
            this.report(Verdict::Success);
        }
        this
    }

    fn report(&mut self, verdict: Verdict) {
        if let Some(permit) = self.permit.take() {
            permit.report(verdict);
        }
    }
}

impl HttpBody for UpstreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let timeout = this.timeout;
            let waiting = this
                .waiting
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
            ready!(waiting.as_mut().poll(cx));
            this.report(Verdict::Timeout);
            let stalled = "the service stopped in the middle of its answer";
            return Poll::Ready(Some(Err(axum::Error::new(stalled))));
        };
        this.waiting = None;
        match &frame {
            Some(Err(error)) => {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "an answer broke off"
                );
                this.report(Verdict::Failure);
            }
            Some(Ok(_)) if !this.body.is_end_stream() => {}
            Some(Ok(_)) | None => this.report(Verdict::Success),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer that is copied as it passes, and handed over when it came through whole.
pub(super) struct Copied<F> {
    body: Body,
    copy: Option<BytesMut>,
    limit: usize,
    whole: Option<F>,
}

impl<F: FnOnce(Bytes)> Copied<F> {
    pub(super) fn new(body: Body, limit: usize, whole: F) -> Self {
        Self {
            body,
            copy: Some(BytesMut::new()),
            limit,
            whole: Some(whole),
        }
    }

    fn passed(&mut self, data: &Bytes) {
        if let Some(copy) = &mut self.copy {
            if copy.len() + data.len() > self.limit {
                self.copy = None;
            } else {
                copy.extend_from_slice(data);
            }
        }
    }

    fn ended(&mut self) {
        if let (Some(copy), Some(whole)) = (self.copy.take(), self.whole.take()) {
            whole(copy.freeze());
        }
    }
}

impl<F: FnOnce(Bytes) + Unpin> HttpBody for Copied<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.passed(data);
                }
                if self.body.is_end_stream() {
                    self.ended();
                }
            }
            Some(Err(_)) => self.copy = None,
            None => self.ended(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
