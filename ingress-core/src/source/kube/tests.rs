use std::sync::Mutex;

use super::*;
use crate::key::ClusterId;
use crate::kind::{DeploymentMeta, Ingress, NamespaceRecord, Resource, TlsSecret};
use http::{Response, Uri};

/// What the scripted API server answers: a status, headers, and the body in chunks (an error breaks the connection).
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    chunks: Vec<Result<Bytes, std::io::Error>>,
}

fn ok(chunks: &[&str]) -> Answer {
    answer(200, chunks)
}

fn answer(status: u16, chunks: &[&str]) -> Answer {
    let chunks = chunks.iter().map(|chunk| Ok(Bytes::copy_from_slice(chunk.as_bytes()))).collect();
    Answer { status, headers: Vec::new(), chunks }
}

/// What a server answers that does not allow streaming lists.
fn no_streaming() -> Answer {
    answer(422, &[r#"{"code":422,"reason":"Invalid","message":"sendInitialEvents is forbidden"}"#])
}

fn protobuf(message: Vec<u8>) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", "application/vnd.kubernetes.protobuf".into())],
        chunks: vec![Ok(message.into())],
    }
}

type Asked = Arc<Mutex<Vec<Uri>>>;

/// A source whose API server gives these answers, one after another.
fn source(answers: Vec<Answer>) -> (KubeSource, Asked) {
    let asked = Asked::default();
    let log = asked.clone();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let service = tower::service_fn(move |request: Request<Body>| {
        log.lock().unwrap().push(request.uri().clone());
        let answer = answers.lock().unwrap().next();
        async move {
            let answer = answer.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionRefused))?;
            let mut response = Response::builder().status(answer.status);
            for (name, value) in answer.headers {
                response = response.header(name, value);
            }
            let frames = stream::iter(answer.chunks).map(|chunk| chunk.map(http_body::Frame::data));
            Ok::<_, std::io::Error>(response.body(http_body_util::StreamBody::new(frames)).unwrap())
        }
    });
    let client = kube::Client::new(service, "default");
    let info = ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom);
    (KubeSource::from_client(client, info), asked)
}

fn queries(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().iter().map(|uri| uri.query().unwrap_or_default().to_owned()).collect()
}

async fn collect<K: Kind>(mut stream: WatchStream<K>) -> (Vec<String>, Option<SourceError>) {
    let mut events = Vec::new();
    while let Some(batch) = stream.next().await {
        match batch {
            Err(error) => return (events, Some(error)),
            Ok(batch) => events.extend(batch.into_iter().map(|event| match event {
                WatchEvent::Listed(object) => format!("listed {}", object.name()),
                WatchEvent::Synced(revision) => format!("synced {revision}"),
                WatchEvent::Applied(object) => format!("applied {}", object.name()),
                WatchEvent::Deleted(gone) => format!("deleted {}", gone.name),
                WatchEvent::Bookmark(revision) => format!("bookmark {revision}"),
            })),
        }
    }
    (events, None)
}

fn everything() -> WatchRequest {
    WatchRequest::new(LaneScope::Cluster)
}

