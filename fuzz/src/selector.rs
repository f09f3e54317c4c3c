//! Label selectors, through the HTTP API as a client uses them: `GET /api/ingresses?label=…` over a cluster that has one
//! ingress for every set of labels worth telling apart.
//!
//! The oracle splits requirements at commas and reads each by itself, where the engine has a tokenizer. Whatever it can read
//! selects what the documentation's sentences say; whatever it can't is refused, by name.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http_body_util::BodyExt as _;
use ingress_core::source::WatchStream;
use ingress_core::{
    Cluster, ClusterId, ClusterInfo, ErrorKind, Hub, Ingress, Kind, ObjectKey, Origin, ResourceSource,
    Revision, SourceError, WatchEvent, WatchRequest,
};
use ingress_http::Dashboard;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const KEYS: [&str; 3] = ["a", "x.io/A_1", "in"];
const VALUES: [&str; 3] = ["", "in", "A_1.z"];
// The bounds that the documentation of the HTTP API gives: of path and query, of a selector, and of its requirements.
const LONGEST_PATH: usize = 8 * 1024;
const LONGEST: usize = 1024;
const MOST: usize = 32;
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Runs one case: selectors, one after each NUL; all must hold.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let selectors: Vec<&str> = text.split('\0').take(4).collect();
    let parsed: Option<Vec<Vec<Requirement>>> = selectors.iter().map(|text| parse(text)).collect();
    let parameters: Vec<String> = selectors
        .iter()
        .map(|text| format!("label={}", utf8_percent_encode(text, NON_ALPHANUMERIC)))
        .collect();
    let path = format!("/api/ingresses?{}", parameters.join("&"));
    let (status, answer) = API.with(|api| api.get(&path));
    if path.len() > LONGEST_PATH {
        assert_eq!(status, StatusCode::URI_TOO_LONG, "{} bytes", path.len());
        return;
    }
    let is_long = selectors.iter().any(|text| text.len() > LONGEST);
    let has_many = parsed.iter().flatten().any(|requirements| requirements.len() > MOST);
    match parsed {
        _ if is_long || has_many => {
            assert_eq!(status, StatusCode::BAD_REQUEST, "{selectors:?} is beyond the bounds");
            assert_eq!(answer["parameter"], "label");
        }
        None => {
            assert_eq!(status, StatusCode::BAD_REQUEST, "{selectors:?} is no selector");
            assert_eq!(answer["parameter"], "label");
            // A valid key is quoted in full, and has up to 253 + 1 + 63 characters; what is no key is cut.
            let detail = answer["detail"].as_str().unwrap_or_default();
            assert!(detail.starts_with("`label`: ") && detail.chars().count() < 400, "{detail}");
        }
        Some(parsed) => {
            assert_eq!(status, StatusCode::OK, "{selectors:?}: {answer}");
            let names: Vec<&str> = answer["items"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|item| item["name"].as_str())
                .collect();
            let holds =
                |labels: &Labels| parsed.iter().flatten().all(|requirement| requirement.holds(labels));
            let expected: Vec<String> =
                population().into_iter().filter(|(_, labels)| holds(labels)).map(|(name, _)| name).collect();
            assert_eq!(names, expected, "{selectors:?}");
        }
    }
}

type Labels = Vec<(&'static str, &'static str)>;

/// Every key absent or with one of the values; names count up in the order of the API's answer.
fn population() -> Vec<(String, Labels)> {
    let choices = VALUES.len() + 1;
    (0..choices.pow(KEYS.len() as u32))
        .map(|number| {
            let digits = (0..KEYS.len()).map(|place| number / choices.pow(place as u32) % choices);
            let labels = KEYS.into_iter().zip(digits).filter(|(_, digit)| *digit > 0);
            (format!("n{number:03}"), labels.map(|(key, digit)| (key, VALUES[digit - 1])).collect())
        })
        .collect()
}

#[derive(Debug)]
struct Requirement {
    key: String,
    /// Of the values; `None` asks just for the key.
    values: Option<Vec<String>>,
    negated: bool,
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.iter().find(|(key, _)| *key == self.key).map(|(_, value)| *value);
        let positive = match &self.values {
            None => value.is_some(),
            Some(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
        };
        positive != self.negated
    }
}

/// Reads a selector; `None` if it is none.
fn parse(text: &str) -> Option<Vec<Requirement>> {
    if text.trim_matches(SPACES).is_empty() {
        return Some(Vec::new());
    }
    let mut inside = false;
    let pieces = text.split(|c| {
        inside = c == '(' || (inside && c != ')');
        c == ',' && !inside
    });
    pieces.map(|piece| requirement(piece.trim_matches(SPACES))).collect()
}

