use std::cmp::Ordering;
use std::collections::BTreeMap;

use ingress_core::{LaneState, Store, Writer};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{cluster, ingress, key, lane, simple};
use crate::stream::Feed;
use crate::view::{Grants, Veil};

fn store() -> (Writer<Ingress>, Store<Ingress>) {
    Store::new(0xab, 1000)
}

fn all(filter: Filter) -> Lens {
    Lens::new(filter, Grants::All, Arc::new(Veil::new(&crate::SharedKey::random())))
}

fn ask(store: &Store<Ingress>, query: &str) -> Value {
    let question = Question::parse(Some(query), all).unwrap_or_else(|problem| panic!("{query}: {problem:?}"));
    let shown = Shown::of(store.snapshot(), vec![cluster("a"), cluster("b")]);
    let pieces = question.answer(&shown, stamp(&question, &shown, false)).unwrap();
    let body = plain(pieces);
    serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{query}: {error}"))
}

fn stamp(question: &Question, shown: &Shown, demo: bool) -> Stamp {
    let timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    Stamp { revision: shown.since(&question.lens), timestamp, demo }
}

fn plain(pieces: Pieces) -> Vec<u8> {
    pieces.flat_map(Result::unwrap).flat_map(Chunk::into_plain).collect()
}

fn names(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Follows the cursors to the end, doing something between the pages.
fn walk(store: &Store<Ingress>, query: &str, mut between: impl FnMut()) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = ask(store, &format!("{query}{cursor}"));
        all.extend(names(&answer));
        match answer["cursor"].as_str() {
            None => return all,
            Some(next) => cursor = format!("&cursor={next}"),
        }
        between();
    }
}

#[test]
fn an_answer_is_as_documented() {
    let (mut writer, store) = store();
    writer.apply(key("a", "shop", "cart"), simple("shop", "cart", 1, "nginx", "shop.example.com"));
    writer.set_lane(lane("a", "*", LaneState::Live));
    writer.set_lane(lane("b", "billing", LaneState::Denied));
    writer.publish();
    let answer = ask(&store, "");
    assert_eq!(names(&answer), ["a/shop/cart"]);
    let expected = json!({
        "items": answer["items"], "total": 1, "revision": "ab:3",
        "partial": [{"cluster": "b", "namespace": "billing", "state": "denied", "reason": null, "message": null,
            "staleSince": null}],
        "timestamp": "2026-11-21T09:00:00Z"
    });
    assert_eq!(answer, expected);
    assert_eq!(ask(&store, "class=other")["items"], json!([]));
}

#[test]
fn orders_are_as_documented() {
    let (mut writer, store) = store();
    for (cluster, namespace, name, class, host, created) in [
        ("a", "one", "z", Some("x"), Some("b.example.com"), Some("2026-01-03T00:00:00Z")),
        ("a", "two", "a", None, Some("a.example.com"), Some("2026-01-01T00:00:00Z")),
        ("b", "one", "a", Some("y"), None, None),
        ("b", "one", "z", Some("x"), None, Some("2026-01-02T00:00:00Z")),
    ] {
        let object = json!({"metadata": {"namespace": namespace, "name": name, "creationTimestamp": created},
            "spec": {"ingressClassName": class, "rules": [{}, {"host": host}]}});
        writer.apply(key(cluster, namespace, name), ingress(&object));
    }
    writer.publish();
    let cases = [
        ("", ["b/one/a", "a/one/z", "b/one/z", "a/two/a"]),
        ("sort=namespace", ["b/one/a", "a/one/z", "b/one/z", "a/two/a"]),
        ("sort=-namespace", ["a/two/a", "b/one/a", "a/one/z", "b/one/z"]),
        ("sort=name", ["b/one/a", "a/two/a", "a/one/z", "b/one/z"]),
        ("sort=-name", ["a/one/z", "b/one/z", "b/one/a", "a/two/a"]),
        ("sort=host", ["a/two/a", "a/one/z", "b/one/a", "b/one/z"]),
        ("sort=-host", ["a/one/z", "a/two/a", "b/one/a", "b/one/z"]),
        ("sort=ingressClassName", ["a/one/z", "b/one/z", "b/one/a", "a/two/a"]),
        ("sort=-ingressClassName", ["b/one/a", "a/one/z", "b/one/z", "a/two/a"]),
        ("sort=creationTimestamp", ["a/two/a", "b/one/z", "a/one/z", "b/one/a"]),
        ("sort=-creationTimestamp", ["a/one/z", "b/one/z", "a/two/a", "b/one/a"]),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&ask(&store, query)), expected, "{query}");
        assert_eq!(walk(&store, &format!("{query}&limit=1"), || {}), expected, "{query} in pages");
    }
}

