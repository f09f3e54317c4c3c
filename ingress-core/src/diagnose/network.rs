//! Checks of network policies: whether they let requests reach the pods.
//!
//! A pod that no policy applies to is open. For others, what any of their policies admits is admitted, and nothing else. From where
//! a controller sends its requests can't be seen, so a policy is only at fault where it admits nobody at all.

use std::collections::BTreeSet;

use super::backend::plural;
use super::check::{NET001, NET002};
use super::{Exam, Severity};
use crate::inventory::{Many, Why};
use crate::kind::{
    IntOrString, Kind, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod,
    ServicePortSpec,
};
use crate::route::ObjectRef;

/// Who is let in to a pod.
enum Admitted<'a> {
    Everybody,
    /// What the rules for the port name.
    Some(Vec<&'a NetworkPolicyPeer>),
    Nobody,
}

/// Looks at the policies for the pods of a service, as part of the step that is about these.
pub(super) fn examine(
    exam: &mut Exam<'_, '_>,
    namespace: &str,
    port: &ServicePortSpec,
    pods: &Many<'_, Pod>,
) {
    if pods.objects.is_empty() {
        return;
    }
    let policies = exam.reader.in_namespace::<NetworkPolicy>(namespace);
    if let Some(unknown) = policies.unknown {
        // Where nobody looks for policies, and where manifests are all there is, it goes without saying that they are not seen.
        if matches!(unknown.why, Why::Denied | Why::Forbidden | Why::OutOfScope | Why::NotRead) {
            exam.unknown(unknown);
        }
    }
    let (mut closed, mut closing, mut some) = (Vec::new(), BTreeSet::new(), None);
    for pod in &pods.objects {
        let number = target(pod, port);
        let label = |key: &str| pod.metadata.labels.get(key).map(String::as_str);
        let mut applying: Vec<(&NetworkPolicy, bool)> = Vec::new();
        for policy in policies.objects.iter().copied().filter(|policy| policy.restricts_ingress()) {
            let selects = policy.spec.pod_selector.selects(label);
            // One of which that can't be told counts for what it admits only.
            if selects != Some(false) {
                applying.push((policy.as_ref(), selects == Some(true)));
            }
        }
        let Some((first, _)) = applying.iter().find(|(_, surely)| *surely) else { continue };
        let protocol = if port.protocol.is_empty() { "TCP" } else { &port.protocol };
        match admitted(applying.iter().map(|(policy, _)| *policy), pod, number, protocol) {
            Admitted::Everybody => {}
            Admitted::Some(peers) => {
                some.get_or_insert((*first, number, pod.name(), peers));
            }
            Admitted::Nobody => {
                closed.push((*first, number, pod.name()));
                closing.extend(applying.iter().map(|(policy, _)| policy.name()));
            }
        }
    }
    let object = |policy: &NetworkPolicy| ObjectRef::new("NetworkPolicy", Some(namespace), policy.name());
    if let Some((policy, number, pod)) = closed.first() {
        let all = closed.len() == pods.objects.len();
        let severity = if all { NET001.severity } else { Severity::Warning };
        let names: Vec<&str> = closing.into_iter().collect();
        exam.find_as(
            NET001,
            severity,
            &object(policy),
            "spec.ingress",
            format!(
                "Nobody may send requests to port {number} of {} such as {pod}; the policies that apply are: {}.",
                plural(closed.len(), "pod"),
                names.join(", ")
            ),
            "Add a rule that admits the controller's pods to this port.".to_owned(),
        );
    }
    if let Some((policy, number, pod, peers)) = some {
        let mut who: Vec<String> = peers.into_iter().map(|peer| described(peer, namespace)).collect();
        who.sort_unstable();
        who.dedup();
        exam.find(
            NET002,
            &object(policy),
            "spec.ingress",
            format!("Port {number} of pod {pod} is open to these only: {}.", who.join("; ")),
            "See whether the controller's pods are among them.".to_owned(),
        );
    }
}

/// The port of a pod that a service's port leads to.
pub(super) fn target(pod: &Pod, port: &ServicePortSpec) -> i32 {
    let named = port.target_port.as_ref().and_then(IntOrString::name);
    named
        .and_then(|name| pod.ports().find(|known| known.name == name).map(|known| known.container_port))
        .or_else(|| port.target_port.as_ref().and_then(IntOrString::number))
        .unwrap_or(port.port)
}

fn admitted<'a>(
    policies: impl Iterator<Item = &'a NetworkPolicy>,
    pod: &Pod,
    number: i32,
    protocol: &str,
) -> Admitted<'a> {
    let mut peers = Vec::new();
    for rule in policies.flat_map(|policy| &policy.spec.ingress) {
        if !rule.ports.is_empty() && !rule.ports.iter().any(|port| is_for(port, pod, number, protocol)) {
            continue;
        }
        if rule.from.is_empty() {
            return Admitted::Everybody;
        }
        peers.extend(&rule.from);
    }
    if peers.is_empty() { Admitted::Nobody } else { Admitted::Some(peers) }
}

fn is_for(rule: &NetworkPolicyPort, pod: &Pod, number: i32, protocol: &str) -> bool {
    let of = if rule.protocol.is_empty() { "TCP" } else { &rule.protocol };
    if of != protocol {
        return false;
    }
    let Some(port) = &rule.port else { return true };
    if let Some(name) = port.name() {
        return pod.ports().any(|known| known.name == name && known.container_port == number);
    }
    port.number().is_some_and(|first| (first..=rule.end_port.unwrap_or(first)).contains(&number))
}

/// A peer in words.
fn described(peer: &NetworkPolicyPeer, namespace: &str) -> String {
    if let Some(block) = &peer.ip_block {
        return if block.except.is_empty() {
            format!("addresses of {}", block.cidr)
        } else {
            format!("addresses of {} but for {}", block.cidr, block.except.join(", "))
        };
    }
    let pods = peer.pod_selector.as_ref().map_or_else(|| "all pods".to_owned(), |of| selected("pods", of));
    let spaces = peer.namespace_selector.as_ref();
    let spaces = spaces.map_or_else(|| format!("namespace {namespace}"), |of| selected("namespaces", of));
    format!("{pods} of {spaces}")
}

fn selected(what: &str, selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().map(|each| {
        format!("{} {} {}", each.key, each.operator, each.values.join(" ")).trim_end().to_owned()
    });
    let all: Vec<String> = labels.chain(expressions).collect();
    if all.is_empty() { format!("all {what}") } else { format!("{what} with {}", all.join(", ")) }
}