async fn refusal(source: &KubeSource) -> SourceError {
    match ResourceSource::<Ingress>::watch(source, everything()).await {
        Ok(_) => panic!("it was refused"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn pages_then_the_watch_from_the_lists_revision() {
    let (source, asked) = source(vec![
        no_streaming(),
        ok(&[
            r#"{"metadata":{"resourceVersion":"9","continue":"a/b="},"items":[{"metadata":{"name":"x"}}]}"#,
        ]),
        ok(&[r#"{"metadata":{"resourceVer"#, r#"sion":"9"},"items":[{"metadata":{"name":"y"}}]}"#]),
        ok(&[
            r#"{"type":"ADDED","object":{"metadata":{"name":"z","resourceVersion":"10"}}}"#,
            "\n{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"12\"}}}\n",
        ]),
    ]);
    let stream = ResourceSource::<Ingress>::watch(&source, everything()).await.unwrap();
    let (events, error) = collect(stream).await;
    assert_eq!(events, ["listed x", "listed y", "synced 9", "applied z", "bookmark 12"]);
    assert!(error.is_none(), "a watch that ends is no error");
    let queries = queries(&asked);
    assert!(
        queries[0].ends_with("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        "{}",
        queries[0]
    );
    assert_eq!(queries[1..3], ["limit=1000", "limit=1000&continue=a%2Fb%3D"]);
    assert!(queries[3].starts_with("watch=1&allowWatchBookmarks=true&timeoutSeconds="), "{}", queries[3]);
    assert!(queries[3].ends_with("&resourceVersion=9"), "{}", queries[3]);
    let path = asked.lock().unwrap()[0].path().to_owned();
    assert_eq!(path, "/apis/networking.k8s.io/v1/ingresses");
}

#[tokio::test]
async fn a_namespace_and_a_resume_point_go_into_the_request() {
    let (source, asked) = source(vec![ok(&[])]);
    let scope = LaneScope::Namespace(Namespace::new("shop").unwrap());
    let request = WatchRequest::resuming(scope, Revision::new("77"));
    let stream = ResourceSource::<Ingress>::watch(&source, request).await.unwrap();
    assert!(collect(stream).await.0.is_empty());
    let uri = asked.lock().unwrap()[0].clone();
    assert_eq!(uri.path(), "/apis/networking.k8s.io/v1/namespaces/shop/ingresses");
    assert!(uri.query().unwrap().ends_with("resourceVersion=77"));
}

#[tokio::test]
async fn a_watch_that_begins_before_its_resume_point_does_not_go_back_in_time() {
    let event = |verb: &str, name: &str, revision: &str| {
        format!(
            "{{\"type\":\"{verb}\",\"object\":{{\"metadata\":{{\"name\":\"{name}\",\"resourceVersion\":\"{revision}\"}}}}}}\n"
        )
    };
    let told = [
        event("MODIFIED", "old", "70"),
        event("DELETED", "old", "77"),
        event("BOOKMARK", "", "76"),
        event("BOOKMARK", "", "77"),
        event("ADDED", "new", "78"),
        event("MODIFIED", "old", "78"),
        event("MODIFIED", "odd", "not-a-number"),
        event("DELETED", "new", "9999"),
    ];
    let chunks: Vec<&str> = told.iter().map(String::as_str).collect();
    let watch = async |resume: &str| {
        let (source, _) = source(vec![ok(&chunks)]);
        let request = WatchRequest::resuming(LaneScope::Cluster, Revision::new(resume));
        collect(ResourceSource::<Ingress>::watch(&source, request).await.unwrap()).await.0
    };
    assert_eq!(watch("77").await, ["bookmark 77", "applied new", "applied odd", "deleted new"]);
    assert_eq!(watch("opaque").await.len(), 8, "nothing is known of another order");
}

#[tokio::test]
async fn who_asked_too_much_is_logged_with_the_flow_schema_that_says_so() {
    let flow = |id: &str| vec![("x-kubernetes-pf-flowschema-uid", id.to_owned())];
    let answers = vec![
        Answer { headers: flow("schema-1"), ..answer(429, &["slow down"]) },
        Answer { headers: flow("schema-2"), ..answer(500, &["not its doing"]) },
    ];
    let (source, _) = source(answers);
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Mutex::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    assert_eq!(refusal(&source).await.kind(), ErrorKind::TooManyRequests);
    assert_eq!(refusal(&source).await.kind(), ErrorKind::ServerError);
    drop(logging);
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("WARN") && log.contains("flow_schema=\"schema-1\""), "{log}");
    assert!(!log.contains("schema-2"), "{log}");
}

#[tokio::test]
async fn a_continue_token_that_expired_makes_the_next_list_one_piece() {
    let page = r#"{"metadata":{"resourceVersion":"9","continue":"t"},"items":[]}"#;
    let whole = r#"{"metadata":{"resourceVersion":"10"},"items":[]}"#;
    let (source, asked) = source(vec![
        no_streaming(),
        ok(&[page]),
        answer(410, &["{}"]),
        ok(&[whole]),
        ok(&[]),
        ok(&[whole]),
        ok(&[]),
    ]);
    let watch =
        async || collect(ResourceSource::<Ingress>::watch(&source, everything()).await.unwrap()).await;
    assert_eq!(watch().await.1.unwrap().kind(), ErrorKind::Expired);
    assert_eq!(watch().await.0, ["synced 10"]);
    assert_eq!(watch().await.0, ["synced 10"]);
    let queries = queries(&asked);
    assert_eq!(
        (queries[3].as_str(), queries[5].as_str()),
        ("", "limit=1000"),
        "and paged again once it worked"
    );
}

#[tokio::test]
async fn refusals_are_told_apart_with_what_the_server_says() {
    let forbidden = r#"{"kind":"Status","code":403,"message":"ingresses is forbidden: user x"}"#;
    let mut slow = answer(429, &["Too many requests"]);
    slow.headers = vec![("retry-after", "7".into()), ("x-kubernetes-pf-flowschema-uid", "u-1".into())];
    let (source, _) = source(vec![
        answer(401, &["Unauthorized"]),
        answer(403, &[forbidden]),
        answer(410, &[]),
        slow,
        answer(503, &["<html>"]),
        answer(504, &[]),
    ]);
    assert_eq!(refusal(&source).await.kind(), ErrorKind::Unauthorized);
    assert_eq!(refusal(&source).await.message(), "ingresses is forbidden: user x");
    assert_eq!(refusal(&source).await.kind(), ErrorKind::Expired);
    let slow = refusal(&source).await;
    assert_eq!((slow.kind(), slow.retry_after()), (ErrorKind::TooManyRequests, Some(Duration::from_secs(7))));
    assert_eq!(refusal(&source).await.message(), "the API server answered 503");
    assert_eq!(refusal(&source).await.kind(), ErrorKind::Timeout);
    let refused = refusal(&source).await;
    assert_eq!((refused.kind(), refused.message()), (ErrorKind::Unreachable, "connection refused"));
    let (source, _) = self::source(vec![answer(404, &["404 page not found"])]);
    assert_eq!(refusal(&source).await.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_came_whole_before_a_break_is_kept() {
    let list = r#"{"metadata":{"resourceVersion":"9"},"items":[]}"#;
    let event =
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"z\",\"resourceVersion\":\"10\"}}}\n";
    let mut reset = ok(&[event, "{\"type\":\"ADD"]);
    reset.chunks.push(Err(std::io::ErrorKind::ConnectionReset.into()));
    let cases = [
        (reset, ErrorKind::Disconnected),
        (ok(&[event, "{\"type\":\"ADD"]), ErrorKind::Disconnected),
        (ok(&[&format!("{event}{{\"type\":\"ERROR\",\"object\":{{\"code\":410}}}}\n")]), ErrorKind::Expired),
        (ok(&[&format!("{event}not json\n")]), ErrorKind::Malformed),
    ];
    for (watch, expected) in cases {
        let (source, _) = source(vec![no_streaming(), ok(&[list]), watch]);
        let stream = ResourceSource::<Ingress>::watch(&source, everything()).await.unwrap();
        let (events, error) = collect(stream).await;
        assert_eq!(events, ["synced 9", "applied z"], "{expected:?}");
        assert_eq!(error.unwrap().kind(), expected);
    }
}

#[tokio::test]
async fn one_object_is_read_by_its_name_and_nothing_else_becomes_a_path() {
    let (source, asked) = source(vec![ok(&["{}"])]);
    let cluster = ClusterId::new("c").unwrap();
    let get = async |namespace, name| {
        let key = ObjectKey::new(cluster.clone(), Some(namespace), name);
        ResourceSource::<Ingress>::get(&source, &key).await
    };
    assert_eq!(get("shop", "cart.v2").await.unwrap(), "{}");
    for (namespace, name) in
        [("shop", ".."), ("..", "x"), ("shop", "a/b"), ("shop", "a?x"), ("shop", ""), ("shop", "A")]
    {
        assert_eq!(get(namespace, name).await.unwrap_err().kind(), ErrorKind::NotFound, "{namespace}/{name}");
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path(), "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/cart.v2");
}

#[tokio::test]
async fn a_probe_asks_whether_the_server_is_ready_and_says_what_it_answered() {
    let (source, asked) = source(vec![
        ok(&["ok"]),
        answer(403, &[]),
        answer(401, &[]),
        answer(500, &["[-]poststarthook/rbac failed"]),
    ]);
    assert!(source.probe().await.is_ok());
    let kinds =
        [ErrorKind::Forbidden, ErrorKind::Unauthorized, ErrorKind::ServerError, ErrorKind::Unreachable];
    for kind in kinds {
        assert_eq!(source.probe().await.unwrap_err().kind(), kind);
    }
    assert_eq!(asked.lock().unwrap()[0].path(), "/readyz");
}

#[tokio::test]
async fn a_cluster_scoped_kind_has_no_namespace_in_its_path() {
    let list = r#"{"metadata":{"resourceVersion":"1"},"items":[]}"#;
    let (source, asked) = source(vec![no_streaming(), ok(&[list]), ok(&[])]);
    let stream = ResourceSource::<NamespaceRecord>::watch(&source, everything()).await.unwrap();
    assert_eq!(collect(stream).await.0, ["synced 1"]);
    assert_eq!(asked.lock().unwrap()[0].path(), "/api/v1/namespaces");
}

const ADDED: &str =
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"3\"}}}\n";
const COMPLETE: &str = "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n";

#[tokio::test]
async fn a_streaming_list_goes_over_into_the_watch_by_itself() {
    let (source, asked) = source(vec![ok(&[ADDED, COMPLETE, ADDED])]);
    let stream = ResourceSource::<Ingress>::watch(&source, everything()).await.unwrap();
    let (events, error) = collect(stream).await;
    assert_eq!(events, ["listed x", "synced 9", "applied x"]);
    assert!(error.is_none());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_streaming_list_cut_half_way_is_no_state_and_after_two_pages_are_tried() {
    let whole = r#"{"metadata":{"resourceVersion":"10"},"items":[]}"#;
    let (source, asked) = source(vec![ok(&[ADDED]), ok(&[ADDED, "{"]), ok(&[whole]), ok(&[])]);
    let watch =
        async || collect(ResourceSource::<Ingress>::watch(&source, everything()).await.unwrap()).await;
    assert_eq!(watch().await.0, ["listed x"]);
    assert_eq!(watch().await.1.unwrap().kind(), ErrorKind::Disconnected);
    assert_eq!(watch().await.0, ["synced 10"]);
    assert_eq!(queries(&asked)[2], "limit=1000");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_the_wish_for_a_streaming_list_is_noticed() {
    let bookmark = "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n";
    let whole = r#"{"metadata":{"resourceVersion":"10"},"items":[]}"#;
    let (source, _) = self::source(vec![ok(&[ADDED, bookmark]), ok(&[whole]), ok(&[])]);
    let watch =
        async || collect(ResourceSource::<Ingress>::watch(&source, everything()).await.unwrap()).await;
    assert_eq!(watch().await.1.unwrap().kind(), ErrorKind::Disconnected);
    assert_eq!(watch().await.0, ["synced 10"]);
}

#[tokio::test]
async fn the_content_type_decides_how_an_answer_is_read() {
    // A list of nothing at revision 9: k8s, then Unknown { raw: List { metadata: { resourceVersion: "9" } } }.
    let list = b"k8s\0\x12\x05\x0a\x03\x12\x019".to_vec();
    let mut page = ok(&["<html>sign in</html>"]);
    page.headers = vec![("content-type", "text/html; charset=utf-8".into())];
    let (source, _) = source(vec![no_streaming(), protobuf(list), ok(&[]), page]);
    let stream = ResourceSource::<Ingress>::watch(&source, everything()).await.unwrap();
    assert_eq!(collect(stream).await.0, ["synced 9"]);
    let error = refusal(&source).await;
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.message().contains("text/html"), "{error}");
}

#[tokio::test]
async fn reviews_are_questions_that_are_posted() {
    use crate::access::{Attributes, Token, UserInfo};
    let (source, asked) = source(vec![
        answer(201, &[r#"{"status":{"authenticated":true,"user":{"username":"ann","groups":["dev"]}}}"#]),
        answer(201, &[r#"{"status":{"allowed":true}}"#]),
        answer(403, &[r#"{"code":403,"reason":"Forbidden","message":"no"}"#]),
    ]);
    let ann = UserInfo::new("ann", ["dev"]);
    assert_eq!(source.review_token(&Token::new("t"), &[]).await.unwrap(), Some(ann.clone()));
    let scrape = Attributes::NonResource { verb: "get", path: "/metrics" };
    assert!(source.review_access(&ann, &scrape).await.unwrap());
    assert_eq!(source.review_access(&ann, &scrape).await.unwrap_err().kind(), ErrorKind::Forbidden);
    let paths: Vec<_> = asked.lock().unwrap().iter().map(|uri| uri.path().to_owned()).collect();
    assert_eq!(paths[0], "/apis/authentication.k8s.io/v1/tokenreviews");
    assert_eq!(paths[1], "/apis/authorization.k8s.io/v1/subjectaccessreviews");
}

/// A kind that was `v1beta1` once.
#[derive(Debug, Clone, PartialEq)]
struct Moved(NamespaceRecord);

impl Kind for Moved {
    fn resource() -> Resource {
        Resource::namespaced("example.com", "v1", "Moved", "moved").or_older(&["v1beta2", "v1beta1"])
    }
    fn decode_json<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NamespaceRecord::decode_json(deserializer).map(Self)
    }
    fn namespace(&self) -> Option<&str> {
        None
    }
    fn name(&self) -> &str {
        self.0.name()
    }
    fn uid(&self) -> &str {
        self.0.uid()
    }
    fn resource_version(&self) -> &str {
        self.0.resource_version()
    }
}

fn group(versions: &[&str]) -> Answer {
    let versions: Vec<_> = versions
        .iter()
        .map(|version| serde_json::json!({"groupVersion": format!("example.com/{version}"), "version": version}))
        .collect();
    ok(&[&serde_json::json!({"kind": "APIGroup", "name": "example.com", "versions": versions}).to_string()])
}

/// How each of these watches went, and the paths that were asked for.
async fn watches(answers: Vec<Answer>, count: usize) -> (Vec<Result<(), ErrorKind>>, Vec<String>) {
    let (source, asked) = source(answers);
    let mut went = Vec::new();
    for _ in 0..count {
        let watch = ResourceSource::<Moved>::watch(&source, everything()).await;
        went.push(watch.map(drop).map_err(|error| error.kind()));
        tokio::time::advance(versions::FRESH).await;
    }
    let short = |uri: &Uri| uri.path().trim_start_matches("/apis/example.com").to_owned();
    let asked = asked.lock().unwrap().iter().map(short).collect();
    (went, asked)
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_read_in_the_best_version_that_the_cluster_serves() {
    let missing = || answer(404, &["404 page not found"]);
    // The group serves v1, but not of this kind.
    let answers = vec![missing(), group(&["v1", "v1alpha1", "v1beta1"]), ok(&[COMPLETE]), ok(&[COMPLETE])];
    let (went, asked) = watches(answers, 2).await;
    assert_eq!(went, [Ok(()), Ok(())]);
    assert_eq!(asked, ["/v1/moved", "", "/v1beta1/moved", "/v1beta1/moved"], "what answered is remembered");

    // What answered once is gone. The server does not say what there is instead, so all are tried.
    let answers = vec![
        missing(),
        group(&["v1beta1"]),
        ok(&[COMPLETE]),
        missing(),
        answer(403, &["{}"]),
        missing(),
        ok(&[COMPLETE]),
        ok(&[COMPLETE]),
    ];
    let (went, asked) = watches(answers, 3).await;
    assert_eq!(went, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(
        asked[2..],
        ["/v1beta1/moved", "/v1beta1/moved", "", "/v1/moved", "/v1beta2/moved", "/v1beta2/moved"]
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_kind_that_is_not_installed_the_group_is_asked_now_and_then() {
    let missing = || answer(404, &["404 page not found"]);
    let answers = vec![missing(), missing(), missing(), group(&["v1"]), ok(&[COMPLETE]), ok(&[COMPLETE])];
    let (source, asked) = source(answers);
    let watch = async || {
        let watch = ResourceSource::<Moved>::watch(&source, everything()).await;
        watch.map(drop).map_err(|error| error.kind())
    };
    let absent = Err(ErrorKind::NotFound);
    assert_eq!((watch().await, watch().await, watch().await), (absent, absent, absent));
    assert_eq!(asked.lock().unwrap().len(), 2, "the second and third were answered by what was known");
    tokio::time::advance(versions::FRESH).await;
    assert_eq!(watch().await, absent);
    tokio::time::advance(versions::FRESH).await;
    assert_eq!((watch().await, watch().await), (Ok(()), Ok(())));
    let paths: Vec<_> = asked.lock().unwrap().iter().skip(2).map(|uri| uri.path().to_owned()).collect();
    let kind = "/apis/example.com/v1/moved";
    assert_eq!(paths, ["/apis/example.com", "/apis/example.com", kind, kind]);
}

#[tokio::test]
async fn a_kind_of_which_only_some_objects_matter_is_asked_for_those() {
    let list = r#"{"metadata":{"resourceVersion":"1"},"items":[]}"#;
    let (source, asked) = source(vec![no_streaming(), ok(&[list]), ok(&[])]);
    let stream = ResourceSource::<TlsSecret>::watch(&source, everything()).await.unwrap();
    assert_eq!(collect(stream).await.0, ["synced 1"]);
    for query in queries(&asked) {
        assert!(query.ends_with("&fieldSelector=type%3Dkubernetes.io%2Ftls"), "{query}");
    }
    let key = ObjectKey::new(ClusterId::new("c").unwrap(), Some("shop"), "shop-tls");
    let refused = ResourceSource::<TlsSecret>::get(&source, &key).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Configuration);
    assert_eq!(asked.lock().unwrap().len(), 3, "a secret is not even asked for");
}

#[test]
fn metadata_is_asked_for_alone_and_whole_objects_only_where_that_is_not_known() {
    let shape = Shape::of::<DeploymentMeta>();
    assert_eq!(
        Wanted::List(shape).accept(),
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
         application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    );
    assert_eq!(
        Wanted::Watch(shape).accept(),
        "application/vnd.kubernetes.protobuf;stream=watch;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,\
         application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
    );
    assert_eq!(
        Wanted::Metadata.accept(),
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
    );
    assert_eq!(Wanted::List(Shape::of::<Moved>()).accept(), "application/json");
}
