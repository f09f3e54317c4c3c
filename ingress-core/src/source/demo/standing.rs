//! The objects that stand behind the simulated ingresses, as the API server writes them, as far as records hold them.

use std::sync::Arc;

use rand::RngExt as _;
use serde_json::{Value, json};

use super::backing::{self, Changed, Condition, Workload};
use super::history::What;
use super::object::Port;
use super::space::{Stage, timestamp, uid};
use super::watch::{Simulated, Told, covers};
use super::world::World;
use crate::error::SourceError;
use crate::key::LaneScope;
use crate::kind::{
    Certificate, CertificateRequest, Challenge, ClusterIssuer, DeploymentMeta, EndpointSlice, Event,
    IngressClass, Issuer, Kind, Metadata, NetworkPolicy, Order, Pod, ReplicaSetMeta, Service, Time,
    TlsCertificate, TlsSecret,
};

/// The label by which services select pods.
const APP: &str = "app.kubernetes.io/name";

/// The classes, their controllers, and which one is the default. Two are of a company's own build, which takes the annotations of ingress-nginx.
const CLASSES: [(&str, &str); 5] = [
    ("alb", "ingress.k8s.aws/alb"),
    ("haproxy", "haproxy.org/ingress-controller"),
    (DEFAULT_CLASS, "example.com/ingress-nginx"),
    ("nginx-internal", "example.com/ingress-nginx-internal"),
    ("traefik", "traefik.io/ingress-controller"),
];
const DEFAULT_CLASS: &str = "nginx";

/// The issuers that annotations name.
const ISSUERS: [&str; 3] = ["corp-ca", "letsencrypt-prod", "letsencrypt-staging"];

/// A kind whose objects stand behind workloads.
trait Stands: Kind {
    /// The revision of the last change that shows in them.
    fn changed_at(workload: &Workload) -> u64;
    /// The objects of one.
    fn objects(workload: &Workload) -> Vec<Value>;
}

impl Stands for Service {
    fn changed_at(workload: &Workload) -> u64 {
        workload.ports_at
    }

    fn objects(workload: &Workload) -> Vec<Value> {
        let ports: Vec<Value> = ports(workload)
            .iter()
            .map(|port| json!({"name": port.name, "protocol": "TCP", "port": port.number, "targetPort": port.target}))
            .collect();
        let metadata = json!({"labels": {APP: &*workload.name}});
        let spec = json!({
            "type": "ClusterIP",
            "clusterIP": address(workload, 2, 96),
            "selector": {APP: &*workload.name},
            "ports": ports,
        });
        let there = workload.condition() != Condition::NoService;
        there
            .then(|| {
                object::<Self>(workload, &workload.name, metadata, workload.created, json!({"spec": spec}))
            })
            .into_iter()
            .collect()
    }
}

impl Stands for EndpointSlice {
    fn changed_at(workload: &Workload) -> u64 {
        workload.ports_at.max(workload.pods_at)
    }

    fn objects(workload: &Workload) -> Vec<Value> {
        let condition = workload.condition();
        if condition == Condition::NoService {
            return Vec::new();
        }
        let ports: Vec<Value> = ports(workload)
            .iter()
            .map(|port| json!({"name": port.name, "protocol": "TCP", "port": port.container}))
            .collect();
        let selected = if condition == Condition::WrongLabels { 0 } else { replicas(workload) };
        let endpoints: Vec<Value> = (0..selected)
            .map(|nth| {
                let ready = is_ready(condition, nth);
                json!({
                    "addresses": [address(workload, 16 + nth, 244)],
                    "conditions": {"ready": ready, "serving": ready, "terminating": false},
                    "targetRef": {"kind": "Pod", "namespace": &*workload.space.name, "name": pod_name(workload, nth)},
                })
            })
            .collect();
        let name = format!("{}-{:05x}", workload.name, workload.dice(3).random_range(0..0x10_0000));
        let metadata = json!({"labels": {"kubernetes.io/service-name": &*workload.name}});
        let rest = json!({"addressType": "IPv4", "ports": ports, "endpoints": endpoints});
        vec![object::<Self>(workload, &name, metadata, workload.created, rest)]
    }
}

