//! `GET /api/ingresses/{namespace}/{name}`, and the same with `/yaml`.
//!
//! The JSON form is the record that is in memory anyway. The YAML form is the whole object, asked of the cluster for this
//! request; whatever the cluster says to that, the client is told. Only objects in the hub's scope are asked for: this
//! process may be allowed to read more than it was told to show.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ingress_core::{ClusterId, Ingress, Namespace, ObjectKey, Snapshot};

use crate::app::App;
use crate::negotiate::Form;
use crate::params::Params;
use crate::partial::partial;
use crate::problem::{Problem, ProblemType};
use crate::respond;
use crate::selector::is_dns_subdomain;
use crate::wire::Item;
use crate::yaml;

type Names = Result<Path<(String, String)>, PathRejection>;

/// The object in the form that the client prefers.
pub(crate) async fn object(
    State(app): State<App>,
    names: Names,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Wanted::parse(names, query.as_deref())?;
    let response = match Form::preferred(&headers) {
        Some(Form::Json) => record(&app, &wanted)?,
        Some(Form::Yaml) => whole(&app, &wanted).await?,
        None => {
            let detail = "an ingress comes as application/json or application/yaml";
            return Err(Problem::new(ProblemType::NotAcceptable, detail));
        }
    };
    Ok(respond::with_header(response, header::VARY, HeaderValue::from_static("accept")))
}

/// The whole object as YAML, whatever the client prefers.
pub(crate) async fn object_yaml(
    State(app): State<App>,
    names: Names,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    whole(&app, &Wanted::parse(names, query.as_deref())?).await
}

/// Which object is asked for. The names are those of a namespace and an ingress: they become part of a URL of the API
/// server, so anything else must not get there.
#[derive(Debug)]
struct Wanted {
    namespace: Namespace,
    name: String,
    cluster: Option<String>,
}

impl Wanted {
    fn parse(names: Names, query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::parse(query)?;
        let cluster = params.one("cluster")?;
        params.finish()?;
        let no_name = || Problem::new(ProblemType::NotFound, "no ingress can have this name");
        let Path((namespace, name)) = names.map_err(|_| no_name())?;
        let namespace = Namespace::new(&namespace).map_err(|_| no_name())?;
        if !is_dns_subdomain(&name) {
            return Err(no_name());
        }
        Ok(Self { namespace, name, cluster })
    }

    fn keys(&self, app: &App) -> Vec<ObjectKey> {
        let is_wanted =
            |cluster: &ClusterId| self.cluster.as_deref().is_none_or(|wanted| wanted == cluster.as_str());
        app.clusters()
            .into_iter()
            .filter(is_wanted)
            .map(|cluster| ObjectKey::new(cluster, Some(self.namespace.as_str()), &self.name))
            .collect()
    }

    /// The one object in the store that is meant.
    fn find(&self, app: &App, snapshot: &Snapshot<Ingress>) -> Result<ObjectKey, Problem> {
        let mut known = self.keys(app).into_iter().filter(|key| snapshot.get(key).is_some());
        match (known.next(), known.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => {
                let detail = "several clusters have such an ingress: `cluster` must say which one is meant";
                Err(Problem::parameter("cluster", detail))
            }
            (None, _) => Err(self.unknown(app, snapshot)),
        }
    }

    // "There is none" and "nobody knows" are different answers, even if both are a 404.
    fn unknown(&self, app: &App, snapshot: &Snapshot<Ingress>) -> Problem {
        let wanted = std::collections::BTreeSet::from([self.namespace.clone()]);
        let clusters: Vec<_> = self.keys(app).iter().map(|key| key.cluster().clone()).collect();
        let mut detail = format!("no ingress {}/{} is known", self.namespace, self.name);
        if let Some(gap) = partial(snapshot.lanes(), &clusters, Some(&wanted)).first() {
            detail.push_str(&format!(", but what is known of its namespace is incomplete: {}", gap.state()));
        }
        Problem::new(ProblemType::NotFound, detail)
    }
}

fn record(app: &App, wanted: &Wanted) -> Result<Response, Problem> {
    let snapshot = app.hub().ingresses().snapshot();
    let key = wanted.find(app, &snapshot)?;
    let ingress = snapshot.get(&key).ok_or_else(|| wanted.unknown(app, &snapshot))?;
    let demo = app.is_demo_cluster(key.cluster());
    respond::json(StatusCode::OK, &Item { key: &key, ingress, demo })
}

async fn whole(app: &App, wanted: &Wanted) -> Result<Response, Problem> {
    let snapshot = app.hub().ingresses().snapshot();
    if !app.hub().scope().contains(wanted.namespace.as_str()) {
        return Err(wanted.unknown(app, &snapshot));
    }
    // With one cluster to ask, it is asked even for what is not in the store: it knows best.
    let mut keys = wanted.keys(app);
    let key = match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => key,
        _ => wanted.find(app, &snapshot)?,
    };
    drop(snapshot);
    let object = app.object(&key).await.map_err(|error| Problem::from(&error))?;
    let mut text = String::new();
    if app.is_demo_cluster(key.cluster()) {
        text.push_str("# Of a simulated cluster: nothing of this is real.\n");
    }
    text.push_str(&yaml::from_json(&object)?);
    Ok(respond::answer(StatusCode::OK, HeaderValue::from_static("application/yaml"), text))
}
