//! Reads on after an early answer.
//!
//! A refusal (401, 413, 429 …) is often ready before the body has arrived. Closing the connection
//! then makes the kernel reset it, and the reset destroys the answer on its way: the client, or a
//! proxy in front, sees a broken connection instead of the reason. So the rest of the body is read
//! and thrown away for a while, beside the answer (nginx calls this a lingering close).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;

/// How long the rest of a body is read after its answer.
const LINGER: Duration = Duration::from_secs(10);

/// `body` as handlers get it: what they leave unread is read for up to 10 s.
pub(super) fn lingering(headers: &HeaderMap, body: Incoming) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Lingering {
        body: Some(body),
        // Who asks first (`Expect: 100-continue`) has sent nothing until the body is asked for.
        under_way: !headers.contains_key(header::EXPECT),
    })
}

struct Lingering {
    /// Nothing once it came to its end, or broke.
    body: Option<Incoming>,
    under_way: bool,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.under_way = true;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(cx));
        if body.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut rest) = self.body.take().filter(|_| self.under_way) else {
            return;
        };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, async move {
                while let Some(Ok(_)) = rest.frame().await {}
            }));
        }
    }
}
