//! What a page would show, folded from the stream, and every promise that the stream broke on the way.
//!
//! The promises are those of `docs/http-api.md`: lanes come before the snapshot; exactly the last chunk of a
//! snapshot says `done` and carries the id; afterwards nothing is added that is there, nothing modified or
//! deleted that is not; no object goes back to an older state; ids only grow; nothing follows `end`. A connection that resumes may
//! repeat what the one before it had told without an id, until it gives one itself.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::parser::Event;
use crate::objects::State;

/// At most how many items one snapshot chunk may hold.
const CHUNK: usize = 500;

/// The state of the fold.
#[derive(Debug, Default)]
pub struct Model {
    items: BTreeMap<String, Value>,
    lanes: BTreeMap<String, Value>,
    phase: Phase,
    // Per uid the newest resource version that was ever shown.
    newest: HashMap<String, u128>,
    position: Option<(String, u64)>,
    // More may be known than the last id says.
    ahead: bool,
    counts: Counts,
    end: Option<String>,
    violations: Vec<String>,
    /// Whether the epoch may change within a stream.
    new_epochs: bool,
}

#[derive(Debug)]
enum Phase {
    /// Nothing known, or told to forget it: chunks of a snapshot are collected here.
    Snapshot(BTreeMap<String, Value>),
    Following,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Snapshot(BTreeMap::new())
    }
}

/// How many events of each sort came, over all connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Complete snapshots.
    pub snapshots: usize,
    /// `added`
    pub added: usize,
    /// `modified`
    pub modified: usize,
    /// `deleted`
    pub deleted: usize,
    /// `reset`
    pub resets: usize,
}

impl Model {
    /// Lets the epoch change within a stream: a fleet's log that is begun anew has another.
    pub fn allow_new_epochs(&mut self) {
        self.new_epochs = true;
    }

    /// A connection starts; `resuming` when it sent the last event's id.
    pub fn connected(&mut self, resuming: bool) {
        self.end = None;
        self.ahead = resuming;
        if !resuming {
            self.phase = Phase::default();
            self.lanes.clear();
            self.position = None;
        }
    }

    /// All items by id, once a snapshot is complete; empty before.
    #[must_use]
    pub fn items(&self) -> &BTreeMap<String, Value> {
        &self.items
    }

    /// The item of this namespace and name.
    #[must_use]
    pub fn item(&self, namespace: &str, name: &str) -> Option<&Value> {
        let end = format!("/{namespace}/{name}");
        self.items.iter().find(|(id, _)| id.ends_with(&end)).map(|(_, item)| item)
    }

