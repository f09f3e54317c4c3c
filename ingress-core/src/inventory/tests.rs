use super::*;
use crate::kind::{Kind, Metadata};

fn cluster() -> ClusterId {
    ClusterId::new("c").unwrap()
}

fn pod(name: &str, labels: &[(&str, &str)]) -> Pod {
    let metadata = Metadata { name: name.into(), namespace: "shop".into(), ..Metadata::default() };
    let mut pod = Pod { metadata, ..Pod::default() };
    pod.metadata.labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    pod
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(cluster(), Some("shop"), name)
}

fn change(old: Option<Pod>, new: Option<Pod>) -> Change<Pod> {
    match (old.map(Arc::new), new.map(Arc::new)) {
        (None, Some(new)) => Change::Added(key(new.name()), new),
        (Some(old), Some(new)) => Change::Modified { key: key(new.name()), old, new },
        (Some(old), None) => Change::Deleted(key(old.name()), old),
        (None, None) => unreachable!("a change has an object"),
    }
}

#[test]
fn missing_is_said_only_of_what_is_known() {
    let (mut inventory, cluster) = (Inventory::new(), cluster());
    let why = |inventory: &Inventory| {
        let reader = Reader::new(inventory, &cluster, Timestamp::UNIX_EPOCH);
        match reader.get::<Pod>(Some("shop"), "a") {
            Lookup::Missing => None,
            Lookup::Unknown(unknown) => Some(unknown.why),
            Lookup::Found(_) => panic!("there is none"),
        }
    };
    assert_eq!(why(&inventory), Some(Why::NotWatched));
    inventory.watch::<Pod>();
    assert_eq!(why(&inventory), Some(Why::NotRead));
    for reason in [Why::Denied, Why::NotInstalled, Why::Offline] {
        inventory.know::<Pod>(&cluster, Knowledge::None(reason));
        assert_eq!(why(&inventory), Some(reason));
    }
    inventory.know::<Pod>(&cluster, Knowledge::Stale(Timestamp::UNIX_EPOCH));
    assert_eq!((why(&inventory), inventory.stale_since(&cluster)), (None, Some(Timestamp::UNIX_EPOCH)));
    inventory.know::<Pod>(&cluster, Knowledge::Live);
    assert_eq!((why(&inventory), inventory.stale_since(&cluster)), (None, None));
}

#[test]
fn objects_are_found_by_what_they_are_tagged_with_now() {
    let (mut inventory, cluster) = (Inventory::new(), cluster());
    inventory.know::<Pod>(&cluster, Knowledge::Live);
    let names = |inventory: &Inventory, value: &str| {
        let reader = Reader::new(inventory, &cluster, Timestamp::UNIX_EPOCH);
        let found = reader.tagged::<Pod>(Some("shop"), Tag::label("app", value));
        assert_eq!(found.unknown, None);
        found.objects.iter().map(|pod| pod.name().to_owned()).collect::<Vec<_>>()
    };
    let (a, b, moved) = (pod("a", &[("app", "x")]), pod("b", &[("app", "x")]), pod("a", &[("app", "y")]));
    inventory.apply(&change(None, Some(a.clone())), &mut Touched::default());
    inventory.apply(&change(None, Some(b.clone())), &mut Touched::default());
    assert_eq!(names(&inventory, "x"), ["a", "b"]);
    inventory.apply(&change(Some(a), Some(moved)), &mut Touched::default());
    assert_eq!(
        (names(&inventory, "x"), names(&inventory, "y")),
        (vec!["b".to_owned()], vec!["a".to_owned()])
    );
    inventory.apply(&change(Some(b), None), &mut Touched::default());
    assert!(names(&inventory, "x").is_empty());
}

#[test]
fn a_change_touches_who_asked_for_it_and_nobody_else() {
    let (mut inventory, cluster) = (Inventory::new(), cluster());
    inventory.know::<Pod>(&cluster, Knowledge::Live);
    let asked = |ask: &dyn Fn(&Reader<'_>)| {
        let nothing = inventory.clone();
        let reader = Reader::new(&nothing, &cluster, Timestamp::UNIX_EPOCH);
        ask(&reader);
        reader.into_dependencies()
    };
    let by_label = asked(&|reader| drop(reader.tagged::<Pod>(Some("shop"), Tag::label("app", "x"))));
    let by_other = asked(&|reader| drop(reader.tagged::<Pod>(Some("shop"), Tag::label("app", "z"))));
    let elsewhere = asked(&|reader| drop(reader.tagged::<Pod>(Some("bank"), Tag::label("app", "x"))));
    let by_name = asked(&|reader| drop(reader.get::<Pod>(Some("shop"), "a")));
    let whole = asked(&|reader| drop(reader.in_namespace::<Pod>("shop")));
    let services = asked(&|reader| drop(reader.in_namespace::<Service>("shop")));
    let concerns = |touched: &Touched, of: &Dependencies| {
        touched.dependencies().any(|touched| of.iter().any(|dependency| dependency == touched))
    };
    let told = |old: Option<Pod>, new: Option<Pod>| {
        let mut touched = Touched::default();
        inventory.clone().apply(&change(old, new), &mut touched);
        [&by_label, &by_other, &elsewhere, &by_name, &whole, &services].map(|of| concerns(&touched, of))
    };
    let a = pod("a", &[("app", "x")]);
    assert_eq!(told(None, Some(a.clone())), [true, false, false, true, true, false]);
    // Also whoever finds it no more.
    assert_eq!(told(Some(a.clone()), Some(pod("a", &[]))), [true, false, false, true, true, false]);
    let mut written = a.clone();
    written.metadata.resource_version = "8".into();
    assert_eq!(told(Some(a), Some(written)), [false; 6]);
    assert_eq!(told(None, Some(pod("b", &[("app", "z")]))), [false, true, false, false, true, false]);
}

#[test]
fn a_lane_touches_who_read_its_kind_when_what_it_knows_changes() {
    let (mut inventory, cluster) = (Inventory::new(), cluster());
    inventory.watch::<Pod>();
    let reader = Reader::new(&inventory, &cluster, Timestamp::UNIX_EPOCH);
    drop(reader.get::<Pod>(Some("shop"), "a"));
    let asked = reader.into_dependencies();
    let mut lane = LaneStatus::new(LaneId::new(cluster.clone(), &Pod::resource(), LaneScope::Cluster), "Pod");
    let mut told = |lane: &LaneStatus| {
        let mut touched = Touched::default();
        inventory.apply::<Pod>(&Change::Lane(Arc::new(lane.clone())), &mut touched);
        touched.dependencies().any(|touched| asked.iter().any(|dependency| dependency == touched))
    };
    assert!(told(&lane));
    lane.failures = 3;
    assert!(!told(&lane), "it is as little known as before");
    lane.state = LaneState::Live;
    assert!(told(&lane));
    (lane.state, lane.stale_since) = (LaneState::Reconnecting, Some(Timestamp::UNIX_EPOCH));
    assert!(!told(&lane), "what was known is still what is judged by");
}

#[test]
fn a_judgement_holds_until_the_next_moment_it_asked_about() {
    let (inventory, cluster) = (Inventory::new(), cluster());
    let at = |second| Timestamp::from_second(second).unwrap();
    let reader = Reader::new(&inventory, &cluster, at(100));
    assert!(reader.has_come(at(50)));
    assert_eq!(reader.until(), None);
    assert!(!reader.has_come(at(300)) && !reader.has_come(at(200)));
    assert_eq!(reader.until(), Some(at(200)));
}
