//! Whatever a cluster goes through, the hub ends with its state, and a reader who follows is told of it without a lie.
//!
//! A simulated cluster that changes all the time has faults switched on and off at random, for the whole of it or for single
//! namespaces, in virtual time. A reader folds every change and distrusts each: what is added must not be there, what is
//! modified or deleted must be there as it is said to have been, positions must have no gap, and an object's revision must
//! never go back. When the faults are over, what the hub and the reader hold must equal a fresh list.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use ingress_core::resilience::backoff::{BackoffPolicy, Jitter};
use ingress_core::source::demo::{DemoFaults, Fault};
use ingress_core::{
    Change, Deltas, DemoSource, Hub, Ingress, Kind, LaneScope, Namespace, ResourceSource, Scope, Snapshot,
    Update, WatchEvent, WatchRequest,
};
use proptest::prelude::*;

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
enum Event {
    Raise(Option<u8>, Fault),
    Clear(Option<u8>),
    Expire,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
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

async fn run(seed: u64, few: bool, history: usize, schedule: Vec<Event>) {
    let source =
        DemoSource::builder().ingresses(60).namespaces(6).changes_per_second(1.0).seed(seed).build().unwrap();
    let first = fresh_list(&source, &Scope::All).await;
    let mut namespaces: Vec<Namespace> =
        first.keys().map(|(namespace, _)| Namespace::new(namespace).unwrap()).collect();
    namespaces.dedup();
    namespaces.truncate(4);
    let scope =
        if few { Scope::namespaces(namespaces.iter().map(Namespace::as_str)).unwrap() } else { Scope::All };
    let faults = source.faults();
    let source = std::sync::Arc::new(source);
    let denied =
        BackoffPolicy::new(Duration::from_secs(2), 2.0, Duration::from_secs(60), Jitter::Equal).unwrap();
    let hub =
        Hub::builder(source.clone()).scope(scope.clone()).history(history).denied_backoff(denied).start();
    let (snapshot, deltas) = hub.ingresses().subscribe();
    let mut reader = Reader { deltas, state: state(&snapshot), seq: snapshot.position().seq };
    for event in &schedule {
        tokio::time::sleep(act(&faults, &namespaces, event)).await;
        reader.read();
    }
    faults.clear_all();
    // The cluster never stops changing; between two changes there is time enough to be equal.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(240);
    loop {
        tokio::time::sleep(Duration::from_millis(130)).await;
        reader.read();
        let late = tokio::time::Instant::now() > deadline;
        if !late && !hub.ingresses().snapshot().lanes().all(|lane| lane.is_live()) {
            continue;
        }
        let expected = fresh_list(&source, &scope).await;
        let snapshot = hub.ingresses().snapshot();
        if state(&snapshot) == expected && reader.state == expected && !late {
            return;
        }
        if late {
            let lanes: Vec<_> = snapshot.lanes().collect();
            assert_eq!(reader.state, state(&snapshot), "the reader differs");
            assert_eq!(state(&snapshot), expected, "the hub differs: {lanes:?}");
            panic!("not live: {lanes:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_and_its_readers_converge(
        seed in any::<u64>(), few in any::<bool>(), history in prop_oneof![Just(8_usize), Just(8192)],
        schedule in proptest::collection::vec(event(), 1..24),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(seed, few, history, schedule));
    }
}