#[test]
fn what_cannot_be_understood_is_named() {
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=-1", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("sort=uid", "sort"),
        ("sort=", "sort"),
        ("sort=--name", "sort"),
        ("cursor=", "cursor"),
        ("cursor=nonsense", "cursor"),
        ("since=1:1", "since"),
        ("colour=red", "colour"),
    ] {
        assert_eq!(Question::parse(Some(query), all).unwrap_err().named(), Some(name), "{query}");
    }
}

#[test]
fn a_cursor_belongs_to_its_parameters() {
    let (mut writer, store) = store();
    for name in ["a", "b", "c"] {
        writer.apply(key("a", "n", name), simple("n", name, 1, "nginx", "h"));
    }
    writer.publish();
    let answer = ask(&store, "limit=1&sort=name");
    let cursor = answer["cursor"].as_str().unwrap();
    for other in ["sort=-name", "", "sort=name&class=nginx", "sort=name&namespace=n"] {
        let problem = Question::parse(Some(&format!("{other}&cursor={cursor}")), all).unwrap_err();
        assert_eq!(problem.named(), Some("cursor"), "{other}");
    }
    // The size of a page is no part of what is listed.
    assert_eq!(names(&ask(&store, &format!("sort=name&limit=5&cursor={cursor}"))), ["a/n/b", "a/n/c"]);
}

#[test]
fn pages_go_on_while_things_change() {
    let (writer, store) = store();
    let writer = std::cell::RefCell::new(writer);
    let put = |name: &str| {
        writer.borrow_mut().apply(key("a", "n", name), simple("n", name, 1, "nginx", "h"));
        writer.borrow_mut().publish();
    };
    for name in ["b", "d", "f", "h"] {
        put(name);
    }
    let mut steps = 0;
    let seen = walk(&store, "limit=2", || {
        steps += 1;
        // The last item of the page vanishes; something comes before it, something after it.
        writer.borrow_mut().delete(&key("a", "n", "d"));
        put("a");
        put("e");
    });
    assert_eq!(seen, ["a/n/b", "a/n/d", "a/n/e", "a/n/f", "a/n/h"]);
    assert_eq!(steps, 2);
}

#[test]
fn a_long_answer_comes_in_pieces() {
    let (mut writer, store) = store();
    for number in 0..1234 {
        let name = format!("app-{number:04}");
        writer.apply(key("a", "n", &name), simple("n", &name, 1, "nginx", "h"));
    }
    writer.publish();
    let question = Question::parse(None, all).unwrap();
    let shown = Shown::of(store.snapshot(), vec![cluster("a")]);
    let pieces = question.answer(&shown, stamp(&question, &shown, false)).unwrap();
    assert_eq!(pieces.collect::<Vec<_>>().len(), 3);
    let answer = ask(&store, "");
    assert_eq!((names(&answer).len(), &answer["total"]), (1234, &json!(1234)));
    assert_eq!(names(&ask(&store, "limit=501"))[500], "a/n/app-0500");
}

#[test]
fn the_tag_follows_data_lanes_and_parameters() {
    let (mut writer, store) = store();
    let tag = |query: &str| {
        let question = Question::parse(Some(query), all).unwrap();
        let shown = Shown::of(store.snapshot(), vec![cluster("a")]);
        question.tag(shown.since(&question.lens), &shown)
    };
    let first = tag("class=nginx&tls=true");
    assert_eq!(first, tag("tls=true&class=nginx"));
    assert_ne!(first, tag("class=nginx"));
    assert_ne!(first, tag("class=nginx&tls=true&limit=5"));
    writer.set_lane(lane("a", "*", LaneState::Reconnecting));
    writer.publish();
    assert_ne!(first, tag("class=nginx&tls=true"));
}

type Small = (u8, u8, Option<u8>, Option<u8>);

