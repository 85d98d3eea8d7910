//! Every error answer: RFC 9457 `application/problem+json` with the members that clients of the
//! platform rely on (`success`, `message`, `code`, `correlationId`, `errors`).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use quickbite_telemetry::correlation;
use serde::{Deserialize, Serialize};

use crate::server::instance;

type Cause = Box<dyn Error + Send + Sync>;

/// One field of a request that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where, as in the JSON: `items[0].quantity`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// An answer that is an error. Small to move: what it holds is boxed.
pub struct Problem(Box<Inner>);

struct Inner {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Cause>,
}

/// The JSON of a [`Problem`].
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// A URI that stands for the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for a person.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// Always `false`.
    pub success: bool,
    /// Equal to `detail`.
    pub message: String,
    /// What happened, for a program: stable, snake_case.
    pub code: String,
    /// The id to quote when asking for help.
    pub correlation_id: String,
    /// The fields that break a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem with this status, stable code and explanation.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// 400: the request is not even readable.
    #[must_use]
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: no usable identity.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "access_token_required",
            "Access token required",
        )
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: this identity may not.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: unknown, or not the caller's.
    #[must_use]
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409: in conflict with what is there.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: readable, but it breaks a rule.
    #[must_use]
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 422 for one field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    }

    /// 422 for several fields.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::unprocessable("validation_failed", "The request breaks a rule");
        if let [only] = errors.as_slice() {
            problem.0.detail = format!("{}: {}", only.field, only.message);
        }
        problem.0.errors = errors;
        problem
    }

    /// 503: something that is needed is gone for now.
    #[must_use]
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// 500: our mistake. The cause is logged, once, and never shown.
    #[must_use]
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something went wrong here",
        )
        .caused_by(cause)
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Keeps why, for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The JSON of the answer, for the request that runs now.
    #[must_use]
    pub fn body(&self) -> ProblemBody {
        let Inner {
            status,
            code,
            detail,
            errors,
            headers: _,
            cause: _,
        } = &*self.0;
        ProblemBody {
            kind: format!("https://quickbite.dev/problems/{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.clone(),
            instance: instance::current(),
            success: false,
            message: detail.clone(),
            code: code.clone().into_owned(),
            correlation_id: correlation::current().to_string(),
            errors: errors.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.0.status.as_u16(),
            self.0.code,
            self.0.detail
        )
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            status,
            code,
            detail,
            errors,
            headers,
            cause,
        } = &*self.0;
        f.debug_struct("Problem")
            .field("status", &status.as_u16())
            .field("code", code)
            .field("detail", detail)
            .field("errors", errors)
            .field("headers", headers)
            .field("cause", cause)
            .finish()
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0
            .cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.0.status.is_server_error()
            && let Some(cause) = self.source()
        {
            tracing::error!(code = %self.0.code, error = cause, "a request failed");
        }
        let json = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = (self.0.status, json).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.extend(self.0.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use quickbite_telemetry::CorrelationId;
    use serde_json::{Value, json};

    use super::*;

    async fn rendered(problem: Problem) -> (Response, Value) {
        let (parts, body) = problem.into_response().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap();
        (Response::from_parts(parts, axum::body::Body::empty()), json)
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457_and_of_this_platform() {
        let id = CorrelationId::parse("c-1").unwrap();
        let problem = async { rendered(Problem::conflict("email_taken", "Taken")).await };
        let scoped = instance::scope("/api/users/register".to_owned(), problem);
        let (response, json) = correlation::scope(id, scoped).await;
        assert_eq!(response.status(), 409);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(
            json,
            json!({
                "type": "https://quickbite.dev/problems/email_taken",
                "title": "Conflict",
                "status": 409,
                "detail": "Taken",
                "instance": "/api/users/register",
                "success": false,
                "message": "Taken",
                "code": "email_taken",
                "correlationId": "c-1",
            })
        );
    }

    #[tokio::test]
    async fn field_errors_are_listed() {
        let (_, json) = rendered(Problem::field("items[0].quantity", "must be 1 to 50")).await;
        assert_eq!(
            json["errors"],
            json!([{"field": "items[0].quantity", "message": "must be 1 to 50"}])
        );
    }

    #[tokio::test]
    async fn the_cause_of_a_500_is_not_shown() {
        let (_, json) = rendered(Problem::internal("password=hunter2")).await;
        assert!(!json.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn headers_of_a_problem_are_sent() {
        let (response, _) = rendered(Problem::unavailable("x", "x").retry_after(7)).await;
        assert_eq!(response.headers()["retry-after"], "7");
    }

    #[test]
    fn the_cause_is_the_source_of_the_error() {
        let problem = Problem::internal("disk full");
        assert_eq!(problem.source().unwrap().to_string(), "disk full");
        assert!(!problem.to_string().contains("disk full"));
    }
}