    /// Whether it shows this object at all.
    #[must_use]
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        self.item(namespace, name).is_some()
    }

    /// Whether the state at this very resource version, or a newer one, is shown.
    #[must_use]
    pub fn has_version(&self, namespace: &str, name: &str, version: &str) -> bool {
        let wanted = version.parse::<u128>().ok();
        let shown =
            self.item(namespace, name).and_then(|item| text(item, "resourceVersion")?.parse::<u128>().ok());
        wanted.is_some() && shown >= wanted
    }

    /// The states of all items, by `namespace/name`.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, State> {
        self.items
            .values()
            .map(|item| {
                let field = |name| text(item, name).unwrap_or_default();
                let key = format!("{}/{}", field("namespace"), field("name"));
                (key, State::new(field("uid"), field("resourceVersion")))
            })
            .collect()
    }

    /// All lanes of ingresses by namespace; `*` for a cluster-wide one.
    #[must_use]
    pub fn lanes(&self) -> BTreeMap<&str, &Value> {
        self.lanes.values().map(|lane| (text(lane, "namespace").unwrap_or("*"), lane)).collect()
    }

    /// The state of the lane of a namespace (`*` for the cluster-wide one).
    #[must_use]
    pub fn lane_state(&self, namespace: &str) -> Option<&str> {
        text(self.lanes().get(namespace)?, "state")
    }

    /// Whether there are lanes and all of them are live.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.lanes.is_empty() && self.lanes.values().all(|lane| text(lane, "state") == Some("live"))
    }

    /// Whether a snapshot was completed and not revoked since.
    #[must_use]
    pub fn is_following(&self) -> bool {
        matches!(self.phase, Phase::Following)
    }

    /// How many events there were.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The reason of the `end` event, when it came.
    #[must_use]
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// Every broken promise so far.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        if self.end.is_some() {
            self.violation(event, "came after `end`");
        }
        let data: Value = match serde_json::from_str(&event.data) {
            Ok(data) => data,
            Err(error) => return self.violation(event, &format!("holds no JSON: {error}")),
        };
        match event.name.as_str() {
            "lane" => self.lane(event, data),
            "laneRemoved" => self.lane_removed(event, &data),
            "snapshot" => self.snapshot(event, &data),
            "added" | "modified" => self.upsert(event, data),
            "deleted" => self.deleted(event, &data),
            "reset" => self.reset(event, &data),
            "end" => self.end = Some(text(&data, "reason").unwrap_or_default().to_owned()),
            _ => self.violation(event, "has an undocumented name"),
        }
        self.ahead &= event.id.is_none();
    }

    fn lane(&mut self, event: &Event, lane: Value) {
        const STATES: [&str; 5] = ["connecting", "syncing", "live", "reconnecting", "denied"];
        if !text(&lane, "state").is_some_and(|state| STATES.contains(&state)) {
            self.violation(event, "has an undocumented state");
        }
        if text(&lane, "kind") != Some("Ingress") {
            self.violation(event, "is of a kind that this stream does not carry");
        }
        match text(&lane, "id") {
            None => self.violation(event, "has no id"),
            Some(id) => {
                self.lanes.insert(id.to_owned(), lane);
            }
        }
    }

    fn lane_removed(&mut self, event: &Event, data: &Value) {
        // A lane that came and went while this reader was away, or behind, was never told of.
        match text(data, "id") {
            None => self.violation(event, "has no id"),
            Some(id) => drop(self.lanes.remove(id)),
        }
    }

    fn snapshot(&mut self, event: &Event, data: &Value) {
        if self.lanes.is_empty() {
            self.violation(event, "came before any lane");
        }
        let Phase::Snapshot(mut collected) = std::mem::replace(&mut self.phase, Phase::Following) else {
            return self.violation(event, "came in the middle of changes, without a reset");
        };
        let items = data.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if items.len() > CHUNK {
            self.violation(event, &format!("holds {} items", items.len()));
        }
        for item in items {
            self.note_version(event, item);
            let id = text(item, "id").unwrap_or_default().to_owned();
            if collected.insert(id, item.clone()).is_some() {
                self.violation(event, "holds an item twice");
            }
        }
        let done = data.get("done").and_then(Value::as_bool) == Some(true);
        if done != event.id.is_some() {
            self.violation(event, "must carry an id exactly when it is done");
        }
        if !done {
            self.phase = Phase::Snapshot(collected);
            return;
        }
        if event.id.as_deref() != text(data, "revision") {
            self.violation(event, "has an id that is not its revision");
        }
        self.advance(event, false);
        self.items = collected;
        self.counts.snapshots += 1;
    }

    fn upsert(&mut self, event: &Event, item: Value) {
        self.ensure_following(event);
        self.advance(event, true);
        self.note_version(event, &item);
        let Some(id) = text(&item, "id").map(str::to_owned) else {
            return self.violation(event, "has no id");
        };
        let before = self.items.insert(id, item);
        let is_new = before.is_none();
        let says_new = event.name == "added";
        if says_new {
            self.counts.added += 1;
        } else {
            self.counts.modified += 1;
        }
        if is_new != says_new && !self.ahead {
            self.violation(event, if is_new { "is not there" } else { "is there already" });
        }
        let same =
            before.is_some_and(|before| Some(&before) == serde_json::from_str(&event.data).ok().as_ref());
        if same && !self.ahead {
            self.violation(event, "changes nothing");
        }
    }

    fn deleted(&mut self, event: &Event, data: &Value) {
        self.ensure_following(event);
        self.advance(event, true);
        self.counts.deleted += 1;
        let gone = text(data, "id").and_then(|id| self.items.remove(id));
        let Some(gone) = gone else {
            if !self.ahead {
                self.violation(event, "is not there");
            }
            return;
        };
        if ["namespace", "name", "uid"].iter().any(|field| text(&gone, field) != text(data, field)) {
            self.violation(event, "does not describe what was there");
        }
    }

    fn reset(&mut self, event: &Event, data: &Value) {
        const REASONS: [&str; 4] = ["resume-expired", "epoch-changed", "lagged", "access-changed"];
        if !text(data, "reason").is_some_and(|reason| REASONS.contains(&reason)) {
            self.violation(event, "has an undocumented reason");
        }
        self.counts.resets += 1;
        self.phase = Phase::default();
        self.items.clear();
        self.lanes.clear();
        self.position = None;
    }

    fn ensure_following(&mut self, event: &Event) {
        if !self.is_following() {
            self.violation(event, "came before the snapshot was complete");
        }
    }

    /// Checks that the id grows. A change that shared the id of the one before could get lost in a resume. Of what is told in short,
    /// only the last has one.
    fn advance(&mut self, event: &Event, change: bool) {
        if change && event.id.is_none() {
            return;
        }
        let parsed = event.id.as_deref().and_then(|id| {
            let (epoch, number) = id.rsplit_once(':')?;
            Some((epoch.to_owned(), number.parse::<u64>().ok()?))
        });
        let Some((epoch, number)) = parsed else {
            return self.violation(event, "has no id of the form epoch:seq");
        };
        if let Some((old_epoch, old)) = &self.position {
            if *old_epoch != epoch {
                if !self.new_epochs {
                    self.violation(event, "belongs to another epoch, without a reset");
                }
            } else if number < *old || (change && number == *old) {
                let message = format!("has an id that does not grow (after {old})");
                self.violation(event, &message);
            }
        }
        self.position = Some((epoch, number));
    }

    /// Checks that no object goes back in time. Resource versions of one resource may be compared as numbers
    /// (KEP-5504).
    fn note_version(&mut self, event: &Event, item: &Value) {
        let version = text(item, "resourceVersion").and_then(|version| version.parse::<u128>().ok());
        let (Some(uid), Some(version)) = (text(item, "uid"), version) else {
            return self.violation(event, "holds an item without uid or resourceVersion");
        };
        let newest = self.newest.entry(uid.to_owned()).or_default();
        if version < *newest {
            let message = format!("shows {version} after {newest} of uid {uid}");
            self.violation(event, &message);
        } else {
            *newest = version;
        }
    }

    fn violation(&mut self, event: &Event, what: &str) {
        let data: String = event.data.chars().take(160).collect();
        self.violations.push(format!("`{}` (id {:?}) {what}: {data}", event.name, event.id));
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

#[cfg(test)]
mod tests;
