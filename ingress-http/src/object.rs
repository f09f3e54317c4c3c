//! `GET /api/ingresses/{namespace}/{name}`, and the same with `/yaml`.
//!
//! The JSON form is the record that is in memory anyway. The YAML form is the whole object, asked of the cluster for this
//! request, or lately for another one, as `Cache-Status` says: then it is of the very revision that the record has. Whatever the cluster
//! says to that, the client is told. Only objects in the hub's scope are asked for: this
//! process may be allowed to read more than it was told to show.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ingress_core::{ClusterId, Namespace, ObjectKey};

use crate::app::App;
use crate::filter::Filter;
use crate::negotiate::Form;
use crate::params::Params;
use crate::partial::{Partial, partial};
use crate::problem::{Problem, ProblemType};
use crate::respond;
use crate::selector::is_dns_subdomain;
use crate::view::{Lens, Shown, View};
use crate::wire::Item;
use crate::yaml;

/// How an answer came (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

type Names = Result<Path<(String, String)>, PathRejection>;

/// The object in the form that the client prefers.
pub(crate) async fn object(
    State(app): State<App>,
    view: View,
    names: Names,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Wanted::parse(names, query.as_deref())?;
    let response = match Form::preferred(&headers) {
        Some(Form::Json) => record(&app, &view, &wanted)?,
        Some(Form::Yaml) => whole(&app, &view, &wanted).await?,
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
    view: View,
    names: Names,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    whole(&app, &view, &Wanted::parse(names, query.as_deref())?).await
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

    fn keys(&self, view: &View) -> Vec<ObjectKey> {
        let is_wanted =
            |cluster: &ClusterId| self.cluster.as_deref().is_none_or(|wanted| wanted == cluster.as_str());
        view.clusters()
            .into_iter()
            .filter(is_wanted)
            .map(|cluster| ObjectKey::new(cluster, Some(self.namespace.as_str()), &self.name))
            .collect()
    }

    /// The namespace of the object, and nothing else.
    fn lens(&self, view: &View) -> Lens {
        view.lens(Filter::of_namespace(self.namespace.clone()))
    }

    /// The one object in the store that is meant.
    fn find(&self, view: &View, shown: &Shown, lens: &Lens) -> Result<ObjectKey, Problem> {
        let mut known = self.keys(view).into_iter().filter(|key| shown.get(key, lens).is_some());
        match (known.next(), known.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => {
                let detail = "several clusters have such an ingress: `cluster` must say which one is meant";
                Err(Problem::parameter("cluster", detail))
            }
            (None, _) => Err(self.unknown(shown, lens)),
        }
    }

    // "There is none" and "nobody knows" are different answers, even if both are a 404.
    fn unknown(&self, shown: &Shown, lens: &Lens) -> Problem {
        let mut detail = format!("no ingress {}/{} is known", self.namespace, self.name);
        let is_meant =
            |gap: &&Partial<'_>| self.cluster.as_deref().is_none_or(|cluster| cluster == gap.cluster());
        if let Some(gap) = partial(shown, lens).iter().find(is_meant) {
            detail.push_str(&format!(", but what is known of its namespace is incomplete: {}", gap.state()));
        }
        Problem::new(ProblemType::NotFound, detail)
    }
}

fn record(app: &App, view: &View, wanted: &Wanted) -> Result<Response, Problem> {
    let (shown, lens) = (view.ingresses(), wanted.lens(view));
    let key = wanted.find(view, &shown, &lens)?;
    let ingress = shown.get(&key, &lens).ok_or_else(|| wanted.unknown(&shown, &lens))?;
    let demo = app.is_demo_cluster(key.cluster());
    respond::json(StatusCode::OK, &Item { key: &key, ingress, demo })
}

async fn whole(app: &App, view: &View, wanted: &Wanted) -> Result<Response, Problem> {
    // With one cluster to ask, it is asked even for what is not in the store: it knows best.
    let mut keys = wanted.keys(view);
    let key = match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => key,
        _ => wanted.find(view, &view.ingresses(), &wanted.lens(view))?,
    };
    if !view.may_read(&key) {
        return Err(wanted.unknown(&view.ingresses(), &wanted.lens(view)));
    }
    let (object, came) = view.ingress_object(&key).await.map_err(|error| Problem::from(&error))?;
    let mut text = String::new();
    if app.is_demo_cluster(key.cluster()) {
        text.push_str("# Of a simulated cluster: nothing of this is real.\n");
    }
    text.push_str(&yaml::from_json(&object)?);
    let response = respond::answer(StatusCode::OK, HeaderValue::from_static("application/yaml"), text);
    // Its text is words and numbers, which are always a valid value.
    Ok(match came.and_then(|came| HeaderValue::try_from(came.to_string()).ok()) {
        Some(came) => respond::with_header(response, CACHE_STATUS, came),
        None => response,
    })
}
