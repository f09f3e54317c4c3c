use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::*;
use crate::kind::{Ingress, NamespaceRecord};
use crate::source::scripted::{ClusterHandle, Feed, cluster};
use crate::{ClusterInfo, ErrorKind, Hub, ObjectKey, Origin};

type Fields = BTreeMap<&'static str, String>;

struct Take<'a>(&'a mut Fields);

impl Visit for Take<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// The questions whose spans have ended, in that order.
#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<Fields>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ended {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Take(&mut fields));
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        values.record(&mut Take(context.span(id).unwrap().extensions_mut().get_mut().unwrap()));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let fields = context.span(&id).unwrap().extensions_mut().remove().unwrap();
        self.0.lock().unwrap().push(fields);
    }
}

impl Ended {
    fn listen() -> (Self, DefaultGuard) {
        let ended = Self::default();
        let subscriber = tracing_subscriber::registry().with(ended.clone());
        (ended, tracing::subscriber::set_default(subscriber))
    }

    /// Those of this name.
    fn named(&self, name: &str) -> Vec<Fields> {
        self.0.lock().unwrap().iter().filter(|fields| fields["otel.name"] == name).cloned().collect()
    }
}

/// A hub whose cluster has answered the first list of each kind.
async fn hub() -> (Hub, ClusterHandle, Feed<Ingress>, Feed<NamespaceRecord>) {
    let (source, mut handle) = cluster(ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Custom));
    let hub = Hub::builder(source).start();
    let feed = handle.ingresses.next_watch().await.unwrap().accept();
    let namespaces = handle.namespaces.next_watch().await.unwrap().accept();
    feed.listed([], "1").await;
    namespaces.listed([], "1").await;
    hub.synced().await;
    (hub, handle, feed, namespaces)
}

#[tokio::test(start_paused = true)]
async fn a_list_ends_when_its_answer_begins_and_a_relist_is_called_one() {
    let (ended, _listening) = Ended::listen();
    let (_hub, mut handle, feed, _namespaces) = hub().await;
    let lists = ended.named("list Ingress");
    assert_eq!(lists.len(), 1, "the watch that follows is still open: {lists:?}");
    let list = &lists[0];
    assert_eq!((list["k8s.cluster.name"].as_str(), list["otel.kind"].as_str()), ("prod", "client"));
    assert_eq!((list["verb"].as_str(), list["outcome"].as_str()), ("list", "OK"));
    assert!(!list.contains_key("relist") && !list.contains_key("k8s.namespace.name"), "{list:?}");

    feed.fail(crate::SourceError::new(ErrorKind::Expired, "too old")).await;
    let _again = handle.ingresses.next_watch().await.unwrap().accept();
    while ended.named("list Ingress").len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ended.named("list Ingress")[1]["relist"], "true");
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_a_span_that_says_how_it_ended() {
    let (ended, _listening) = Ended::listen();
    let (hub, mut handle, _feed, _namespaces) = hub().await;
    let key = ObjectKey::new(ClusterId::new("prod").unwrap(), Some("shop"), "cart");
    let ((), answer) = tokio::join!(
        async {
            let failure = crate::SourceError::new(ErrorKind::ServerError, "a secret detail");
            handle.ingresses.next_get().await.unwrap().answer(Err(failure));
            handle.ingresses.next_get().await.unwrap().answer(Ok("{}".into()));
        },
        hub.ingress_object(&key),
    );
    answer.unwrap();
    {
        let mut abandoned = Box::pin(hub.ingress_object(&key));
        assert!(futures::poll!(&mut abandoned).is_pending());
    }
    let gets = ended.named("get Ingress");
    let told: Vec<_> = gets
        .iter()
        .map(|get| {
            let of = |name| get.get(name).map_or("", String::as_str);
            (of("outcome"), of("error.type"), of("otel.status_code"), of("http.request.resend_count"))
        })
        .collect();
    let failed = ErrorKind::ServerError.as_str();
    assert_eq!(told, [(failed, failed, "ERROR", ""), ("OK", "", "", "1"), ("Canceled", "", "", "")]);
    assert!(gets.iter().all(|get| get["k8s.namespace.name"] == "shop"), "{gets:?}");
    assert!(!format!("{gets:?}").contains("secret") && !format!("{gets:?}").contains("cart"), "{gets:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_has_no_span() {
    let (ended, _listening) = Ended::listen();
    let (_hub, _handle, _feed, _namespaces) = hub().await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let names: Vec<_> = ended.0.lock().unwrap().iter().map(|fields| fields["otel.name"].clone()).collect();
    assert!(names.iter().all(|name| name.starts_with("list ") || name.starts_with("watch ")), "{names:?}");
}
