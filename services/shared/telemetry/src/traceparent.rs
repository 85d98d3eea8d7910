//! W3C trace context (`traceparent`) beside the correlation id.
//!
//! With traces off the incoming value is still handed on unchanged, so that a service without a
//! collector does not cut a trace in two.

use std::future::Future;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tokio::task_local;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The HTTP header and message property that carries the value.
pub const HEADER: &str = "traceparent";

task_local! {
    static INBOUND: Option<String>;
}

/// The value to send downstream: the current span's, else the one that came in.
#[must_use]
pub fn current() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let span_context = span.span_context();
    if span_context.is_valid() {
        return Some(render(span_context));
    }
    INBOUND.try_with(Option::clone).ok().flatten()
}

/// Makes `value` the parent of `span`; an unreadable value is ignored (W3C: restart the trace).
pub fn set_parent(span: &Span, value: &str) {
    if let Some(parent) = parse(value) {
        let context = opentelemetry::Context::new().with_remote_span_context(parent);
        // Fails only when traces are off, when there is nothing to do.
        let _ = span.set_parent(context);
    }
}

/// Runs `future` remembering the value that came in, for [`current`].
pub fn scope<F: Future>(inbound: Option<String>, future: F) -> impl Future<Output = F::Output> {
    INBOUND.scope(inbound.filter(|value| parse(value).is_some()), future)
}

fn render(context: &SpanContext) -> String {
    format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags().to_u8() & 1
    )
}

/// W3C Trace Context §3.2: `version-traceid-parentid-flags`, lower-case hex, ids not all zero.
fn parse(value: &str) -> Option<SpanContext> {
    let mut parts = value.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let later_fields_allowed = version != "00";
    if !hex(version, 2)
        || version == "ff"
        || !hex(trace, 32)
        || !hex(parent, 16)
        || !hex(flags, 2)
        || (!later_fields_allowed && parts.next().is_some())
    {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(parent).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_value_survives_parsing_and_rendering() {
        assert_eq!(render(&parse(VALUE).unwrap()), VALUE);
    }

    #[test]
    fn values_that_the_standard_forbids_are_ignored() {
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }

    #[tokio::test]
    async fn with_traces_off_the_incoming_value_is_handed_on() {
        let seen = scope(Some(VALUE.to_owned()), async { current() }).await;
        assert_eq!(seen.as_deref(), Some(VALUE));
    }

    #[tokio::test]
    async fn an_unreadable_incoming_value_is_not_handed_on() {
        assert_eq!(scope(Some("x".to_owned()), async { current() }).await, None);
    }
}
