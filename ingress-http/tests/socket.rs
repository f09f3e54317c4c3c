//! The stream over a WebSocket, with a client that is not ours.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, StatusCode};
use ingress_core::source::scripted::{self, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, Hub, Ingress, Kind};
use ingress_http::{Dashboard, Shutdown};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn ingress(name: &str, version: u64) -> Ingress {
    let object = json!({
        "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string()},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": format!("{name}.example.com")}]}
    });
    Ingress::decode_json(&mut serde_json::Deserializer::from_str(&object.to_string())).unwrap()
}

/// A served router over a scripted cluster.
struct Stage {
    address: SocketAddr,
    feed: Feed<Ingress>,
    shutdown: Shutdown,
    hub: Hub,
    _server: JoinSet<()>,
}

impl Stage {
    async fn set(count: u64, max_streams: usize) -> Self {
        let (source, mut cluster) =
            scripted::cluster(ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Argument));
        let hub = Hub::builder(source).start();
        let feed = cluster.ingresses.next_watch().await.unwrap().accept();
        feed.listed((0..count).map(|number| ingress(&format!("x{number:05}"), number + 1)), "1").await;
        hub.synced().await;
        let dashboard = Dashboard::builder(hub.clone())
            .heartbeat(Duration::from_secs(1))
            .unwrap()
            .max_streams(max_streams)
            .build();
        let shutdown = dashboard.shutdown();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, dashboard));
        Self { address, feed, shutdown, hub, _server: server }
    }

    async fn open(&self, query: &str, origin: Option<&str>) -> Result<Socket, StatusCode> {
        let mut request =
            format!("ws://{}/api/ingresses/ws{query}", self.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// With our own server where it is there, for which a WebSocket is a connection that it gives away.
#[cfg(feature = "server")]
async fn serve(listener: TcpListener, dashboard: Dashboard) {
    let server = ingress_http::server::Server::builder().build();
    let _ended = server.serve(listener, dashboard.into_router(), std::future::pending()).await;
}

#[cfg(not(feature = "server"))]
async fn serve(listener: TcpListener, dashboard: Dashboard) {
    axum::serve(listener, dashboard.into_router()).await.unwrap();
}

async fn next(socket: &mut Socket) -> Message {
    tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap().unwrap().unwrap()
}

/// The next event that is no heartbeat.
async fn event(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = next(socket).await {
            let event: Value = serde_json::from_str(&text).unwrap();
            if event["event"] != "heartbeat" {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn a_socket_is_told_what_a_stream_is() {
    let stage = Stage::set(700, 10).await;
    let mut socket = stage.open("?class=nginx", None).await.unwrap();
    let Message::Text(first) = next(&mut socket).await else { panic!("a text") };
    let first: Value = serde_json::from_str(&first).unwrap();
    assert!(first["event"] == "heartbeat" && first["data"]["retry"].as_u64().unwrap() >= 1000);
    let mut events = vec![event(&mut socket).await];
    while events.last().unwrap()["data"]["done"] != true {
        events.push(event(&mut socket).await);
    }
    let items = |event: &Value| event["data"]["items"].as_array().map_or(0, Vec::len);
    assert_eq!(
        (events[0]["event"].as_str().unwrap(), events.iter().map(items).sum::<usize>()),
        ("lane", 700)
    );
    assert_eq!(events.last().unwrap()["id"], events.last().unwrap()["data"]["revision"]);

    // What the client says is read and means nothing.
    socket.send(Message::text("hello")).await.unwrap();
    socket.send(Message::Ping("there?".into())).await.unwrap();
    while !matches!(next(&mut socket).await, Message::Pong(data) if data == "there?".as_bytes()) {}
    stage.feed.applied(ingress("x00001", 9000)).await;
    let modified = event(&mut socket).await;
    assert_eq!(modified["event"], "modified");
    assert_eq!(modified["data"]["resourceVersion"], "9000");
    assert_eq!(modified["id"].as_str().unwrap(), stage.hub.ingresses().snapshot().position().to_string());

    let mut resumed = stage
        .open(&format!("?since={}", events.last().unwrap()["id"].as_str().unwrap()), None)
        .await
        .unwrap();
    let told = [event(&mut resumed).await, event(&mut resumed).await, event(&mut resumed).await];
    assert_eq!(
        told.map(|event| event["event"].as_str().unwrap().to_owned()),
        ["lane", "resumed", "modified"]
    );

    stage.shutdown.begin();
    assert_eq!(event(&mut socket).await["data"]["reason"], "shutdown");
    loop {
        if let Message::Close(frame) = next(&mut socket).await {
            assert_eq!(frame.unwrap().code, CloseCode::Away);
            break;
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_open_nothing() {
    let stage = Stage::set(1, 10).await;
    assert_eq!(stage.open("", Some("https://evil.example.com")).await.unwrap_err(), StatusCode::FORBIDDEN);
    assert_eq!(stage.open("", Some("null")).await.unwrap_err(), StatusCode::FORBIDDEN);
    let own = format!("http://{}", stage.address);
    assert!(stage.open("", Some(&own)).await.is_ok());
}

#[tokio::test]
async fn a_socket_takes_the_place_of_a_stream_and_gives_it_back() {
    let stage = Stage::set(1, 1).await;
    let mut socket = stage.open("", None).await.unwrap();
    event(&mut socket).await;
    assert_eq!(stage.open("", None).await.unwrap_err(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stage.open("?limit=5", None).await.unwrap_err(), StatusCode::BAD_REQUEST);
    socket.close(None).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while stage.open("", None).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the place is not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_says_too_much_or_answers_no_ping_is_left() {
    let stage = Stage::set(1, 10).await;
    let mut chatty = stage.open("", None).await.unwrap();
    chatty.send(Message::text("x".repeat(100_000))).await.unwrap();
    loop {
        match tokio::time::timeout(Duration::from_secs(20), chatty.next()).await.unwrap() {
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => {}
        }
    }
    // One whose machine sleeps: its connection is there, and nobody reads it.
    let asleep = stage.open("", None).await.unwrap();
    let viewers = async || {
        let metrics = get(stage.address, "/metrics").await;
        metrics.lines().find_map(|line| line.strip_prefix("ingress_stream_viewers ")).unwrap().to_owned()
    };
    assert_eq!(viewers().await, "1");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while viewers().await != "0" {
        assert!(tokio::time::Instant::now() < deadline, "still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(asleep);
}

#[tokio::test]
async fn what_is_no_handshake_is_told_where_to_go() {
    let stage = Stage::set(1, 10).await;
    let answer = get(stage.address, "/api/ingresses/ws").await;
    assert!(answer.starts_with("HTTP/1.1 426") && answer.contains("upgrade-required"), "{answer}");
}

/// One answer, as text.
async fn get(address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}
