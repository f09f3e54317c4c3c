//! `GET /api/ingresses/ws`: the same stream over a WebSocket (RFC 6455), for clients that have no server-sent events, or a proxy in between
//! that collects them.
//!
//! Each event is a text message of its own: `{"event", "id"?, "data"}`. What is encoded is shared by all sockets of a feed, as it is among
//! streams of events. Nothing that a client says means anything: its messages are bounded, read and dropped. A client that takes nothing
//! for [`STALLED`], or that answers no ping, is left.

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{OriginalUri, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Extensions, HeaderMap};
use tokio::time::{Instant, sleep_until, timeout};

use super::events::{Events, Follow, SHUTDOWN};
use super::frames::Form;
use super::open;
use crate::app::App;
use crate::problem::{Problem, ProblemType};
use crate::view::View;

mod origin;

/// How long one message may take to be sent.
const STALLED: Duration = Duration::from_secs(30);

/// How many pings in a row may go without any answer.
const UNANSWERED: u8 = 2;

/// What a client may say at once, in bytes: a ping, or the reason for its leaving.
const SAID: usize = 4096;

/// What is read from the connection at once: the default of 128 KiB would be held for every viewer.
const READ: usize = 4096;

/// The stream ended for a reason that is not the server's stopping: the `end` event before it tells which.
const OVER: u16 = 4401;

pub(crate) async fn socket(
    State(app): State<App>,
    view: View,
    OriginalUri(uri): OriginalUri,
    extensions: Extensions,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if !origin::is_trusted(&headers, &uri, app.allowed_origins()) {
        let detail = "a page of another origin may not open this socket";
        return Err(Problem::new(ProblemType::Forbidden, detail));
    }
    let upgrade = upgrade.map_err(|_| {
        let detail = "this path answers WebSocket handshakes (RFC 6455) only; /api/ingresses/stream is the same over HTTP";
        Problem::new(ProblemType::UpgradeRequired, detail)
    })?;
    let events = open(&app, &view, &extensions, &headers, query.as_deref(), Form::Messages)?;
    let upgrade = upgrade
        .max_message_size(SAID)
        .max_frame_size(SAID)
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .on_failed_upgrade(|error| tracing::debug!(%error, "a connection did not become a WebSocket"));
    let heartbeat = app.options().heartbeat;
    // The task that axum runs this in ends with the connection, or with the stream, whichever is first.
    Ok(upgrade.on_upgrade(move |socket| serve(socket, events, heartbeat)))
}

async fn serve(mut socket: WebSocket, mut events: Events<impl Follow>, heartbeat: Duration) {
    let mut lines = Lines::default();
    let mut next_ping = Instant::now() + heartbeat;
    let mut unanswered = 0;
    loop {
        let messages = tokio::select! {
            chunk = events.next() => match chunk {
                Some(Ok(chunk)) => lines.split(chunk.into_plain()),
                Some(Err(_)) => return close(&mut socket, close_code::ERROR, "internal").await,
                None => {
                    let reason = events.over().unwrap_or(SHUTDOWN);
                    let code = if reason == SHUTDOWN { close_code::AWAY } else { OVER };
                    return close(&mut socket, code, reason).await;
                }
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_))) | None => return,
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
                // Larger than it may be, or no WebSocket any more.
                Some(Err(_)) => return close(&mut socket, close_code::POLICY, "bad message").await,
            },
            () = sleep_until(next_ping) => {
                next_ping = Instant::now() + heartbeat;
                if unanswered >= UNANSWERED {
                    return;
                }
                unanswered += 1;
                vec![Message::Ping(Bytes::new())]
            }
        };
        for message in messages {
            let bytes = size_of_message(&message);
            match timeout(STALLED, socket.send(message)).await {
                Ok(Ok(())) => events.handed(bytes),
                // Gone, or as good as.
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }
}

fn size_of_message(message: &Message) -> usize {
    if let Message::Text(text) = message { text.len() } else { 0 }
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    // Whoever does not take this either is left without.
    if let Ok(Err(error)) = timeout(STALLED, socket.send(Message::Close(Some(frame)))).await {
        tracing::debug!(%error, "a WebSocket was not closed in order");
    }
}

/// Cuts bytes into messages, each of which is a line; a line that is in one piece is not copied.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn split(&mut self, mut bytes: Bytes) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let rest = bytes.split_off(end);
            let line = if self.begun.is_empty() {
                bytes
            } else {
                self.begun.extend_from_slice(&bytes);
                std::mem::take(&mut self.begun).into()
            };
            // What serde_json writes is UTF-8.
            messages.extend(Utf8Bytes::try_from(line).ok().map(Message::Text));
            bytes = rest.slice(1..);
        }
        self.begun.extend_from_slice(&bytes);
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lines_wherever_the_bytes_are_cut() {
        let text = "{\"a\":1}\n{}\n{\"b\":\"ö\"}\n";
        for cut in 0..=text.len() {
            let (one, other) = text.as_bytes().split_at(cut);
            let mut lines = Lines::default();
            let mut messages = lines.split(Bytes::copy_from_slice(one));
            messages.extend(lines.split(Bytes::copy_from_slice(other)));
            let texts: Vec<_> = messages.iter().map(|message| message.to_text().unwrap()).collect();
            assert_eq!(texts, ["{\"a\":1}", "{}", "{\"b\":\"ö\"}"], "{cut}");
            assert!(lines.begun.is_empty());
        }
    }
}
