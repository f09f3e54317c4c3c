//! Leases (`coordination.k8s.io/v1`): who leads, in an object that anybody can read.
//!
//! What is written is a merge patch that names the version it was made for, so that labels and annotations of others stay, and of two who
//! write the same version one is told. It needs the verbs `get`, `create` and `patch` on `leases` in one namespace.

use std::sync::Arc;

use http::{Method, Request, header};
use kube::client::Body;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{KubeSource, MAX_ERROR_BODY, Shared, Wanted, read};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SourceError};
use crate::key::Namespace;
use crate::source::CALL_TIMEOUT;

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Lease {
    /// Who holds it; empty if nobody does.
    pub holder: String,
    /// For how long others are to leave it alone after a change, in seconds; 0 if it doesn't say.
    pub duration_s: u32,
    /// When the holder got it, by the holder's clock.
    pub acquire_time: Option<Timestamp>,
    /// When it was renewed last, by the holder's clock.
    pub renew_time: Option<Timestamp>,
    /// How often it changed hands.
    pub transitions: u32,
    /// Its `resourceVersion`; empty for one that isn't there yet.
    pub version: String,
}

/// The Leases of one namespace of a cluster. Cloning is cheap.
#[derive(Clone)]
pub struct KubeLeases {
    shared: Arc<Shared>,
    path: Arc<str>,
}

impl std::fmt::Debug for KubeLeases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeLeases").field("path", &self.path).finish_non_exhaustive()
    }
}

impl KubeSource {
    /// The Leases of a namespace, with this source's client and its identity.
    #[must_use]
    pub fn leases(&self, namespace: &Namespace) -> KubeLeases {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", namespace.as_str());
        KubeLeases { shared: self.shared.clone(), path: path.into() }
    }
}

impl KubeLeases {
    /// Reads a Lease; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When there is no answer within [`CALL_TIMEOUT`], none is allowed, or it makes no sense.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn read(&self, name: &str) -> Result<Option<Lease>, SourceError> {
        let path = self.path_of(name)?;
        match self.ask(Method::GET, &path, &Object::default()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Writes a Lease: creates it if it has no version, or changes it if its version is still the current one. Answers with the new
    /// version; `None` when it is there although it was to be created, was changed meanwhile, or is gone.
    ///
    /// # Errors
    ///
    /// When there is no answer within [`CALL_TIMEOUT`] (it may be written all the same), or it is not allowed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it written or not.
    pub async fn write(&self, name: &str, lease: &Lease) -> Result<Option<String>, SourceError> {
        let path = self.path_of(name)?;
        let is_new = lease.version.is_empty();
        let (method, path) =
            if is_new { (Method::POST, self.path.as_ref()) } else { (Method::PATCH, path.as_str()) };
        match self.ask(method, path, &Object::of(name, lease)).await {
            Ok(written) => Ok(Some(written.version)),
            Err(error) if error.status() == Some(409) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound && !is_new => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path_of(&self, name: &str) -> Result<String, SourceError> {
        let fits = (1..=253).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
            && !name.starts_with(['-', '.']);
        if !fits {
            return Err(SourceError::new(
                ErrorKind::Configuration,
                "a Lease's name is one that Kubernetes refuses",
            ));
        }
        Ok(format!("{}/{name}", self.path))
    }

    async fn ask(&self, method: Method, path: &str, object: &Object) -> Result<Lease, SourceError> {
        let mut request = Request::builder().uri(path).header(header::ACCEPT, Wanted::Json.accept());
        let mut body = Body::empty();
        if method != Method::GET {
            let form =
                if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
            request = request.header(header::CONTENT_TYPE, form);
            let text = serde_json::to_vec(object);
            body = Body::from(text.map_err(|_| {
                SourceError::new(ErrorKind::Configuration, "a Lease could not be written as JSON")
            })?);
        }
        let asking = async {
            let answer = self.shared.send_request(request.method(method), body).await?;
            read(answer.chunks, MAX_ERROR_BODY).await
        };
        let late = || SourceError::new(ErrorKind::Timeout, "no answer about a Lease in time");
        let answer = timeout(CALL_TIMEOUT, asking).await.map_err(|_| late())??;
        let object = serde_json::from_slice::<Object>(&answer);
        object
            .map(Lease::from)
            .map_err(|_| SourceError::new(ErrorKind::Malformed, "a Lease that makes no sense"))
    }
}

/// The object, as far as it is read and written.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    resource_version: String,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<i32>,
    acquire_time: Option<String>,
    renew_time: Option<String>,
    lease_transitions: Option<i32>,
}

impl Object {
    fn of(name: &str, lease: &Lease) -> Self {
        let spec = Spec {
            holder_identity: Some(lease.holder.clone()),
            lease_duration_seconds: Some(i32::try_from(lease.duration_s).unwrap_or(i32::MAX)),
            acquire_time: lease.acquire_time.map(micro_time),
            renew_time: lease.renew_time.map(micro_time),
            lease_transitions: Some(i32::try_from(lease.transitions).unwrap_or(i32::MAX)),
        };
        Self {
            api_version: "coordination.k8s.io/v1".into(),
            kind: "Lease".into(),
            metadata: Metadata { name: name.into(), resource_version: lease.version.clone() },
            spec,
        }
    }
}

impl From<Object> for Lease {
    fn from(Object { metadata, spec, .. }: Object) -> Self {
        let count = |number: Option<i32>| u32::try_from(number.unwrap_or(0)).unwrap_or(0);
        let time = |text: Option<String>| text.and_then(|text| text.parse().ok());
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            duration_s: count(spec.lease_duration_seconds),
            acquire_time: time(spec.acquire_time),
            renew_time: time(spec.renew_time),
            transitions: count(spec.lease_transitions),
            version: metadata.resource_version,
        }
    }
}

/// Kubernetes reads six digits after the second, no more and no fewer (`MicroTime`).
fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::key::ClusterId;
    use crate::source::{ClusterInfo, Origin};