fn objects() -> impl Strategy<Value = BTreeMap<(bool, u8, u8), Small>> {
    let value = (0..3_u8, 0..3_u8, proptest::option::of(0..3_u8), proptest::option::of(0..3_u8));
    proptest::collection::btree_map((any::<bool>(), 0..3_u8, 0..6_u8), value, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The pages, one after the other, are the whole list; and that is what a plain sort of the plain values gives.
    #[test]
    fn pages_add_up_to_the_sorted_list(objects in objects(), limit in 1..8_usize) {
        let (mut writer, store) = store();
        let text = |prefix: &str, number: Option<u8>| number.map(|number| format!("{prefix}{number}"));
        let mut rows = Vec::new();
        for ((in_b, namespace, name), (_, day, class, host)) in &objects {
            let cluster = if *in_b { "b" } else { "a" };
            let (namespace, name) = (format!("n{namespace}"), format!("x{name}"));
            let (class, host) = (text("c", *class), text("h", *host));
            let created = format!("2026-01-0{}T00:00:00Z", day + 1);
            let object = json!({
                "metadata": {"namespace": namespace, "name": name, "creationTimestamp": created},
                "spec": {"ingressClassName": class, "rules": [{"host": host}]}
            });
            writer.apply(key(cluster, &namespace, &name), ingress(&object));
            rows.push((cluster, namespace, name, created, class, host));
        }
        writer.publish();
        for sort in ["namespace", "name", "host", "ingressClassName", "creationTimestamp"] {
            for sign in ["", "-"] {
                let query = format!("sort={sign}{sort}");
                rows.sort_by(|a, b| {
                    let value = |row: &(&str, String, String, String, Option<String>, Option<String>)| match sort {
                        "namespace" => Some(row.1.clone()),
                        "name" => Some(row.2.clone()),
                        "host" => row.5.clone(),
                        "ingressClassName" => row.4.clone(),
                        _ => Some(row.3.clone()),
                    };
                    let (left, right) = (value(a), value(b));
                    let order = match (&left, &right) {
                        (None, None) => Ordering::Equal,
                        (None, _) => Ordering::Greater,
                        (_, None) => Ordering::Less,
                        _ if sign == "-" => right.cmp(&left),
                        _ => left.cmp(&right),
                    };
                    order.then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)).then(a.0.cmp(b.0))
                });
                let expected: Vec<_> = rows.iter().map(|row| format!("{}/{}/{}", row.0, row.1, row.2)).collect();
                prop_assert_eq!(&names(&ask(&store, &query)), &expected, "{}", query);
                let pages = walk(&store, &format!("{query}&limit={limit}"), || {});
                prop_assert_eq!(&pages, &expected, "{} in pages of {}", query, limit);
            }
        }
    }
}

#[test]
fn what_is_lent_is_what_would_be_written() {
    let (mut writer, store) = store();
    for count in [0, 1, 700, 1500] {
        for number in 0..count {
            let (namespace, name) = (format!("n{}", number % 7), format!("x{number:04}"));
            let class = if number % 3 == 0 { "nginx" } else { "other" };
            writer.apply(key("a", &namespace, &name), simple(&namespace, &name, 1, class, "h.example.com"));
        }
        writer.publish();
        let shown = Shown::of(store.snapshot(), vec![cluster("a")]);
        for query in ["", "class=nginx", "namespaces=n1,n3", "class=none", "sort=namespace"] {
            let question = Question::parse(Some(query), all).unwrap();
            assert!(question.is_for_everything(&shown));
            let feed = Feed::new(question.lens.clone(), vec![cluster("a")], false, crate::fixture::closed());
            let stamp = stamp(&question, &shown, true);
            let lent = question.answer_everything(&shown, shown.segments(&feed), stamp).unwrap();
            let written = question.answer(&shown, stamp).unwrap();
            assert!(plain(lent) == plain(written), "{count} {query}");
        }
    }
    let two = Shown::of(store.snapshot(), vec![cluster("a"), cluster("b")]);
    assert!(
        !Question::parse(Some(""), all).unwrap().is_for_everything(&two),
        "other clusters come in between"
    );
    for query in ["sort=name", "sort=-namespace", "limit=5"] {
        let shown = Shown::of(store.snapshot(), vec![cluster("a")]);
        assert!(!Question::parse(Some(query), all).unwrap().is_for_everything(&shown), "{query}");
    }
}
