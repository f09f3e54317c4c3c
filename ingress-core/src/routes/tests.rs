//! The table against the same judgements made from scratch.

mod partial;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::diagnose::diagnose_all;
use crate::inventory::Knowledge;
use crate::key::{ClusterId, ObjectKey};
use crate::kind::{
    EndpointSlice, Gateway, Ingress, IngressClass, IngressRoute, Kind, Pod, Service, TlsRoute, VirtualService,
};
use crate::store::Change;

fn cluster() -> ClusterId {
    ClusterId::new("c").unwrap()
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn decode<K: Kind>(json: &serde_json::Value) -> K {
    K::decode_json(&mut serde_json::Deserializer::from_str(&json.to_string())).unwrap()
}

/// What can happen to a small cluster: few names, so that things meet.
#[derive(Debug, Clone)]
enum Happens {
    Ingress { name: u8, namespace: u8, host: u8, path: u8, service: u8, class: Option<u8>, address: bool },
    Class { name: u8, default: bool, controller: u8 },
    Service { name: u8, namespace: u8, selects: u8, port: u8 },
    Slice { name: u8, namespace: u8, service: u8, ready: u8 },
    Pod { name: u8, namespace: u8, app: u8, ready: bool, revision: u8 },
    Gateway { name: u8, passes: bool, all: bool },
    TlsRoute { name: u8, namespace: u8, host: u8, gateway: u8, service: u8, of: u8 },
    VirtualService { name: u8, namespace: u8, host: u8, service: u8, of: Option<u8>, delegate: Option<u8> },
    IngressRoute { name: u8, namespace: u8, rule: u8, service: u8, of: u8 },
    Gone { kind: u8, namespace: u8, name: u8 },
    Lane { kind: u8, live: bool },
    Later { minutes: u8 },
}

fn happens() -> impl Strategy<Value = Happens> {
    use Happens as H;
    prop_oneof![
        3 => (0..4_u8, 0..2_u8, 0..2_u8, 0..2_u8, 0..3_u8, prop::option::of(0..2_u8), any::<bool>())
            .prop_map(|(name, namespace, host, path, service, class, address)| H::Ingress { name, namespace, host, path, service, class, address }),
        1 => (0..2_u8, any::<bool>(), 0..2_u8).prop_map(|(name, default, controller)| H::Class { name, default, controller }),
        2 => (0..3_u8, 0..2_u8, 0..3_u8, 0..2_u8)
            .prop_map(|(name, namespace, selects, port)| H::Service { name, namespace, selects, port }),
        2 => (0..2_u8, 0..2_u8, 0..3_u8, 0..3_u8)
            .prop_map(|(name, namespace, service, ready)| H::Slice { name, namespace, service, ready }),
        4 => (0..4_u8, 0..2_u8, 0..3_u8, any::<bool>(), 0..3_u8)
            .prop_map(|(name, namespace, app, ready, revision)| H::Pod { name, namespace, app, ready, revision }),
        1 => (0..2_u8, any::<bool>(), any::<bool>()).prop_map(|(name, passes, all)| H::Gateway { name, passes, all }),
        2 => (0..3_u8, 0..2_u8, 0..2_u8, 0..2_u8, 0..3_u8, 0..2_u8)
            .prop_map(|(name, namespace, host, gateway, service, of)| H::TlsRoute { name, namespace, host, gateway, service, of }),
        2 => (0..3_u8, 0..2_u8, 0..2_u8, 0..3_u8, prop::option::of(0..2_u8), prop::option::of(0..3_u8))
            .prop_map(|(name, namespace, host, service, of, delegate)| H::VirtualService { name, namespace, host, service, of, delegate }),
        2 => (0..3_u8, 0..2_u8, 0..3_u8, 0..3_u8, 0..2_u8)
            .prop_map(|(name, namespace, rule, service, of)| H::IngressRoute { name, namespace, rule, service, of }),
        3 => (0..9_u8, 0..2_u8, 0..4_u8).prop_map(|(kind, namespace, name)| H::Gone { kind, namespace, name }),
        1 => (0..9_u8, any::<bool>()).prop_map(|(kind, live)| H::Lane { kind, live }),
        1 => (0..8_u8).prop_map(|minutes| H::Later { minutes }),
    ]
}

/// Sets an object as a store would.
fn set<K: Held>(inventory: &mut Inventory, object: Option<K>, key: &ObjectKey, touched: &mut Touched) {
    let old = inventory.object::<K>(key).cloned();
    let change = match (old, object.map(Arc::new)) {
        (None, Some(new)) => Change::Added(key.clone(), new),
        (Some(old), Some(new)) => Change::Modified { key: key.clone(), old, new },
        (Some(old), None) => Change::Deleted(key.clone(), old),
        (None, None) => return,
    };
    inventory.apply(&change, touched);
}

fn put<K: Held>(json: &serde_json::Value) -> Apply {
    let object: K = decode(json);
    let key = ObjectKey::new(cluster(), object.namespace(), object.name());
    Box::new(move |inventory, touched| set(inventory, Some(object), &key, touched))
}

fn remove<K: Held>(namespace: Option<&str>, name: &str) -> Apply {
    let key = ObjectKey::new(cluster(), namespace, name);
    Box::new(move |inventory, touched| set::<K>(inventory, None, &key, touched))
}

fn lane<K: Held>(live: bool) -> Apply {
    Box::new(move |inventory, touched| {
        let id = crate::LaneId::new(cluster(), &K::resource(), crate::LaneScope::Cluster);
        let mut lane = crate::LaneStatus::new(id, K::resource().kind);
        lane.state = if live { crate::LaneState::Live } else { crate::LaneState::Denied };
        inventory.apply::<K>(&Change::Lane(Arc::new(lane)), touched);
    })
}

impl Happens {
    fn apply(&self) -> Option<Apply> {
        let ns = |namespace: &u8| format!("ns{namespace}");
        Some(match self {
            Self::Ingress { name, namespace, host, path, service, class, address } => {
                put::<Ingress>(&serde_json::json!({
                "metadata": {"name": format!("n{name}"), "namespace": ns(namespace), "creationTimestamp": "2026-05-31T23:57:00Z"},
                "spec": {"ingressClassName": class.map(|class| format!("n{class}")), "rules": [{"host": format!("h{host}.example.com"),
                    "http": {"paths": [{"path": format!("/{path}"), "pathType": "Prefix",
                        "backend": {"service": {"name": format!("n{service}"), "port": {"number": 80}}}}]}}]},
                "status": {"loadBalancer": {"ingress": if *address { vec![serde_json::json!({"ip": "203.0.113.7"})] } else { Vec::new() }}}}))
            }
            Self::Class { name, default, controller } => put::<IngressClass>(&serde_json::json!({
                "metadata": {"name": format!("n{name}"), "annotations": {"ingressclass.kubernetes.io/is-default-class": default.to_string()}},
                "spec": {"controller": (["traefik.io/ingress-controller", "example.com/other"][usize::from(*controller)])}})),
            Self::Service { name, namespace, selects, port } => put::<Service>(&serde_json::json!({
                "metadata": {"name": format!("n{name}"), "namespace": ns(namespace)},
                "spec": {"selector": {"app": format!("a{selects}")}, "ports": [{"port": 80 + i32::from(*port), "targetPort": "web"}]}})),
            Self::Slice { name, namespace, service, ready } => {
                let endpoint = |at| serde_json::json!({"addresses": [format!("10.0.0.{at}")], "conditions": {"ready": true}});
                put::<EndpointSlice>(&serde_json::json!({
                    "metadata": {"name": format!("n{name}"), "namespace": ns(namespace),
                        "labels": {"kubernetes.io/service-name": format!("n{service}")}},
                    "ports": [{"port": 8080}], "endpoints": (0..*ready).map(endpoint).collect::<Vec<_>>()}))
            }
            Self::Pod { name, namespace, app, ready, revision } => put::<Pod>(&serde_json::json!({
                "metadata": {"name": format!("n{name}"), "namespace": ns(namespace), "resourceVersion": revision.to_string(),
                    "labels": {"app": format!("a{app}"), "tier": "web"}},
                "spec": {"containers": [{"name": "main", "ports": [{"name": "web", "containerPort": 8080}]}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if *ready { "True" } else { "False" }}]}})),
            Self::Gateway { name, passes, all } => put::<Gateway>(&serde_json::json!({
                "metadata": {"name": format!("n{name}"), "namespace": "ns0"},
                "spec": {"gatewayClassName": "c", "listeners": [{"name": "l", "port": 443, "protocol": "TLS", "hostname": "*.example.com",
                    "tls": {"mode": if *passes { "Passthrough" } else { "Terminate" }},
                    "allowedRoutes": {"namespaces": {"from": if *all { "All" } else { "Same" }}}}]}})),
            Self::TlsRoute { name, namespace, host, gateway, service, of } => {
                put::<TlsRoute>(&serde_json::json!({
                "metadata": {"name": format!("n{name}"), "namespace": ns(namespace)},
                "spec": {"hostnames": [format!("h{host}.example.com")], "parentRefs": [{"name": format!("n{gateway}"), "namespace": "ns0"}],
                    "rules": [{"backendRefs": [{"name": format!("n{service}"), "namespace": ns(of), "port": 80}]}]}}))
            }
            Self::VirtualService { name, namespace, host, service, of, delegate } => {
                // By its short name, or by one that is a service's only if there is one.
                let to = of.map_or_else(|| format!("n{service}"), |of| format!("n{service}.ns{of}"));
                put::<VirtualService>(&serde_json::json!({
                    "metadata": {"name": format!("n{name}"), "namespace": ns(namespace)},
                    "spec": {"hosts": [format!("h{host}.example.com")], "gateways": ["ns0/edge"], "http": [
                        {"match": [{"uri": {"prefix": "/a"}}], "delegate": delegate.map(|name| serde_json::json!({"name": format!("n{name}")})),
                            "route": [{"destination": {"host": to}}]},
                        {"route": [{"destination": {"host": "n0", "port": {"number": 80}}}]}]}}))
            }
            Self::IngressRoute { name, namespace, rule, service, of } => {
                let rules = [
                    "Host(`h0.example.com`) && !Path(`/x`)",
                    "Host(`h0.example.com`) || Host(`h1.example.com`)",
                    "Host(",
                ];
                put::<IngressRoute>(&serde_json::json!({
                    "metadata": {"name": format!("n{name}"), "namespace": ns(namespace)},
                    "spec": {"routes": [{"match": rules[usize::from(*rule)],
                        "services": [{"name": format!("n{service}"), "namespace": ns(of), "port": 80}]}]}}))
            }
            Self::Gone { kind, namespace, name } => {
                let (namespace, name) = (ns(namespace), format!("n{name}"));
                match kind {
                    0 => remove::<Ingress>(Some(&namespace), &name),
                    1 => remove::<IngressClass>(None, &name),
                    2 => remove::<Service>(Some(&namespace), &name),
                    3 => remove::<EndpointSlice>(Some(&namespace), &name),
                    4 => remove::<Gateway>(Some(&namespace), &name),
                    5 => remove::<TlsRoute>(Some(&namespace), &name),
                    6 => remove::<VirtualService>(Some(&namespace), &name),
                    7 => remove::<IngressRoute>(Some(&namespace), &name),
                    _ => remove::<Pod>(Some(&namespace), &name),
                }
            }
            Self::Lane { kind, live } => match kind {
                0 => lane::<Ingress>(*live),
                1 => lane::<IngressClass>(*live),
                2 => lane::<Service>(*live),
                3 => lane::<EndpointSlice>(*live),
                4 => lane::<Gateway>(*live),
                5 => lane::<TlsRoute>(*live),
                6 => lane::<VirtualService>(*live),
                7 => lane::<IngressRoute>(*live),
                _ => lane::<Pod>(*live),
            },
            Self::Later { .. } => return None,
        })
    }
}

