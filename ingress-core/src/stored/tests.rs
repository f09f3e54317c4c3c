use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Ingress;
use crate::kind::Resource;

fn cluster(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

fn ingress(namespace: &str, name: &str, host: &str) -> Ingress {
    let json = serde_json::json!({
        "metadata": {"namespace": namespace, "name": name, "uid": "u", "resourceVersion": "7",
                     "annotations": {"a": host}},
        "spec": {"rules": [{"host": host}]},
    });
    Ingress::decode_json(&json).unwrap()
}

fn lane(scope: LaneScope) -> LaneStatus {
    let id = LaneId::new(cluster("c"), &Ingress::resource(), scope);
    let mut status = LaneStatus::new(id, "Ingress");
    status.state = LaneState::Denied;
    status.last_sync = Some(Timestamp::from_millisecond(1_700_000_000_123).unwrap());
    status.stale_since = Some(Timestamp::from_millisecond(1_700_000_001_000).unwrap());
    status.failures = 3;
    status.retry_at = Some(Timestamp::from_millisecond(1_700_000_002_000).unwrap());
    (status.relists, status.malformed) = (4, 5);
    status.error =
        Some(SourceError::from_status(403, "not allowed", Some(Duration::from_secs(1))).with_cause("secret"));
    status.set_gauges(Some(1_700_000_000_999), 42);
    status
}

fn read(bytes: &[u8]) -> Result<Vec<Statement<Ingress>>, InvalidStored> {
    StatementReader::new(bytes).all()
}

#[test]
fn a_change_is_read_as_what_is_so_after_it() {
    let (a, b) = (ingress("shop", "a", "a.example.com"), ingress("shop", "b", "b.example.com"));
    let key = |name| ObjectKey::new(cluster("c"), Some("shop"), name);
    let changes = [
        Change::Added(key("a"), std::sync::Arc::new(a.clone())),
        Change::Modified {
            key: key("b"),
            old: std::sync::Arc::new(a.clone()),
            new: std::sync::Arc::new(b.clone()),
        },
        Change::Deleted(key("a"), std::sync::Arc::new(a.clone())),
    ];
    let mut writer = StatementWriter::new();
    for change in &changes {
        writer.change(change);
    }
    assert_eq!(writer.count(), 3);
    let bytes = writer.take();
    assert!(writer.is_empty());
    let statements = read(&bytes).unwrap();
    let [Statement::Applied(first, one), Statement::Applied(second, other), Statement::Deleted(third)] =
        statements.as_slice()
    else {
        panic!("{statements:?}")
    };
    assert_eq!((first, one, second, other, third), (&key("a"), &a, &key("b"), &b, &key("a")));
}

#[test]
fn a_lane_says_the_same_elsewhere_but_for_causes() {
    let mut writer = StatementWriter::new();
    let scopes = [LaneScope::Cluster, LaneScope::Namespace(Namespace::new("shop").unwrap())];
    for scope in &scopes {
        let status = lane(scope.clone());
        writer.change::<Ingress>(&Change::Lane(status.clone().into()));
        writer.change::<Ingress>(&Change::LaneRemoved(status.id));
    }
    let bytes = writer.take();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    let statements = read(&bytes).unwrap();
    for (scope, pair) in scopes.into_iter().zip(statements.chunks(2)) {
        let [Statement::Lane(read), Statement::LaneRemoved(id)] = pair else { panic!("{pair:?}") };
        let status = lane(scope);
        assert_eq!((&read.id, id), (&status.id, &status.id));
        let facts = |of: &LaneStatus| {
            (of.kind.clone(), of.state, of.last_sync, of.stale_since, of.failures, of.retry_at, of.relists)
        };
        assert_eq!(facts(read), facts(&status));
        assert_eq!((read.malformed, read.objects(), read.last_contact()), (5, 42, status.last_contact()));
        let error = read.error.as_ref().unwrap();
        assert_eq!(
            (error.kind(), error.message(), error.status()),
            (ErrorKind::Forbidden, "not allowed", Some(403))
        );
    }
}

#[test]
fn keys_of_a_cluster_share_its_name() {
    let mut writer = StatementWriter::new();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        let key = ObjectKey::new(cluster(if at < 2 { "one" } else { "other" }), Some("shop"), name);
        writer.applied(&key, &ingress("shop", name, "h"));
    }
    let keys: Vec<String> = read(&writer.take())
        .unwrap()
        .into_iter()
        .map(|statement| match statement {
            Statement::Applied(key, _) => key.to_string(),
            _ => String::new(),
        })
        .collect();
    assert_eq!(keys, ["one/shop/a", "one/shop/b", "other/shop/c"]);
}

#[test]
fn a_kind_that_can_not_be_kept_says_so() {
    #[derive(Debug, Clone, PartialEq)]
    struct Fleeting;
    impl Kind for Fleeting {
        fn resource() -> Resource {
            Resource::cluster_scoped("", "v1", "Fleeting", "fleetings")
        }
        fn decode_json<'de, D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
        fn namespace(&self) -> Option<&str> {
            None
        }
        fn name(&self) -> &'static str {
            "x"
        }
        fn uid(&self) -> &'static str {
            "u"
        }
        fn resource_version(&self) -> &'static str {
            "1"
        }
    }
    assert_eq!(Fleeting::STORED, "");
    let mut writer = StatementWriter::new();
    writer.applied(&ObjectKey::new(cluster("c"), None, "x"), &Fleeting);
    let error = StatementReader::new(&writer.take()).all::<Fleeting>().unwrap_err();
    assert!(error.to_string().contains("can't be kept"), "{error}");
}

proptest! {
    #[test]
    fn what_was_cut_or_changed_is_refused_or_read_as_something(
        names in proptest::collection::vec("[a-z]{1,8}", 1..6), at in any::<prop::sample::Index>(), bit in 0..8_u8
    ) {
        let mut writer = StatementWriter::new();
        for name in &names {
            writer.applied(&ObjectKey::new(cluster("c"), Some("n"), name), &ingress("n", name, "h"));
            writer.lane(&lane(LaneScope::Cluster));
        }
        let bytes = writer.take();
        let cut = at.index(bytes.len());
        if let Ok(statements) = read(&bytes[..cut]) {
            prop_assert!(statements.len() < names.len() * 2);
        }
        let mut damaged = bytes;
        damaged[cut] ^= 1 << bit;
        if let Ok(statements) = read(&damaged) {
            for statement in statements {
                if let Statement::Applied(_, ingress) = statement {
                    let _ = (ingress.hosts().len(), ingress.annotations().len(), ingress.tls().len());
                }
            }
        }
    }
}
