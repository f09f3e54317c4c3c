//! One reader of the stream, over HTTP/1.1 as browsers without a proxy have it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use http::StatusCode;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::model::Model;
use super::parser::{Event, Parser, Piece};
use crate::rest::Rest;

/// An event and when it arrived.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// When its last byte came.
    pub at: Instant,
    /// What came.
    pub event: Event,
}

/// Reads the stream in a task of its own until dropped.
#[derive(Debug)]
pub struct SseClient {
    url: String,
    token: Option<String>,
    http: reqwest::Client,
    shared: Arc<Shared>,
    // Whether the task is to read on.
    reading: watch::Sender<bool>,
    // Aborts the reading when dropped or replaced.
    task: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    model: Model,
    parser: Parser,
    records: Vec<Record>,
    retry: Option<u64>,
    comments: usize,
    open: bool,
}

impl SseClient {
    /// Opens the stream at this address.
    ///
    /// # Errors
    ///
    /// When the answer is not a stream.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_as(url, None).await
    }

    /// The same for somebody with this bearer token.
    ///
    /// # Errors
    ///
    /// When the answer is not a stream.
    pub async fn connect_as(url: &str, token: Option<&str>) -> Result<Self> {
        let mut client = Self {
            url: url.to_owned(),
            token: token.map(str::to_owned),
            http: reqwest::Client::builder().http1_only().build()?,
            shared: Arc::default(),
            reading: watch::Sender::new(true),
            task: JoinSet::new(),
        };
        client.open(None).await?;
        Ok(client)
    }

    /// Stops reading and keeps the connection open, as a browser's tab on a sleeping machine does.
    pub fn stop_reading(&self) {
        self.reading.send_replace(false);
    }

    /// Reads on.
    pub fn read_on(&self) {
        self.reading.send_replace(true);
    }

    /// Closes the connection and keeps what is known.
    pub fn disconnect(&mut self) {
        self.task = JoinSet::new();
        self.lock().open = false;
    }

    /// Opens the stream again where it ended, as a browser does, with `Last-Event-ID`.
    ///
    /// # Errors
    ///
    /// When the answer is not a stream, or there is no id to resume from.
    pub async fn resume(&mut self) -> Result<()> {
        self.disconnect();
        let last = self.lock().parser.last_id().to_owned();
        if last.is_empty() {
            bail!("no event had an id yet");
        }
        self.open(Some(last)).await
    }

    /// For the stream of a fleet's replica: see [`Model::allow_new_epochs`].
    #[must_use]
    pub fn of_fleet(self) -> Self {
        self.lock().model.allow_new_epochs();
        self
    }

    /// Goes on at another replica, whose interface this is, where the stream ended.
    ///
    /// # Errors
    ///
    /// As for [`resume`](Self::resume).
    pub async fn roam(&mut self, to: &Rest) -> Result<()> {
        let path = self.url.find("/api/").unwrap_or(self.url.len());
        self.url = format!("{}{}", to.base(), self.url.get(path..).unwrap_or_default());
        self.resume().await
    }

    /// Opens the stream again from the beginning.
    ///
    /// # Errors
    ///
    /// When the answer is not a stream.
    pub async fn reopen(&mut self) -> Result<()> {
        self.disconnect();
        self.open(None).await
    }

    /// [`resume`](Self::resume) with an id of the test's choice.
    ///
    /// # Errors
    ///
    /// When the answer is not a stream.
    pub async fn resume_from(&mut self, id: &str) -> Result<()> {
        self.disconnect();
        self.open(Some(id.to_owned())).await
    }

    async fn open(&mut self, resume: Option<String>) -> Result<()> {
        let mut request = self.http.get(&self.url).header("accept", "text/event-stream");
        if let Some(id) = &resume {
            request = request.header("last-event-id", id);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut answer = request.send().await.with_context(|| format!("opening {}", self.url))?;
        let kind =
            answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if answer.status() != StatusCode::OK || !kind.starts_with("text/event-stream") {
            let (status, kind) = (answer.status(), kind.to_owned());
            bail!(
                "{} answered {status} with {kind:?}: {}",
                self.url,
                answer.text().await.unwrap_or_default()
            );
        }
        {
            let mut state = self.lock();
            state.model.connected(resume.is_some());
            state.parser = Parser::after(resume.as_deref().unwrap_or_default());
            state.open = true;
        }
        let (shared, mut reading) = (Arc::clone(&self.shared), self.reading.subscribe());
        self.task.spawn(async move {
            while reading.wait_for(|reading| *reading).await.is_ok()
                && let Ok(Some(bytes)) = answer.chunk().await
            {
                shared.take(&bytes);
            }
            shared.lock().open = false;
            shared.changed.notify_waiters();
        });
        Ok(())
    }

    /// Looks at the model now.
    pub fn look<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.lock().model)
    }

    /// Waits until the model satisfies a condition.
    ///
    /// # Errors
    ///
    /// When it does not in time; the message tells the lanes and the counts.
    pub async fn wait(&self, what: &str, within: Duration, condition: impl Fn(&Model) -> bool) -> Result<()> {
        self.wait_state(what, within, |state| condition(&state.model)).await
    }

    /// Whether the server has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.lock().open
    }

    /// Waits until the server has closed the connection.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn closed(&self, within: Duration) -> Result<()> {
        self.wait_state("the stream to be closed", within, |state| !state.open).await
    }

    /// Waits for a comment line that comes after this call.
    ///
    /// # Errors
    ///
    /// When none comes in time.
    pub async fn heartbeat(&self, within: Duration) -> Result<()> {
        let before = self.lock().comments;
        self.wait_state("a comment line", within, |state| state.comments > before).await
    }

    async fn wait_state(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&State) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            // Registered before the look, so that no change falls between the two.
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(&self.lock()) {
                return Ok(());
            }
            if timeout_at(deadline, changed).await.is_err() {
                let state = self.lock();
                let (open, counts, items) = (state.open, state.model.counts(), state.model.items().len());
                let lanes = state.model.lanes();
                return Err(anyhow!(
                    "waited {within:?} in vain for {what}; open: {open}, {counts:?}, {items} items, lanes: {lanes:?}, \
                     violations: {:?}",
                    state.model.violations()
                ));
            }
        }
    }

    /// Every event so far, over all connections.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// Takes the events so far, so that a stream which lasts does not fill the memory.
    #[must_use]
    pub fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().records)
    }

    /// What `retry:` said, in milliseconds.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        self.lock().retry
    }

    /// The last id that came.
    #[must_use]
    pub fn last_id(&self) -> String {
        self.lock().parser.last_id().to_owned()
    }

    /// Fails when the stream has broken a promise.
    ///
    /// # Errors
    ///
    /// When it has; the message lists the first ones.
    pub fn check(&self) -> Result<()> {
        let state = self.lock();
        let violations = state.model.violations();
        if violations.is_empty() {
            return Ok(());
        }
        let first: Vec<&str> = violations.iter().take(5).map(String::as_str).collect();
        bail!("the stream broke {} promises, first:\n{}", violations.len(), first.join("\n"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: &[u8]) {
        let at = Instant::now();
        let mut state = self.lock();
        for piece in state.parser.feed(bytes) {
            match piece {
                Piece::Event(event) => {
                    state.model.apply(&event);
                    state.records.push(Record { at, event });
                }
                Piece::Comment(_) => state.comments += 1,
                Piece::Retry(milliseconds) => state.retry = Some(milliseconds),
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }
}