fn settle(table: &mut Table, now: Timestamp) {
    table.begin(now);
    while table.judge(1, now) {}
}

fn live() -> Inventory {
    let mut inventory = Inventory::new();
    inventory.know::<Ingress>(&cluster(), Knowledge::Live);
    inventory.know::<IngressClass>(&cluster(), Knowledge::Live);
    inventory.know::<Service>(&cluster(), Knowledge::Live);
    inventory.know::<EndpointSlice>(&cluster(), Knowledge::Live);
    inventory.know::<Pod>(&cluster(), Knowledge::Live);
    inventory.know::<Gateway>(&cluster(), Knowledge::Live);
    inventory.know::<TlsRoute>(&cluster(), Knowledge::Live);
    inventory.know::<VirtualService>(&cluster(), Knowledge::Live);
    inventory.know::<IngressRoute>(&cluster(), Knowledge::Live);
    inventory
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_would_be_judged_from_scratch(steps in prop::collection::vec(happens(), 1..60)) {
        let mut table = Table::new(live(), Settings::default());
        let mut now = now();
        for step in &steps {
            if let Happens::Later { minutes } = step {
                now = now.checked_add(Duration::from_secs(60 * u64::from(*minutes))).unwrap();
            }
            if let Some(apply) = step.apply() {
                table.apply(apply, now);
            }
            settle(&mut table, now);
            let snapshot = table.snapshot();
            let kept: BTreeMap<_, _> = snapshot.iter().map(|assessed| (assessed.route.id, &assessed.diagnosis)).collect();
            let scratch = diagnose_all(snapshot.inventory(), &cluster(), now, &Settings::default());
            prop_assert_eq!(kept.len(), scratch.len());
            for assessed in &scratch {
                let kept = kept.get(&assessed.route.id);
                prop_assert_eq!(kept.map(|kept| (kept.verdict, &kept.steps, &kept.findings)),
                    Some((assessed.diagnosis.verdict, &assessed.diagnosis.steps, &assessed.diagnosis.findings)));
            }
        }
    }
}

