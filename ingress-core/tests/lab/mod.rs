//! A simulated cluster in trouble, in virtual time, and a reader who distrusts everything that it is told.
//!
//! What is added must not be there, what is modified or deleted must be there as it is said to have been, positions must have
//! no gap, and an object's revision must never go back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ingress_core::resilience::backoff::{BackoffPolicy, Jitter};
use ingress_core::source::demo::{DemoFaults, Fault};
use ingress_core::{
    Change, Deltas, DemoSource, Hub, Ingress, Kind, LaneScope, Namespace, ResourceSource, Scope, Snapshot,
    Update, WatchEvent, WatchRequest,
};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

type State = BTreeMap<(String, String), (String, u64)>;

fn entry(object: &Ingress) -> ((String, String), (String, u64)) {
    let place = (object.namespace().unwrap().to_owned(), object.name().to_owned());
    (place, (object.uid().to_owned(), object.resource_version().parse().unwrap()))
}

fn state(snapshot: &Snapshot<Ingress>) -> State {
    snapshot.iter().map(|(_, object)| entry(object)).collect()
}

async fn fresh_list(source: &DemoSource, scope: &Scope) -> State {
    let mut watch = source.watch(WatchRequest::new(LaneScope::Cluster)).await.unwrap();
    let mut list = State::new();
    loop {
        for event in watch.next().await.unwrap().unwrap() {
            match event {
                WatchEvent::Listed(object) => {
                    let object: Ingress = object;
                    if scope.contains(object.namespace().unwrap()) {
                        list.extend([entry(&object)]);
                    }
                }
                _ => return list,
            }
        }
    }
}

struct Reader {
    deltas: Deltas<Ingress>,
    state: State,
    seq: u64,
}

impl Reader {
    fn read(&mut self) {
        while let Some(update) = self.deltas.try_next() {
            let batch = match update {
                Update::Changes(batch) => batch,
                Update::Reset(snapshot) => {
                    self.seq = snapshot.position().seq;
                    self.state = state(&snapshot);
                    continue;
                }
                other => panic!("{other:?}"),
            };
            for (position, change) in batch.iter() {
                assert_eq!(position.seq, self.seq + 1);
                self.seq = position.seq;
                match change {
                    Change::Added(_, new) => {
                        let (place, now) = entry(new);
                        assert_eq!(self.state.insert(place, now), None);
                    }
                    Change::Modified { old, new, .. } => {
                        let (place, now) = entry(new);
                        let before = entry(old).1;
                        assert!(now.1 > before.1, "{place:?} went back from {before:?} to {now:?}");
                        assert_eq!(self.state.insert(place, now), Some(before));
                    }
                    Change::Deleted(_, old) => {
                        let (place, before) = entry(old);
                        assert_eq!(self.state.remove(&place), Some(before));
                    }
                    Change::Lane(_) | Change::LaneRemoved(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Raise(Option<u8>, Fault),
    Clear(Option<u8>),
    Expire,
    Pass(u64),
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let place = proptest::option::of(0..4_u8);
    let fault = prop_oneof![
        Just(Fault::Outage),
        Just(Fault::Stall),
        Just(Fault::Unauthorized),
        Just(Fault::Forbidden),
        Just(Fault::ServerError),
        Just(Fault::Throttled { retry_after: Duration::from_secs(7) }),
    ];
    prop_oneof![
        3 => (place.clone(), fault).prop_map(|(place, fault)| Event::Raise(place, fault)),
        2 => place.prop_map(Event::Clear),
        1 => Just(Event::Expire),
        4 => (1..120_000_u64).prop_map(Event::Pass),
    ]
}

fn scope_of(place: Option<u8>, namespaces: &[Namespace]) -> LaneScope {
    match place.and_then(|place| namespaces.get(usize::from(place))) {
        Some(namespace) => LaneScope::Namespace(namespace.clone()),
        None => LaneScope::Cluster,
    }
}

fn act(faults: &DemoFaults, namespaces: &[Namespace], event: &Event) -> Duration {
    match event {
        Event::Raise(place, fault) => faults.raise(scope_of(*place, namespaces), *fault),
        Event::Clear(place) => faults.clear(&scope_of(*place, namespaces)),
        Event::Expire => faults.expire_revisions(),
        Event::Pass(ms) => return Duration::from_millis(*ms),
    }
    Duration::ZERO
}

/// A hub on a cluster that never stops changing.
pub(crate) struct Lab {
    pub(crate) hub: Hub,
    source: Arc<DemoSource>,
    faults: DemoFaults,
    namespaces: Vec<Namespace>,
    scope: Scope,
    reader: Reader,
}

impl Lab {
    /// Watches a cluster made from a seed: all of it, or four of its six namespaces by name.
    pub(crate) async fn start(seed: u64, few: bool, history: usize) -> Self {
        let source = DemoSource::builder()
            .ingresses(60)
            .namespaces(6)
            .changes_per_second(1.0)
            .seed(seed)
            .build()
            .unwrap();
        let first = fresh_list(&source, &Scope::All).await;
        let mut namespaces: Vec<Namespace> =
            first.keys().map(|(namespace, _)| Namespace::new(namespace).unwrap()).collect();
        namespaces.dedup();
        namespaces.truncate(4);
        let scope = if few {
            Scope::namespaces(namespaces.iter().map(Namespace::as_str)).unwrap()
        } else {
            Scope::All
        };
        let faults = source.faults();
        let source = Arc::new(source);
        let denied =
            BackoffPolicy::new(Duration::from_secs(2), 2.0, Duration::from_secs(60), Jitter::Equal).unwrap();
        let hub =
            Hub::builder(source.clone()).scope(scope.clone()).history(history).denied_backoff(denied).start();
        let (snapshot, deltas) = hub.ingresses().subscribe();
        let reader = Reader { deltas, state: state(&snapshot), seq: snapshot.position().seq };
        Self { hub, source, faults, namespaces, scope, reader }
    }

    pub(crate) async fn live_through(&mut self, schedule: &[Event]) {
        for event in schedule {
            sleep(act(&self.faults, &self.namespaces, event)).await;
            self.reader.read();
        }
    }

    /// Ends all faults; then what the hub and the reader hold must soon equal a fresh list.
    pub(crate) async fn converge(&mut self) {
        self.faults.clear_all();
        // The cluster never stops changing; between two changes there is time enough to be equal.
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            sleep(Duration::from_millis(130)).await;
            self.reader.read();
            let late = Instant::now() > deadline;
            if !late && !self.hub.ingresses().snapshot().lanes().all(|lane| lane.is_live()) {
                continue;
            }
            let expected = fresh_list(&self.source, &self.scope).await;
            let snapshot = self.hub.ingresses().snapshot();
            if state(&snapshot) == expected && self.reader.state == expected && !late {
                return;
            }
            if late {
                let lanes: Vec<_> = snapshot.lanes().collect();
                assert_eq!(self.reader.state, state(&snapshot), "the reader differs");
                assert_eq!(state(&snapshot), expected, "the hub differs: {lanes:?}");
                panic!("not live: {lanes:?}");
            }
        }
    }
}

/// Runs in virtual time: what waits, waits no longer than it takes to say so.
pub(crate) fn in_virtual_time(run: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run);
}
