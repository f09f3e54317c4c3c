//! Traces as a collector receives them from the real program.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::dashboard::Launch;
use e2e::lab::scenario_with;
use e2e::wait::{self, PATIENCE};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An OTLP receiver: keeps what it is sent, and says that all is well.
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let kept = received.clone();
        // Ends with the process of the test.
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || receive(peer, &kept));
            }
        });
        Ok(Self { url, received })
    }

    fn has(&self, wanted: &[u8]) -> bool {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.windows(wanted.len()).any(|window| window == wanted)
    }
}

/// Requests of one connection, one after the other, until it ends.
fn receive(mut peer: TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let (mut request, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let read = peer.read(&mut buffer).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(buffer.get(..read)?);
        let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(request.get(..head)?).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        if request.len() >= head + 4 + length.trim().parse::<usize>().ok()? {
            kept.lock().unwrap_or_else(PoisonError::into_inner).append(&mut request);
            peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }
}

/// As it is in protobuf.
fn bytes(hex: &str) -> Result<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2).filter_map(|at| hex.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair, 16).context("not hexadecimal")).collect()
}

#[test]
fn a_collector_is_sent_requests_and_the_questions_that_they_cause() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let collector = Collector::start()?;
        let launch = Launch::dashboard(lab)?
            .args(["--demo", "20", "--otlp-endpoint", &collector.url])
            .environment("OTEL_BSP_SCHEDULE_DELAY", "200")
            .environment("RUST_LOG", "ingress_http::protect=debug");
        let mut dashboard = launch.start().await?;
        dashboard.ready().await?;
        let list = dashboard.rest().json("/api/ingresses?limit=1").await?;
        let text = |pointer| list.pointer(pointer).and_then(serde_json::Value::as_str).context("no ingress");
        let (namespace, name) = (text("/items/0/namespace")?, text("/items/0/name")?);
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let path = format!("/api/ingresses/{namespace}/{name}/yaml?cluster=");
        let cluster = text("/items/0/cluster")?;
        let answer =
            dashboard.rest().get_with(&format!("{path}{cluster}"), &[("traceparent", &parent)]).await?;
        ensure!(answer.status == 200, "{answer:?}");
        let id = answer.header("x-request-id").to_owned();

        let (trace, request) = (bytes(TRACE)?, b"GET /api/ingresses/{namespace}/{name}/yaml");
        wait::until("the spans", PATIENCE, async || Ok(collector.has(&trace) && collector.has(request)))
            .await?;
        for wanted in
            ["ingress-dashboard", "list Ingress", "get Ingress", "k8s.cluster.name", "http.route", &id]
        {
            ensure!(collector.has(wanted.as_bytes()), "no {wanted}");
        }
        ensure!(!collector.has(b"?cluster="), "a query was sent");

        let output = dashboard.process().output()?;
        let line = output.lines().find(|line| line.contains(&id)).context("no line of the request")?;
        let line: serde_json::Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(line["request_id"] == *id && line["trace_id"] == TRACE, "{line}");
        ensure!(line["span_id"].as_str().is_some_and(|span| span.len() == 16), "{line}");
        dashboard.stop().await.map(drop)
    })
}

#[test]
fn a_collector_that_is_away_is_told_of_once_and_holds_nothing_up() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let nobody = format!("http://127.0.0.1:{}", e2e::ports::free()?);
        let launch = Launch::dashboard(lab)?
            .args(["--demo", "20"])
            .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &nobody)
            .environment("OTEL_BSP_SCHEDULE_DELAY", "100");
        let mut dashboard = launch.start().await?;
        dashboard.ready().await?;
        let told = || Ok(dashboard.process().output()?.matches("traces can't be sent").count());
        wait::until("the line", PATIENCE, async || told().map(|lines| lines > 0)).await?;
        for _ in 0..20 {
            ensure!(dashboard.rest().get("/livez").await?.status == 200, "/livez fails");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let lines: usize = told()?;
        ensure!(lines == 1, "{lines} lines");
        let after = dashboard.stop().await?;
        ensure!(after < Duration::from_secs(4), "it took {after:?} to end");
        Ok(())
    })
}