fn requirement(piece: &str) -> Option<Requirement> {
    if let Some(key) = piece.strip_prefix('!') {
        let key = key.trim_start_matches(SPACES);
        return is_key(key).then(|| Requirement { key: key.into(), values: None, negated: true });
    }
    let end = piece.find(|c| SPACES.contains(&c) || "=!(),<>".contains(c)).unwrap_or(piece.len());
    let (key, test) = (&piece[..end], piece[end..].trim_start_matches(SPACES));
    if !is_key(key) {
        return None;
    }
    let (values, negated) = if test.is_empty() {
        (None, false)
    } else if let Some(value) = test.strip_prefix("!=") {
        (Some(vec![value]), true)
    } else if let Some(value) = test.strip_prefix("==").or(test.strip_prefix('=')) {
        (Some(vec![value]), false)
    } else {
        let (rest, negated) = match test.strip_prefix("notin") {
            Some(rest) => (rest, true),
            None => (test.strip_prefix("in")?, false),
        };
        let values = rest.trim_start_matches(SPACES).strip_prefix('(')?.strip_suffix(')')?;
        (Some(values.split(',').collect()), negated)
    };
    let values = match values {
        None => None,
        Some(values) => Some(
            values.into_iter().map(|value| as_value(value.trim_matches(SPACES))).collect::<Option<_>>()?,
        ),
    };
    Some(Requirement { key: key.into(), values, negated })
}

/// A label's value, or the name of its key: letters and digits at both ends, and `-`, `_`, `.` between.
fn as_value(text: &str) -> Option<String> {
    let inner = text.trim_matches(|c: char| c.is_ascii_alphanumeric());
    let ends = text.is_empty()
        || (text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric()));
    let all = inner.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (ends && all && text.len() <= 63).then(|| text.to_owned())
}

fn is_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let is_label = |label: &str| {
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(lower) && label.ends_with(lower) && label.chars().all(|c| lower(c) || c == '-')
    };
    let is_prefix = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(is_label);
    prefix.is_none_or(is_prefix) && !name.is_empty() && as_value(name).is_some()
}

thread_local! {
    static API: Api = Api::start();
}

/// The router over a cluster that never changes, on a clock that stands still.
struct Api {
    runtime: Runtime,
    router: Router,
}

impl Api {
    fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
        let router = runtime.block_on(async {
            let hub = Hub::builder(Fixed).start();
            hub.synced().await;
            assert_eq!(hub.ingresses().snapshot().len(), population().len());
            // A clock that stands still never lets anybody ask again.
            Dashboard::builder(hub).rate_limit(None).build().into_router()
        });
        Self { runtime, router }
    }

    fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).body(Body::empty()).expect("a path");
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("a router always answers");
            let status = answer.status();
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            (status, serde_json::from_slice(&body).expect("JSON"))
        })
    }
}

/// A source that lists the population, and then has nothing to say.
struct Fixed;

fn fixed<K: Kind>(objects: Vec<Value>) -> WatchStream<K> {
    let listed = objects.into_iter().map(|object| {
        let text = object.to_string();
        WatchEvent::Listed(K::decode_json(&mut serde_json::Deserializer::from_str(&text)).expect("an object"))
    });
    let events = listed.chain([WatchEvent::Synced(Revision::new("1"))]).collect();
    stream::iter([Ok(events)]).chain(stream::pending()).boxed()
}

#[async_trait]
impl ResourceSource<Ingress> for Fixed {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<Ingress>, SourceError> {
        if request.resume.is_some() {
            return Ok(stream::pending().boxed());
        }
        let object = |(name, labels): (String, Labels)| {
            let labels: serde_json::Map<String, Value> =
                labels.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            json!({"metadata": {"namespace": "n", "name": name, "resourceVersion": "1", "labels": labels}})
        };
        Ok(fixed(population().into_iter().map(object).collect()))
    }

    async fn get(&self, _: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::new(ErrorKind::NotFound, "nothing is read one by one"))
    }
}

#[async_trait]
impl ResourceSource<ingress_core::NamespaceRecord> for Fixed {
    async fn watch(
        &self,
        _: WatchRequest,
    ) -> Result<WatchStream<ingress_core::NamespaceRecord>, SourceError> {
        Ok(fixed(vec![json!({"metadata": {"name": "n", "resourceVersion": "1"}})]))
    }

    async fn get(&self, _: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::new(ErrorKind::NotFound, "nothing is read one by one"))
    }
}

#[async_trait]
impl Cluster for Fixed {
    fn info(&self) -> ClusterInfo {
        ClusterInfo::new(ClusterId::sanitized("fuzz"), Origin::Custom)
    }

    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
}