impl Stands for Pod {
    fn changed_at(workload: &Workload) -> u64 {
        workload.ports_at.max(workload.pods_at)
    }

    fn objects(workload: &Workload) -> Vec<Value> {
        let condition = workload.condition();
        let app = match condition {
            Condition::WrongLabels => format!("{}-app", workload.name),
            _ => workload.name.to_string(),
        };
        let ports: Vec<Value> = ports(workload)
            .iter()
            .map(|port| match port.target {
                Value::String(_) => json!({"name": port.target, "containerPort": port.container}),
                _ => json!({"containerPort": port.container}),
            })
            .collect();
        let image = format!(
            "registry.example.com/{}/{}:1.{}.0",
            workload.space.product.name, workload.name, workload.version
        );
        let pod = |nth| {
            let ready = is_ready(condition, nth);
            let (state, restarts) = match condition {
                Condition::Crashes => (
                    json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}),
                    7,
                ),
                Condition::NoImage => (
                    json!({"waiting": {"reason": "ImagePullBackOff", "message": format!("Back-off pulling image \"{image}\"")}}),
                    0,
                ),
                _ => (json!({"running": {"startedAt": timestamp(workload.deployed)}}), 0),
            };
            let last = match condition {
                Condition::Crashes => json!({"terminated": {"exitCode": 1, "reason": "Error"}}),
                _ => json!({}),
            };
            let metadata = json!({
                "labels": {APP: app, "pod-template-hash": template(workload)},
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                    "name": format!("{}-{}", workload.name, template(workload)),
                }],
            });
            let is = |it: bool| if it { "True" } else { "False" };
            object::<Self>(
                workload,
                &pod_name(workload, nth),
                metadata,
                workload.deployed,
                json!({
                    "spec": {"nodeName": format!("node-{}", 1 + nth), "containers": [{"name": "main", "image": image, "ports": ports}]},
                    "status": {
                        "phase": if condition == Condition::NoImage { "Pending" } else { "Running" },
                        "podIP": address(workload, 16 + nth, 244),
                        "conditions": [
                            {"type": "PodScheduled", "status": "True"},
                            {"type": "Ready", "status": is(ready), "reason": if ready { "" } else { "ContainersNotReady" }},
                        ],
                        "containerStatuses": [{
                            "name": "main", "image": image, "ready": ready, "started": ready, "restartCount": restarts,
                            "state": state, "lastState": last,
                        }],
                    },
                }),
            )
        };
        (0..replicas(workload)).map(pod).collect()
    }
}

/// One port of a service, and of the containers behind it.
struct ServicePort {
    name: String,
    number: u16,
    target: Value,
    container: u16,
}

fn ports(workload: &Workload) -> Vec<ServicePort> {
    let ports = workload.ports();
    let several = ports.len() > 1;
    let port = |(at, port): (u16, Port)| match port {
        Port::Name(name) => ServicePort {
            name: name.to_owned(),
            number: if several { 8000 + at } else { 80 },
            target: name.into(),
            container: 8080 + at,
        },
        Port::Number(number) => ServicePort {
            name: if several { format!("port-{number}") } else { String::new() },
            number,
            target: number.into(),
            container: number,
        },
    };
    (0..).zip(ports).map(port).collect()
}

fn replicas(workload: &Workload) -> u64 {
    match workload.space.stage {
        Stage::Production => 3,
        Stage::Staging => 2,
        Stage::Development | Stage::Preview => 1,
    }
}

fn is_ready(condition: Condition, nth: u64) -> bool {
    match condition {
        Condition::Well | Condition::WrongLabels | Condition::NoService => true,
        Condition::Ails => nth > 0,
        Condition::Crashes | Condition::NoImage => false,
    }
}

