//! One HTTP client for the whole platform, through the ingress.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

/// The platform as a client sees it: the ingress' address and the host name it routes by.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    host: String,
}

/// A response with its body read: JSON where it is JSON, else a JSON string of the text.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Response headers.
    pub headers: HeaderMap,
    /// The parsed body; `Null` when empty.
    pub body: Value,
}

impl Reply {
    /// The body, if the status is the expected one; an error that shows the whole answer otherwise.
    pub fn expect(self, status: u16) -> Result<Value> {
        ensure!(
            self.status.as_u16() == status,
            "expected {status}, got {}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }

    /// The problem's stable `code`, or an empty string.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header's value as text, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Api {
    /// The platform at `QUICKBITE_URL` (default `http://127.0.0.1:8080`), routed by the host name
    /// `QUICKBITE_HOST` (default `quickbite.local`).
    pub fn from_env() -> Self {
        let base =
            std::env::var("QUICKBITE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
        let host = std::env::var("QUICKBITE_HOST").unwrap_or_else(|_| "quickbite.local".to_owned());
        Self::new(base, host)
    }

    /// A platform at `base`, asked for by the name `host`.
    pub fn new(base: String, host: String) -> Self {
        // Errors here mean a provider is installed already, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .expect("a client without special settings builds");
        Self { http, base, host }
    }

    /// Where the platform is reached, for messages.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request to `path` (with its query), already carrying the platform's host name.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .header(reqwest::header::HOST, &self.host)
    }

    /// Sends a request that was made with [`Api::request`] and reads the whole answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply> {
        let response = request.send().await.context("the ingress did not answer")?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.context("the response broke off")?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Ok(Reply {
            status,
            headers,
            body,
        })
    }

    /// GET `path`, with a bearer token where one is given.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Result<Reply> {
        self.send(authorized(self.request(Method::GET, path), token))
            .await
    }

    /// Any call with a JSON body.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<Reply> {
        self.send(authorized(self.request(method, path), token).json(body))
            .await
    }

    /// POST a JSON body to `path`.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Reply> {
        self.call(Method::POST, path, token, body).await
    }
}

fn authorized(request: reqwest::RequestBuilder, token: Option<&str>) -> reqwest::RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}
