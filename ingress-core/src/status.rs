//! What a lane says of itself, always: its state, its age, its failures.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::{Timestamp, wall_now};
use crate::error::SourceError;
use crate::key::{ClusterId, LaneScope};
use crate::kind::Resource;

/// Identifies a lane: one cluster, one kind, one scope.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct LaneId {
    /// The cluster.
    pub cluster: ClusterId,
    /// The kind's plural, as in URLs.
    pub plural: Cow<'static, str>,
    /// The whole cluster, or one namespace.
    pub scope: LaneScope,
}

impl LaneId {
    /// The lane of a kind over a scope.
    #[must_use]
    pub fn new(cluster: ClusterId, resource: &Resource, scope: LaneScope) -> Self {
        Self { cluster, plural: resource.plural.clone(), scope }
    }
}

/// `cluster/plural/namespace`, with `*` for the whole cluster.
impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = self.scope.namespace().map_or("*", |namespace| namespace.as_str());
        write!(f, "{}/{}/{scope}", self.cluster, self.plural)
    }
}

impl fmt::Debug for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LaneId({self})")
    }
}

/// What a lane is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LaneState {
    /// Nothing is known yet; trying to reach the source.
    Connecting,
    /// The source answers; the current state is being read. What was known before stays, marked stale.
    Syncing,
    /// Current.
    Live,
    /// It was live and isn't; trying again.
    Reconnecting,
    /// The source refuses for good; asked again only rarely.
    Denied,
}

impl LaneState {
    /// All states, in the order of their declaration.
    pub(crate) const ALL: [Self; 5] =
        [Self::Connecting, Self::Syncing, Self::Live, Self::Reconnecting, Self::Denied];

    /// The state's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Syncing => "syncing",
            Self::Live => "live",
            Self::Reconnecting => "reconnecting",
            Self::Denied => "denied",
        }
    }
}

/// The state of a lane, as of one revision of the store.
///
/// `last_contact` and `objects` are gauges: they are read when asked for, since a change of theirs is not worth a
/// revision of its own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LaneStatus {
    /// Which lane.
    pub id: LaneId,
    /// The kind it feeds.
    pub kind: Cow<'static, str>,
    /// What it is doing.
    pub state: LaneState,
    /// When it began to.
    pub since: Timestamp,
    /// When the state of the source was last read or resumed completely.
    pub last_sync: Option<Timestamp>,
    /// Set while objects of this lane are known but not confirmed current: since when.
    pub stale_since: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// When it tries again.
    pub retry_at: Option<Timestamp>,
    /// How often it read the whole state again after the first time.
    pub relists: u64,
    /// How often an answer made no sense: undecodable, above a bound, or against the source's contract.
    pub malformed: u64,
    /// The error that ended the last attempt; `None` while live.
    pub error: Option<SourceError>,
    pub(crate) gauges: Arc<Gauges>,
}

#[derive(Debug, Default)]
pub(crate) struct Gauges {
    last_contact_ms: AtomicI64,
    objects: AtomicU64,
}

impl Gauges {
    pub(crate) fn contact(&self) {
        self.last_contact_ms.store(wall_now().as_millisecond(), Ordering::Relaxed);
    }

    pub(crate) fn set_objects(&self, objects: usize) {
        self.objects.store(objects as u64, Ordering::Relaxed);
    }
}

impl LaneStatus {
    /// A lane that has just begun.
    #[must_use]
    pub fn new(id: LaneId, kind: impl Into<Cow<'static, str>>) -> Self {
        Self {
            id,
            kind: kind.into(),
            state: LaneState::Connecting,
            since: wall_now(),
            last_sync: None,
            stale_since: None,
            failures: 0,
            retry_at: None,
            relists: 0,
            malformed: 0,
            error: None,
            gauges: Arc::default(),
        }
    }

    /// Whether what this lane feeds is current.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == LaneState::Live
    }

    /// When the source was last heard of; `None` before the first time.
    #[must_use]
    pub fn last_contact(&self) -> Option<Timestamp> {
        match self.gauges.last_contact_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => Timestamp::from_millisecond(ms).ok(),
        }
    }

    /// Sets what is read when asked for: when the source was last heard of, in milliseconds since 1970, and how many objects the lane
    /// feeds. For whoever passes on what another process's lane says of itself.
    pub fn set_gauges(&self, last_contact: Option<i64>, objects: u64) {
        self.gauges.last_contact_ms.store(last_contact.unwrap_or(0), Ordering::Relaxed);
        self.gauges.objects.store(objects, Ordering::Relaxed);
    }

    /// How many objects this lane feeds.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.gauges.objects.load(Ordering::Relaxed)
    }
}