/// The hash of the pods' template.
fn template(workload: &Workload) -> String {
    format!("{:08x}", workload.dice(5 + u64::from(workload.version)).random::<u32>())
}

fn pod_name(workload: &Workload, nth: u64) -> String {
    let end = workload.dice(7 + u64::from(workload.version) * 16 + nth).random_range(0..0x10_0000);
    format!("{}-{}-{end:05x}", workload.name, template(workload))
}

/// An address within the cluster, in a private range.
fn address(workload: &Workload, part: u64, second: u8) -> String {
    let [third, fourth] = workload.dice(part).random::<[u8; 2]>();
    format!("10.{second}.{third}.{fourth}")
}

/// A whole object of a workload's namespace, with these metadata and the rest of its fields.
fn object<K: Stands>(workload: &Workload, name: &str, metadata: Value, created: i64, rest: Value) -> Value {
    let resource = K::resource();
    let version = match &*resource.group {
        "" => resource.version.to_string(),
        group => format!("{group}/{}", resource.version),
    };
    let own = json!({
        "name": name,
        "namespace": &*workload.space.name,
        "uid": uid(backing::dice(&workload.space, name, 9).random()),
        "resourceVersion": K::changed_at(workload).to_string(),
        "creationTimestamp": timestamp(created),
    });
    let object = json!({"apiVersion": version, "kind": &*resource.kind, "metadata": both(own, metadata)});
    both(object, rest)
}

