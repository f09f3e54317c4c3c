use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry::trace::Tracer as _;

use super::*;

fn traces(port: u16) -> Traces {
    let endpoint: OtlpEndpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
    Traces::to(Some(&endpoint)).unwrap().unwrap()
}

/// One request of HTTP/1.1, whole; it is answered with 200.
fn receive(listener: &TcpListener) -> Vec<u8> {
    let (mut peer, _) = listener.accept().unwrap();
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = peer.read(&mut buffer).unwrap();
        received.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&received).to_lowercase();
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap().trim().parse().unwrap();
            if received.len() >= end + 4 + length {
                break;
            }
        }
        assert!(read > 0, "it ended too early: {text}");
    }
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    received
}

#[test]
fn what_is_left_is_sent_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, received) = mpsc::channel();
    let collector = std::thread::spawn(move || send.send(receive(&listener)));
    let traces = traces(port);
    drop(traces.0.tracer("test").start("GET /livez"));
    drop(traces);
    let request = received.recv_timeout(Duration::from_secs(30)).unwrap();
    collector.join().unwrap().unwrap();
    let text = String::from_utf8_lossy(&request);
    assert!(text.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{text}");
    for part in ["application/x-protobuf", "GET /livez", "service.name", SERVICE] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_collector_that_is_away_or_says_nothing_holds_nothing_up() {
    // One that refuses, and one that accepts and is silent.
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [refusing, silent.local_addr().unwrap().port()] {
        let traces = traces(port);
        let tracer = traces.0.tracer("test");
        for _ in 0..10_000 {
            drop(tracer.start("more than the queue takes"));
        }
        drop(traces);
    }
}

#[test]
fn without_a_collector_there_are_no_traces() {
    assert!(Traces::to(None).unwrap().is_none());
    let empty: OtlpEndpoint = "".parse().unwrap();
    assert!(Traces::to(Some(&empty)).unwrap().is_none());
}
