//! Every kind of a group, watched as if it were one.
//!
//! Of some groups nobody knows the kinds beforehand: each template of Gatekeeper brings one. So the server is asked which there are
//! (`/apis/{group}/{version}`), each is watched, and their events are told as those of one watch: the state is complete when that of each is. The kind is put before
//! an object's name, which two kinds may share; the record does the same.
//!
//! There is no revision from which all of them could be resumed. Who asks for that is told that it has expired, and lists anew; and so that this is rare, the
//! watch of a kind that ends in order is resumed here. A kind that comes or goes ends the whole, which is then begun anew: the server is asked every
//! [`LOOK`], and since that is an answer, too, it stands for the bookmarks of kinds in which nothing happens. It costs a watch for each kind and
//! four requests a minute, and nothing where the group isn't served.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use serde::Deserialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::{KubeSource, MAX_BATCH, MAX_ERROR_BODY, Wanted, read};
use crate::error::{ErrorKind, SourceError};
use crate::key::Revision;
use crate::kind::{Kind, Resource};
use crate::source::{CALL_TIMEOUT, Tombstone, WatchEvent, WatchRequest, WatchStream};

/// How often the server is asked which kinds there are. Sooner than a lane doubts a watch that is quiet.
const LOOK: Duration = Duration::from_secs(15);
/// How long the watch of one kind may say nothing: the API server sends a bookmark about once a minute.
const SILENCE: Duration = Duration::from_secs(90);
/// How long to wait before a watch that ended is resumed: one that ends at once, again and again, must not cost more.
const PAUSE: Duration = Duration::from_secs(1);
/// How much of the list of kinds is read.
const MAX_KINDS: usize = 16 * MAX_ERROR_BODY;

/// The kinds of a group, by their plurals.
type Members = BTreeMap<String, String>;

#[derive(Deserialize)]
struct ApiResources {
    #[serde(default)]
    resources: Vec<ApiResource>,
}

#[derive(Deserialize)]
struct ApiResource {
    name: String,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
}