    type Asked = Arc<Mutex<Vec<(String, String, Value)>>>;

    /// Leases of an API server that answers this.
    fn leases(status: u16, answer: &'static str) -> (KubeLeases, Asked) {
        let asked = Asked::default();
        let log = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let log = log.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let form = parts.headers.get(header::CONTENT_TYPE).map_or("", |form| form.to_str().unwrap());
                let line = format!("{} {}", parts.method, parts.uri);
                log.lock().unwrap().push((
                    line,
                    form.into(),
                    serde_json::from_slice(&body).unwrap_or_default(),
                ));
                let body = http_body_util::Full::new(Bytes::from_static(answer.as_bytes()));
                Ok::<_, std::io::Error>(Response::builder().status(status).body(body).unwrap())
            }
        });
        let info = ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom);
        let source = KubeSource::from_client(kube::Client::new(service, "default"), info);
        (source.leases(&Namespace::new("ops").unwrap()), asked)
    }

    const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases";

    fn lease(version: &str) -> Lease {
        let time = "2026-11-21T19:30:00.5Z".parse().unwrap();
        Lease {
            holder: "ann".into(),
            duration_s: 3,
            acquire_time: Some(time),
            renew_time: Some(time),
            transitions: 4,
            version: version.into(),
        }
    }

    const OBJECT: &str = r#"{"metadata":{"name":"l","resourceVersion":"7","labels":{"a":"b"}},"spec":{"holderIdentity":"ann",
        "leaseDurationSeconds":3,"acquireTime":"2026-11-21T19:30:00.500000Z","renewTime":"2026-11-21T19:30:00.500000Z",
        "leaseTransitions":4,"strategy":"new"}}"#;

    #[tokio::test]
    async fn a_lease_is_read_as_it_was_written() {
        let (leases, asked) = leases(200, OBJECT);
        assert_eq!(leases.read("l").await.unwrap(), Some(lease("7")));
        assert_eq!(leases.write("l", &lease("6")).await.unwrap().as_deref(), Some("7"));
        assert_eq!(leases.write("l", &lease("")).await.unwrap().as_deref(), Some("7"));
        let asked = asked.lock().unwrap();
        let [read, changed, created] = asked.as_slice() else { panic!() };
        assert_eq!(read.0, format!("GET {PATH}/l"));
        assert_eq!(
            (changed.0.as_str(), changed.1.as_str()),
            (&*format!("PATCH {PATH}/l"), "application/merge-patch+json")
        );
        assert_eq!((created.0.as_str(), created.1.as_str()), (&*format!("POST {PATH}"), "application/json"));
        let spec = json!({"holderIdentity": "ann", "leaseDurationSeconds": 3, "leaseTransitions": 4,
            "acquireTime": "2026-11-21T19:30:00.500000Z", "renewTime": "2026-11-21T19:30:00.500000Z"});
        assert_eq!(changed.2["metadata"], json!({"name": "l", "resourceVersion": "6"}));
        assert_eq!(created.2["metadata"], json!({"name": "l"}), "a version would make it another request");
        assert_eq!((&changed.2["spec"], &created.2["spec"]), (&spec, &spec));
    }

    #[tokio::test]
    async fn what_is_missing_is_nothing() {
        let (leases, _) = leases(
            200,
            r#"{"metadata":{"resourceVersion":"7"},"spec":{"leaseTransitions":-3,"renewTime":"now"}}"#,
        );
        assert_eq!(leases.read("l").await.unwrap(), Some(Lease { version: "7".into(), ..Lease::default() }));
    }

    #[tokio::test]
    async fn refusals_have_their_meaning() {
        let (gone, _) = leases(404, r#"{"code":404,"reason":"NotFound"}"#);
        assert_eq!(gone.read("l").await.unwrap(), None);
        assert_eq!(gone.write("l", &lease("6")).await.unwrap(), None, "deleted meanwhile");
        assert_eq!(
            gone.write("l", &lease("")).await.unwrap_err().kind(),
            ErrorKind::NotFound,
            "no such namespace"
        );
        let (conflict, _) = leases(409, r#"{"code":409,"reason":"Conflict"}"#);
        assert_eq!(conflict.write("l", &lease("6")).await.unwrap(), None);
        assert_eq!(conflict.write("l", &lease("")).await.unwrap(), None, "somebody else created it");
        let (denied, asked) = leases(403, r#"{"code":403}"#);
        assert_eq!(denied.read("l").await.unwrap_err().kind(), ErrorKind::Forbidden);
        let (odd, _) = leases(200, "[]x");
        assert_eq!(odd.read("l").await.unwrap_err().kind(), ErrorKind::Malformed);
        asked.lock().unwrap().clear();
        for name in ["", "../secrets", "A", "-a", &"a".repeat(254)] {
            assert_eq!(denied.read(name).await.unwrap_err().kind(), ErrorKind::Configuration, "{name}");
        }
        assert!(asked.lock().unwrap().is_empty());
    }
}
