//! No false alarms: two thousand routes that work, and nothing is said of them but what is worth knowing.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::envoy_gateway::CLASS;
use e2e::judge::Judge;
use e2e::manifest::{Manifests, documents};
use e2e::wait;
use ingress_core::diagnose::{Finding, Severity, Verdict};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Namespaces, each with a Gateway of its own.
const NAMESPACES: usize = 5;
/// Services in each, with a Deployment of two pods.
const SERVICES: usize = 10;
/// Ingresses in each, and HTTPRoutes.
const ROUTES: usize = 200;

/// The namespace with this number.
pub(crate) fn namespace(number: usize) -> String {
    format!("fleet-{number}")
}

pub(crate) async fn nothing_is_found(manifests: &Manifests, judge: &Judge) -> Result<()> {
    let begun = Instant::now();
    let class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "fleet"}, "spec": {"controller": "traefik.io/ingress-controller"},
    });
    let mut objects = vec![class];
    let names = (0..NAMESPACES).map(namespace);
    objects.extend(
        names.map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})),
    );
    manifests.create(objects).await?;
    let mut objects = Vec::new();
    for number in 0..NAMESPACES {
        objects.extend(workloads(number)?);
    }
    for number in 0..NAMESPACES * ROUTES {
        objects.push(ingress(number));
        objects.push(http_route(number));
    }
    let total = objects.len();
    manifests.create(objects).await?;
    let made = begun.elapsed();
    let fleet = |object: &ingress_core::route::ObjectRef| {
        object.namespace.as_deref().is_some_and(|namespace| namespace.starts_with("fleet-"))
    };
    let wanted = 2 * NAMESPACES * ROUTES;
    wait::until("every route to be ok", Duration::from_secs(120), async || {
        let snapshot = judge.snapshot()?;
        let mine: Vec<_> = snapshot.iter().filter(|assessed| fleet(&assessed.route.object)).collect();
        let fine = mine.iter().filter(|assessed| assessed.diagnosis.verdict == Verdict::Ok).count();
        let other = mine.iter().find(|assessed| assessed.diagnosis.verdict != Verdict::Ok);
        let why = other.map(|assessed| {
            let diagnosis = &assessed.diagnosis;
            (&assessed.route.object, diagnosis.verdict, &diagnosis.findings, diagnosis.unknown())
        });
        ensure!(mine.len() == wanted && fine == wanted, "{fine} of {} are ok; {why:?}", mine.len());
        Ok(true)
    })
    .await?;
    let judged = begun.elapsed();
    let loud: Vec<Finding> =
        judge.findings()?.into_iter().filter(|finding| finding.severity > Severity::Info).collect();
    ensure!(loud.is_empty(), "nothing is wrong, and there is {loud:#?}");
    judge.kept_is_true().await?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or(" ?").trim();
    println!(
        "{wanted} routes on {} services, {total} objects: made in {made:.1?}, all judged ok after {judged:.1?}, no finding above info; {resident} resident",
        NAMESPACES * SERVICES
    );
    Ok(())
}

/// The services of a namespace with what answers them, the namespace's gateway, and its certificate.
fn workloads(number: usize) -> Result<Vec<Value>> {
    let name = namespace(number);
    let mut objects = documents(&format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: {name}}}
spec:
  gatewayClassName: {CLASS}
  listeners:
  - {{name: http, port: 80, protocol: HTTP}}
  - name: https
    port: 443
    protocol: HTTPS
    tls: {{certificateRefs: [{{name: wildcard}}]}}
"
    ))?;
    let wanted: e2e::certificates::Wanted =
        serde_json::from_value(json!({"names": [format!("*.{name}.example.com")], "from": -1, "until": 80}))?;
    objects.push(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "wildcard", "namespace": name}, "data": wanted.data()?,
    }));
    for service in (0..SERVICES).map(|service| format!("service-{service}")) {
        let metadata = json!({"name": service, "namespace": name});
        let labels = json!({"app": service});
        objects.push(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "main", "image": "example.com/service:1",
                    "ports": [{"name": "web", "containerPort": 8080}],
                }]},
            }},
        }));
        objects.push(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]},
        }));
    }
    Ok(objects)
}

/// Where the route with this number lives, which service it leads to, and its number there.
fn place(number: usize) -> (String, String, usize) {
    let own = number / NAMESPACES;
    (namespace(number % NAMESPACES), format!("service-{}", own % SERVICES), own)
}

fn ingress(number: usize) -> Value {
    let (namespace, service, own) = place(number);
    let host = format!("web-{own}.{namespace}.example.com");
    let backend = json!({"service": {"name": service, "port": {"name": "http"}}});
    let mut object = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": format!("web-{own}"), "namespace": namespace},
        "spec": {"ingressClassName": "fleet", "rules": [
            {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}},
        ]},
    });
    if number.is_multiple_of(2) {
        object["spec"]["tls"] = json!([{"hosts": [host], "secretName": "wildcard"}]);
    }
    object
}

fn http_route(number: usize) -> Value {
    let (namespace, service, own) = place(number);
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": format!("api-{own}"), "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "edge"}],
            "hostnames": [format!("api-{own}.{namespace}.example.com")],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": service, "port": 80}],
            }],
        },
    })
}
