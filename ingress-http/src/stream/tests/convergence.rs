//! Whatever happens: random changes, reading speeds, cuts, resumes and permissions, beside a model that remembers everything.

use std::collections::BTreeMap;

use ingress_core::Kind as _;
use proptest::prelude::*;

use super::*;
use crate::fixture::{filter, grants};
use crate::view::{Grants, Veil};

/// What a client makes of the stream, and every promise that it checks on the way.
#[derive(Debug, Default)]
struct Client {
    shown: BTreeMap<String, Value>,
    snapshot: BTreeMap<String, Value>,
    lanes: BTreeMap<String, Value>,
    last_id: Option<String>,
    complete: bool,
    /// It may know more than its last id says, until it is told a new one.
    ahead: bool,
    /// Of each object, over all connections, the newest version that it was ever shown, and whether it was told since that it is gone.
    newest: BTreeMap<String, (u64, bool)>,
}

impl Client {
    fn forget(&mut self) {
        *self = Self { newest: std::mem::take(&mut self.newest), ..Self::default() };
    }

    fn apply(&mut self, blocks: &[Block]) {
        for block in blocks.iter().cloned() {
            if let (Some(event), Some(data)) = (block.event, block.data) {
                self.event(&event, data);
            }
            if let Some(id) = block.id {
                self.ahead = false;
                self.last_id = Some(id).filter(|id| !id.is_empty());
            }
        }
    }

    fn event(&mut self, event: &str, data: Value) {
        let id = data["id"].as_str().unwrap_or_default().to_owned();
        match event {
            "reset" => self.forget(),
            "lane" => {
                self.lanes.insert(id, data);
            }
            // A lane that came and went while the client was away, or behind, was perhaps never told of.
            "laneRemoved" => {
                self.lanes.remove(&id);
            }
            "snapshot" => {
                assert!(!self.complete, "a snapshot without a reset");
                for item in data["items"].as_array().unwrap() {
                    self.sees(item);
                    let old = self.snapshot.insert(item["id"].as_str().unwrap().to_owned(), item.clone());
                    assert!(old.is_none());
                }
                if data["done"] == true {
                    self.shown = std::mem::take(&mut self.snapshot);
                    self.complete = true;
                }
            }
            "added" | "modified" => {
                self.sees(&data);
                let known = self.shown.insert(id, data).is_some();
                assert!(self.complete && (self.ahead || known == (event == "modified")), "{event}");
            }
            "deleted" => {
                if let Some((_, gone)) = self.newest.get_mut(&id) {
                    *gone = true;
                }
                let known = self.shown.remove(&id).is_some();
                assert!(self.complete && (self.ahead || known), "deleted");
            }
            other => panic!("{other}"),
        }
    }

    /// No object goes back in time, and none that is gone comes back as it was.
    fn sees(&mut self, item: &Value) {
        let version: u64 = item["resourceVersion"].as_str().unwrap().parse().unwrap();
        let newest = self.newest.entry(item["id"].as_str().unwrap().to_owned()).or_default();
        let forward = if newest.1 { version > newest.0 } else { version >= newest.0 };
        assert!(forward, "{item} after {newest:?}");
        *newest = (version, false);
    }

    fn ids(&self) -> Vec<(String, String)> {
        let version = |item: &Value| item["resourceVersion"].as_str().unwrap().to_owned();
        self.shown.iter().map(|(id, item)| (id.clone(), version(item))).collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put {
        namespace: u8,
        name: u8,
        class: u8,
    },
    Delete {
        namespace: u8,
        name: u8,
    },
    /// Changes that nobody who is slow keeps up with, each published.
    Burst(Vec<(u8, u8, Option<u8>)>),
    Lane {
        namespace: u8,
        live: bool,
    },
    LaneRemoved {
        namespace: u8,
    },
    Publish,
    /// The client reads this many pieces.
    Read(usize),
    /// The client reads this many pieces, of which only so many blocks arrive before the connection breaks, and comes back.
    Cut {
        pieces: usize,
        blocks: usize,
    },
    /// The viewer may see something else.
    Access(usize),
    /// The same while the client is away.
    AccessWhileAway(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..3_u8, 0..4_u8, proptest::option::weighted(0.7, 0..2_u8));
    prop_oneof![
        6 => (0..3_u8, 0..4_u8, 0..2_u8).prop_map(|(namespace, name, class)| Step::Put { namespace, name, class }),
        3 => (0..3_u8, 0..4_u8).prop_map(|(namespace, name)| Step::Delete { namespace, name }),
        2 => proptest::collection::vec(change, 60..100).prop_map(Step::Burst),
        1 => (0..3_u8, any::<bool>()).prop_map(|(namespace, live)| Step::Lane { namespace, live }),
        1 => (0..3_u8).prop_map(|namespace| Step::LaneRemoved { namespace }),
        4 => Just(Step::Publish),
        3 => (1..4_usize).prop_map(Step::Read),
        3 => (0..5_usize, 0..12_usize).prop_map(|(pieces, blocks)| Step::Cut { pieces, blocks }),
        1 => (0..3_usize).prop_map(Step::Access),
        1 => (0..3_usize).prop_map(Step::AccessWhileAway),
    ]
}

/// A store, a client, and what lies between them.
struct Scene {
    writer: Writer<Ingress>,
    store: Store<Ingress>,
    feeds: Vec<Arc<Feed>>,
    access: usize,
    viewer: Viewer,
    client: Client,
    version: u64,
}

impl Scene {
    fn set(query: &str, history: usize, backlog: usize) -> Self {
        let (writer, store) = store(history);
        let veil = Arc::new(Veil::new(&crate::SharedKey::random()));
        let all = [Grants::All, grants(&[("c", &["n0", "n1"])]), grants(&[("c", &["n2"])])];
        let feeds = all.map(|grants| {
            let lens = Lens::new(filter(query), grants, veil.clone());
            Arc::new(Feed::new(lens, vec![cluster("c")], false, closed()).with_backlog(backlog))
        });
        let viewer = Viewer::new(&store, feeds[0].clone(), Start::Fresh);
        let (feeds, client) = (feeds.to_vec(), Client::default());
        Self { writer, store, feeds, access: 0, viewer, client, version: 0 }
    }