/// The fields of two objects.
fn both(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

macro_rules! stands {
    ($($kind:ident)*) => {$(
        impl Simulated for $kind {
            type Seedling = Value;
            const BEHIND: bool = true;

            fn current(world: &World, scope: &LaneScope) -> Vec<Value> {
                world.workloads(scope.namespace().map(|name| name.as_str())).flat_map(|it| Self::objects(it)).collect()
            }

            fn told(what: &What, scope: &LaneScope) -> Vec<Told<Value>> {
                match what {
                    What::Workload(changed) => news::<Self>(changed, scope),
                    _ => Vec::new(),
                }
            }

            fn find(world: &World, namespace: Option<&str>, name: &str) -> Option<Value> {
                let mut objects = world.workloads(namespace).flat_map(|it| Self::objects(it));
                objects.find(|object| name_of(object) == name)
            }

            fn render(seedling: &Value) -> serde_json::Result<Vec<u8>> {
                serde_json::to_vec(seedling)
            }
        }
    )*};
}
stands! { Service EndpointSlice Pod }

fn news<K: Stands>(changed: &Changed<Workload>, scope: &LaneScope) -> Vec<Told<Value>> {
    let Some(workload) = changed.either().filter(|workload| covers(scope, &workload.space.name)) else {
        return Vec::new();
    };
    let at = |workload: &Option<Arc<Workload>>| workload.as_ref().map(|workload| K::changed_at(workload));
    if at(&changed.before) == at(&changed.now) {
        return Vec::new();
    }
    let objects = |workload: &Option<Arc<Workload>>| workload.iter().flat_map(|it| K::objects(it)).collect();
    let (before, now): (Vec<Value>, Vec<Value>) = (objects(&changed.before), objects(&changed.now));
    let gone = before.iter().map(name_of).filter(|name| now.iter().all(|object| name_of(object) != *name));
    let gone =
        gone.map(|name| Told::Deleted { namespace: Some(workload.space.name.clone()), name: name.into() });
    let gone: Vec<_> = gone.collect();
    gone.into_iter().chain(now.into_iter().map(Told::Applied)).collect()
}

impl Simulated for TlsSecret {
    type Seedling = Arc<backing::Certificate>;
    const BEHIND: bool = true;

    fn current(world: &World, scope: &LaneScope) -> Vec<Arc<backing::Certificate>> {
        world.certificates(scope.namespace().map(|name| name.as_str())).cloned().collect()
    }

    fn told(what: &What, scope: &LaneScope) -> Vec<Told<Arc<backing::Certificate>>> {
        let What::Certificate(changed) = what else { return Vec::new() };
        match (changed.either(), &changed.now) {
            (Some(either), _) if !covers(scope, &either.namespace) => Vec::new(),
            (_, Some(now)) => vec![Told::Applied(now.clone())],
            (Some(gone), None) => {
                vec![Told::Deleted { namespace: Some(gone.namespace.clone()), name: gone.name.clone() }]
            }
            (None, None) => Vec::new(),
        }
    }

    fn find(world: &World, namespace: Option<&str>, name: &str) -> Option<Arc<backing::Certificate>> {
        world.certificates(namespace).find(|certificate| &*certificate.name == name).cloned()
    }

    fn record(certificate: &Arc<backing::Certificate>) -> Result<Self, SourceError> {
        let time = |seconds| Time { seconds, ..Time::default() };
        let metadata = Metadata {
            name: certificate.name.to_string(),
            namespace: certificate.namespace.to_string(),
            resource_version: certificate.revision.to_string(),
            creation_timestamp: Some(time(certificate.created)),
            ..Metadata::default()
        };
        let authority = "CN=Example CA, O=Example".to_owned();
        let issuer = TlsCertificate {
            subject: authority.clone(),
            issuer: authority.clone(),
            not_after: time(i64::from(u32::MAX)),
            key_algorithm: "EC".to_owned(),
            key_bits: 256,
            signature_algorithm: "ecdsa-with-SHA256".to_owned(),
            is_ca: true,
            ..TlsCertificate::default()
        };
        let own = TlsCertificate {
            subject: certificate.hosts.first().map(|host| format!("CN={host}")).unwrap_or_default(),
            issuer: authority,
            dns_names: certificate.hosts.clone(),
            not_before: time(certificate.created.min(certificate.not_after - 1)),
            not_after: time(certificate.not_after),
            is_ca: false,
            ..issuer.clone()
        };
        Ok(Self {
            metadata,
            r#type: "kubernetes.io/tls".to_owned(),
            keys: vec!["tls.crt".to_owned(), "tls.key".to_owned()],
            certificates: vec![own, issuer],
            problem: None,
        })
    }
}

/// Kinds whose objects are the same for ever.
macro_rules! fixed {
    ($($kind:ident $objects:ident)*) => {$(
        impl Simulated for $kind {
            type Seedling = Value;

            fn current(_: &World, _: &LaneScope) -> Vec<Value> {
                $objects()
            }

            fn told(_: &What, _: &LaneScope) -> Vec<Told<Value>> {
                Vec::new()
            }

            fn find(_: &World, _: Option<&str>, name: &str) -> Option<Value> {
                $objects().into_iter().find(|object| name_of(object) == name)
            }

            fn render(seedling: &Value) -> serde_json::Result<Vec<u8>> {
                serde_json::to_vec(seedling)
            }
        }
    )*};
}
fixed! {
    IngressClass classes ClusterIssuer issuers
    NetworkPolicy none Event none DeploymentMeta none ReplicaSetMeta none
    Certificate none Issuer none CertificateRequest none Order none Challenge none
}

fn classes() -> Vec<Value> {
    let class = |(name, controller): (&str, &str)| {
        let is_default = (name == DEFAULT_CLASS).to_string();
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {
                "name": name, "resourceVersion": "1",
                "annotations": {"ingressclass.kubernetes.io/is-default-class": is_default},
            },
            "spec": {"controller": controller},
        })
    };
    CLASSES.into_iter().map(class).collect()
}

fn issuers() -> Vec<Value> {
    let issuer = |name| {
        json!({
            "apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer",
            "metadata": {"name": name, "resourceVersion": "1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        })
    };
    ISSUERS.into_iter().map(issuer).collect()
}

fn none() -> Vec<Value> {
    Vec::new()
}