/// Watches every kind of a group.
pub(super) async fn watch<K: Kind>(
    source: &KubeSource,
    request: &WatchRequest,
) -> Result<WatchStream<K>, SourceError> {
    let resource = K::resource();
    if request.resume.is_some() {
        let message = format!("the kinds of {} can't be resumed together", resource.group);
        return Err(SourceError::new(ErrorKind::Expired, message));
    }
    let members = members(source, &resource).await?;
    if members.is_empty() {
        let message = format!("the server serves no kind of {}", resource.group);
        return Err(SourceError::new(ErrorKind::NotFound, message));
    }
    let mut events = SelectAll::new();
    for (plural, kind) in &members {
        let mut member = resource.clone();
        member.plural = plural.clone().into();
        let path = member.path(None);
        match source.watch_at(path.clone(), request).await {
            Ok(stream) => {
                let member = Member { source: source.clone(), path, kind: kind.clone(), stream, last: None };
                events.push(stream::unfold(Some(member), next).boxed());
            }
            // It went between the two questions.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut look = interval_at(Instant::now() + LOOK, LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let waiting = events.len();
    let all = All {
        source: source.clone(),
        resource,
        members,
        events,
        waiting,
        held: Vec::new(),
        last: None,
        look,
    };
    // Where all of them went, the state is complete as well, and empty.
    let first = (waiting == 0).then(|| Ok(vec![WatchEvent::Synced(Revision::new("0"))]));
    Ok(stream::iter(first).chain(stream::unfold(Some(all), All::next)).boxed())
}

/// Which kinds the group has that can be watched.
async fn members(source: &KubeSource, resource: &Resource) -> Result<Members, SourceError> {
    let path = format!("/apis/{}/{}", resource.group, resource.version);
    let answer = source.shared.send(&path, "", Wanted::Json).await?;
    let body = read(answer.chunks, MAX_KINDS).await?;
    let told: ApiResources = serde_json::from_slice(&body).map_err(|error| {
        SourceError::new(ErrorKind::Malformed, format!("{}: no list of kinds: {error}", resource.group))
    })?;
    // What has a slash is a part of another one, such as its status.
    let watched = |it: &ApiResource| !it.name.contains('/') && it.verbs.iter().any(|verb| verb == "watch");
    Ok(told.resources.into_iter().filter(watched).map(|it| (it.name, it.kind)).collect())
}

/// One kind of the group.
struct Member<K> {
    source: KubeSource,
    path: String,
    kind: String,
    stream: WatchStream<K>,
    /// Up to where it was told; `None` until its state is complete.
    last: Option<Revision>,
}

type Told<K> = Result<Vec<WatchEvent<K>>, SourceError>;

/// The next events of one kind. An error is its last item.
async fn next<K: Kind>(member: Option<Member<K>>) -> Option<(Told<K>, Option<Member<K>>)> {
    let mut member = member?;
    loop {
        match timeout(SILENCE, member.stream.next()).await {
            Ok(Some(Ok(mut batch))) => {
                batch.iter_mut().for_each(|event| member.take(event));
                return Some((Ok(batch), Some(member)));
            }
            Ok(Some(Err(error))) => return Some((Err(error), None)),
            Err(_) => {
                let message = format!("the watch of {} said nothing for too long", member.kind);
                return Some((Err(SourceError::new(ErrorKind::Timeout, message)), None));
            }
            Ok(None) => {}
        }
        let Some(last) = &member.last else {
            let message = "the watch ended before the current state was complete";
            return Some((Err(SourceError::new(ErrorKind::Disconnected, message)), None));
        };
        sleep(PAUSE).await;
        match member.source.shared.watch_from(&member.path, last).await {
            Ok(stream) => member.stream = stream,
            Err(error) => return Some((Err(error), None)),
        }
    }
}

impl<K: Kind> Member<K> {
    /// Notes how far it is, and names what is gone as the record would.
    fn take(&mut self, event: &mut WatchEvent<K>) {
        let complete = self.last.is_some();
        let revision = match event {
            WatchEvent::Deleted(gone) => {
                let name = K::resource().name_of(&self.kind, &gone.name).into_owned();
                *gone = Tombstone::new(gone.namespace.as_deref(), &name, gone.revision.clone());
                gone.revision.clone()
            }
            WatchEvent::Applied(object) => Revision::new(object.resource_version()),
            WatchEvent::Bookmark(revision) => revision.clone(),
            WatchEvent::Synced(revision) => {
                self.last = Some(revision.clone());
                return;
            }
            WatchEvent::Listed(_) => return,
        };
        if complete {
            self.last = Some(revision);
        }
    }
}

/// All kinds of the group.
struct All<K> {
    source: KubeSource,
    resource: Resource,
    members: Members,
    events: SelectAll<BoxStream<'static, Told<K>>>,
    /// How many of them are not complete yet.
    waiting: usize,
    /// What happened to those that are, until all are.
    held: Vec<WatchEvent<K>>,
    last: Option<Revision>,
    look: Interval,
}

impl<K: Kind> All<K> {
    /// The next events of all kinds.
    async fn next(all: Option<Self>) -> Option<(Told<K>, Option<Self>)> {
        let mut all = all?;
        loop {
            let told = tokio::select! {
                told = all.events.next(), if !all.events.is_empty() => told,
                _ = all.look.tick() => {
                    if has_changed(&all.source, &all.resource, &all.members).await {
                        return None;
                    }
                    let Some(last) = all.last.clone() else { continue };
                    return Some((Ok(vec![WatchEvent::Bookmark(last)]), Some(all)));
                }
            };
            match told? {
                Err(error) => return Some((Err(error), None)),
                Ok(batch) => {
                    let news = all.sort(batch);
                    if all.held.len() > MAX_BATCH {
                        let message = "more changes than are held before the current state was complete";
                        return Some((Err(SourceError::new(ErrorKind::Malformed, message)), None));
                    }
                    if !news.is_empty() {
                        return Some((Ok(news), Some(all)));
                    }
                }
            }
        }
    }

    /// What can be told now.
    fn sort(&mut self, batch: Vec<WatchEvent<K>>) -> Vec<WatchEvent<K>> {
        let mut news = Vec::new();
        for event in batch {
            match event {
                WatchEvent::Synced(revision) => {
                    self.waiting = self.waiting.saturating_sub(1);
                    if self.waiting == 0 {
                        self.last = Some(revision.clone());
                        news.push(WatchEvent::Synced(revision));
                        news.append(&mut self.held);
                    }
                }
                WatchEvent::Listed(_) => news.push(event),
                WatchEvent::Applied(_) | WatchEvent::Deleted(_) if self.waiting > 0 => self.held.push(event),
                WatchEvent::Applied(_) | WatchEvent::Deleted(_) => news.push(event),
                WatchEvent::Bookmark(_) => {}
            }
        }
        news
    }
}

/// Whether the group has other kinds than those that are watched. Where nobody tells, it hasn't: the watches notice an outage themselves.
async fn has_changed(source: &KubeSource, resource: &Resource, known: &Members) -> bool {
    match timeout(CALL_TIMEOUT, members(source, resource)).await {
        Ok(Ok(members)) => members != *known,
        Ok(Err(error)) => error.kind() == ErrorKind::NotFound,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
