//! One JSON object a line, flat: what a log store indexes without configuration.
//!
//! `tracing_subscriber`'s own JSON nests spans in a list; a search for one correlation id must not
//! depend on the depth of a span. Fields of inner spans win over those of outer ones.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::correlation;

const CORRELATION: &str = "correlationId";

/// Formats events as `{"timestamp", "level", "service", "target", "correlationId", "message", …}`.
pub(crate) struct JsonLine {
    pub(crate) service: &'static str,
}

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            if let Some(formatted) = extensions.get::<FormattedFields<JsonFields>>()
                && let Ok(Value::Object(of_span)) = serde_json::from_str(&formatted.fields)
            {
                fields.0.extend(of_span);
            }
        }
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or(Value::Null);
        let correlation_id = fields
            .0
            .remove(CORRELATION)
            .or_else(|| correlation::try_current().map(|id| Value::from(id.as_str())));

        let mut timestamp = String::with_capacity(27);
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let metadata = event.metadata();
        write!(
            writer,
            r#"{{"timestamp":"{timestamp}","level":"{}","service":"{}","target":{}"#,
            metadata.level(),
            self.service,
            Value::from(metadata.target()),
        )?;
        if let Some(id) = correlation_id {
            write!(writer, r#","{CORRELATION}":{id}"#)?;
        }
        write!(writer, r#","message":{message}"#)?;
        for (name, value) in &fields.0 {
            if !matches!(name.as_str(), "timestamp" | "level" | "service" | "target") {
                write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
            }
        }
        writeln!(writer, "}}")
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.put(field, text);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(run: impl FnOnce()) -> Vec<Value> {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine { service: "user" })
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_one_flat_object_with_the_fields_of_its_spans() {
        let lines = lines_of(|| {
            let outer = tracing::info_span!("request", correlationId = "c-1", route = "/x");
            let _outer = outer.enter();
            let inner = tracing::info_span!("step", step = 3);
            let _inner = inner.enter();
            tracing::warn!(orders = 2, "placed");
        });
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["service"], "user");
        assert_eq!(line["message"], "placed");
        assert_eq!(line["correlationId"], "c-1");
        assert_eq!((&line["route"], &line["step"]), (&"/x".into(), &3.into()));
        assert_eq!(line["orders"], 2);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn hostile_text_stays_inside_of_its_field() {
        let lines = lines_of(|| tracing::info!("a\"}}\n{{\"level\":\"ERROR\" \u{7}"));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["level"], "INFO");
    }

    #[test]
    fn a_field_cannot_take_the_place_of_the_level() {
        let lines = lines_of(|| tracing::info!(level = "ERROR", "x"));
        assert_eq!(lines[0]["level"], "INFO");
    }

    #[test]
    fn an_error_is_written_with_its_whole_chain() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not save")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("disk full"));
        let lines = lines_of(|| {
            tracing::error!(error = &error as &dyn std::error::Error, "failed");
        });
        assert_eq!(lines[0]["error"], "could not save: disk full");
    }

    #[tokio::test]
    async fn a_line_outside_of_a_span_takes_the_id_of_the_scope() {
        let id = correlation::CorrelationId::parse("c-2").unwrap();
        let lines = correlation::scope(id, async { lines_of(|| tracing::info!("x")) }).await;
        assert_eq!(lines[0]["correlationId"], "c-2");
    }
}