#[test]
fn a_change_is_judged_where_it_matters_alone() {
    let mut table = Table::new(live(), Settings::default());
    for namespace in 0..20 {
        let service = Happens::Service { name: 0, namespace, selects: 0, port: 0 };
        let ingress = Happens::Ingress {
            name: 0,
            namespace,
            host: namespace,
            path: 0,
            service: 0,
            class: Some(0),
            address: false,
        };
        let pod = Happens::Pod { name: 0, namespace, app: 0, ready: true, revision: 1 };
        for step in [service, ingress, pod] {
            table.apply(step.apply().unwrap(), now());
        }
    }
    settle(&mut table, now());
    let before = table.snapshot();
    assert_eq!(before.len(), 20);
    let pod =
        |revision| Happens::Pod { name: 0, namespace: 7, app: 0, ready: false, revision }.apply().unwrap();
    table.apply(pod(2), now());
    table.begin(now());
    assert!(!table.judge(1, now()), "one object is judged, and no more");
    let changes = table.snapshot().since(&before);
    let [RouteChange::Modified { new, .. }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(new.route.object.namespace.as_deref(), Some("ns7"));
    // A pod whose revision alone is new concerns nobody.
    table.apply(pod(3), now());
    table.begin(now());
    assert!(!table.judge(0, now()));
}

#[test]
fn time_alone_changes_a_verdict_at_its_moment() {
    let mut table = Table::new(live(), Settings::default());
    let class = Happens::Class { name: 0, default: false, controller: 1 };
    let ingress = Happens::Ingress {
        name: 0,
        namespace: 0,
        host: 0,
        path: 0,
        service: 0,
        class: Some(0),
        address: false,
    };
    table.apply(class.apply().unwrap(), now());
    table.apply(ingress.apply().unwrap(), now());
    settle(&mut table, now());
    let codes = |table: &Table| {
        let snapshot = table.snapshot();
        let assessed = snapshot.iter().next().unwrap().clone();
        assessed.diagnosis.findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&table), ["ING004"]);
    // Five minutes after it was created.
    assert_eq!(table.deadline(), Some("2026-06-01T00:02:00Z".parse().unwrap()));
    settle(&mut table, "2026-06-01T00:02:00Z".parse().unwrap());
    assert_eq!(codes(&table), ["ING010", "ING004"]);
    assert_eq!(table.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn readers_see_every_difference_and_the_end() {
    let epoch = 7;
    let (mut ingresses, store) = Store::<Ingress>::new(epoch, 100);
    let (services, service_store) = Store::<Service>::new(epoch, 100);
    let (routes, work) = Routes::builder().follow(&store).follow(&service_store).start();
    let reading = async {
        let (_, mut deltas) = routes.subscribe();
        drop(routes);
        let ingress: Ingress = decode(&serde_json::json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"defaultBackend": {"service": {"name": "cart", "port": {"number": 80}}}}}));
        ingresses.apply(ObjectKey::new(cluster(), Some("shop"), "web"), ingress);
        ingresses.publish();
        let (snapshot, changes) = deltas.next().await.unwrap();
        assert!(matches!(&changes[..], [RouteChange::Added(_)]), "{changes:?}");
        assert_eq!(snapshot.iter().next().unwrap().diagnosis.verdict, crate::diagnose::Verdict::Unknown);
        ingresses.delete(&ObjectKey::new(cluster(), Some("shop"), "web"));
        ingresses.publish();
        let (snapshot, changes) = deltas.next().await.unwrap();
        assert!(matches!(&changes[..], [RouteChange::Removed(_)]) && snapshot.is_empty(), "{changes:?}");
        drop((ingresses, services));
        assert!(deltas.next().await.is_none());
    };
    Box::pin(futures::future::join(work, reading)).await;
}
