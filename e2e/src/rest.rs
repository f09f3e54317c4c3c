//! Asking the program under test over plain HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::objects::State;
use crate::sse::SseClient;

/// A client of one running program.
#[derive(Debug, Clone)]
pub struct Rest {
    base: String,
    http: reqwest::Client,
    token: Option<String>,
}

/// A complete answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{}, not JSON: {}", self.status, self.text()))
    }

    /// A header, empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Rest {
    /// A client for what is served under `base`, which has no slash at its end.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), http: reqwest::Client::new(), token: None }
    }

    /// The same for somebody with this bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Gets a cookie for a bearer token; the value of `Set-Cookie`.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn sign_in(&self, token: &str) -> Result<String> {
        let answer = self.http.post(format!("{}/auth/session", self.base)).bearer_auth(token).send().await?;
        if answer.status() != StatusCode::NO_CONTENT {
            bail!("signing in answered {}: {}", answer.status(), answer.text().await?);
        }
        let cookie = answer.headers().get("set-cookie").context("no cookie")?;
        Ok(cookie.to_str()?.to_owned())
    }

    /// Opens the stream, with a query such as `namespace=shop` or an empty one.
    ///
    /// # Errors
    ///
    /// When it does not answer with a stream.
    pub async fn stream(&self, query: &str) -> Result<SseClient> {
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("{}/api/ingresses/stream{separator}{query}", self.base);
        SseClient::connect_as(&url, self.token.as_deref()).await
    }

    /// The address under which everything is served.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GETs a path, whatever the status of the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.get_with(path, &[]).await
    }

    /// [`get`](Self::get) with headers.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.get(&url).timeout(Duration::from_secs(20));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.with_context(|| format!("GET {url}"))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.with_context(|| format!("GET {url}"))?.to_vec();
        Ok(Answer { status, headers, body })
    }

    /// The JSON of a path that must answer 200.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn json(&self, path: &str) -> Result<Value> {
        let answer = self.get(path).await?;
        if answer.status != StatusCode::OK {
            bail!("GET {path} answered {}: {}", answer.status, answer.text());
        }
        answer.json()
    }

    /// Whether `/readyz` says so.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn is_ready(&self) -> Result<bool> {
        Ok(self.get("/readyz").await?.status == StatusCode::OK)
    }

    /// Every ingress that the program knows, by `namespace/name`, to compare with
    /// [`truth`](crate::objects::truth).
    ///
    /// # Errors
    ///
    /// When it does not answer with a list.
    pub async fn states(&self) -> Result<BTreeMap<String, State>> {
        states(&self.json("/api/ingresses").await?)
    }
}

/// The states in an answer of `/api/ingresses`.
///
/// # Errors
///
/// When it is no such answer.
pub fn states(list: &Value) -> Result<BTreeMap<String, State>> {
    let items = list.get("items").and_then(Value::as_array).context("no items")?;
    items
        .iter()
        .map(|item| {
            let field =
                |name: &str| item.get(name).and_then(Value::as_str).with_context(|| format!("no {name}"));
            let key = format!("{}/{}", field("namespace")?, field("name")?);
            Ok((key, State::new(field("uid")?, field("resourceVersion")?)))
        })
        .collect()
}

/// The entries of `partial` in an answer, as `namespace → (state, reason)`; `*` stands for the whole cluster.
///
/// # Errors
///
/// When the answer has no `partial`.
pub fn partial(answer: &Value) -> Result<BTreeMap<String, (String, String)>> {
    let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let entries = answer.get("partial").and_then(Value::as_array).context("no partial")?;
    Ok(entries
        .iter()
        .map(|entry| {
            let namespace = text(entry, "namespace").unwrap_or_else(|| "*".into());
            (namespace, (text(entry, "state").unwrap_or_default(), text(entry, "reason").unwrap_or_default()))
        })
        .collect())
}