    fn change(&mut self, namespace: u8, name: u8, class: Option<u8>) {
        self.version += 1;
        let (namespace, name) = (format!("n{namespace}"), format!("x{name}"));
        match class {
            Some(class) => put(&mut self.writer, &namespace, &name, self.version, &format!("c{class}")),
            None => {
                self.writer.delete(&key("c", &namespace, &name));
            }
        }
    }

    fn read(&mut self, pieces: usize) -> Vec<Block> {
        let mut frames = Frames::default();
        for _ in 0..pieces {
            self.viewer.advance(&mut frames).unwrap();
        }
        if let Some(position) = self.viewer.untold() {
            frames.heartbeat(Some(position));
        }
        parse(&all(&mut frames))
    }

    fn reconnect(&mut self) {
        let feed = self.feeds[self.access].clone();
        let start = match &self.client.last_id {
            None => {
                self.client.forget();
                Start::Fresh
            }
            Some(id) => feed.lens.position(id, EPOCH).map_or(Start::Unresumable, Start::Resume),
        };
        self.client.ahead = true;
        self.viewer = Viewer::new(&self.store, feed, start);
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Put { namespace, name, class } => self.change(namespace, name, Some(class)),
            Step::Delete { namespace, name } => self.change(namespace, name, None),
            Step::Burst(changes) => {
                for (namespace, name, class) in changes {
                    self.change(namespace, name, class);
                    self.writer.publish();
                }
            }
            Step::Lane { namespace, live } => {
                let state = if live { LaneState::Live } else { LaneState::Denied };
                self.writer.set_lane(lane("c", &format!("n{namespace}"), state));
            }
            Step::LaneRemoved { namespace } => {
                self.writer.remove_lane(&lane("c", &format!("n{namespace}"), LaneState::Live).id);
            }
            Step::Publish => self.writer.publish(),
            Step::Read(pieces) => {
                let blocks = self.read(pieces);
                self.client.apply(&blocks);
            }
            Step::Cut { pieces, blocks } => {
                let told = self.read(pieces);
                self.client.apply(&told[..blocks.min(told.len())]);
                self.reconnect();
            }
            Step::Access(access) => {
                self.access = access;
                self.viewer.begin_anew(self.feeds[access].clone());
            }
            Step::AccessWhileAway(access) => {
                self.access = access;
                self.reconnect();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens, and however slowly a client reads, it never goes back in time, and in the end it shows what the list shows.
    #[test]
    fn a_client_converges_on_the_filtered_list(
        steps in proptest::collection::vec(step(), 1..60),
        query in prop_oneof![
            Just(""), Just("namespace=n1"), Just("class=c0"), Just("class=c1&namespaces=n0,n2"), Just("search=x1")
        ],
        history in prop_oneof![Just(3_usize), Just(10), Just(100), Just(10_000)],
        backlog in prop_oneof![1 => Just(1000_usize), 4 => Just(1 << 20)],
    ) {
        let mut scene = Scene::set(query, history, backlog);
        for step in steps {
            scene.play(step);
        }
        scene.writer.publish();
        let rest = drain(&mut scene.viewer);
        scene.client.apply(&rest);
        let (snapshot, lens) = (scene.store.snapshot(), &scene.feeds[scene.access].lens);
        let expected: Vec<_> = snapshot
            .iter()
            .filter(|(key, ingress)| lens.shows(key, ingress))
            .map(|(key, ingress)| (key.to_string(), ingress.resource_version().to_owned()))
            .collect();
        prop_assert_eq!(scene.client.ids(), expected);
        let lanes: Vec<_> = lens
            .lanes(&snapshot)
            .map(|(lane, _)| (lane.id.to_string(), lane.state.as_str().to_owned()))
            .collect();
        let told: Vec<_> = scene
            .client
            .lanes
            .iter()
            .map(|(id, lane)| (id.clone(), lane["state"].as_str().unwrap().to_owned()))
            .collect();
        prop_assert_eq!(told, lanes);
    }
}
