//! Faults of the simulated cluster, switched on and off while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::simulation::Simulation;
use crate::error::{ErrorKind, SourceError};
use crate::key::{LaneScope, Namespace};
use crate::kind::Resource;

/// Something that goes wrong. It lasts until it is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Running watches break, new ones find nobody there.
    Outage,
    /// Connections stay open, and nothing arrives on them. What happened meanwhile arrives when the fault is cleared.
    Stall,
    /// HTTP 401: the credentials are not accepted.
    Unauthorized,
    /// HTTP 403: the credentials don't allow this.
    Forbidden,
    /// HTTP 500.
    ServerError,
    /// HTTP 429, with the wait that the server asks for.
    Throttled {
        /// `Retry-After`.
        retry_after: Duration,
    },
}

/// Text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such fault: {0:?}; there are outage, stall, unauthorized, forbidden, server-error and throttled")]
pub struct UnknownFault(String);

impl std::str::FromStr for Fault {
    type Err = UnknownFault;

    /// Reads the fault's name; `throttled` asks for a wait of 10 seconds.
    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Ok(match name {
            "outage" => Self::Outage,
            "stall" => Self::Stall,
            "unauthorized" => Self::Unauthorized,
            "forbidden" => Self::Forbidden,
            "server-error" => Self::ServerError,
            "throttled" => Self::Throttled { retry_after: Duration::from_secs(10) },
            _ => return Err(UnknownFault(name.chars().take(40).collect())),
        })
    }
}

/// What a fault does to whoever asks.
pub(super) enum Effect {
    Waits,
    Fails(SourceError),
}

impl Fault {
    /// What it does to a call, or, when `running`, to a watch that was going well.
    fn effect(self, running: bool, resource: &Resource, scope: &LaneScope) -> Effect {
        Effect::Fails(match self {
            Self::Stall => return Effect::Waits,
            Self::Outage if running => {
                SourceError::new(ErrorKind::Disconnected, "connection reset by peer (simulated)")
            }
            Self::Outage => SourceError::new(ErrorKind::Unreachable, "connection refused (simulated)"),
            Self::Unauthorized => SourceError::from_status(401, "Unauthorized (simulated)", None),
            Self::Forbidden => SourceError::from_status(403, refusal(resource, scope), None),
            Self::ServerError => {
                SourceError::from_status(500, "Internal error occurred: request timed out (simulated)", None)
            }
            Self::Throttled { retry_after } => SourceError::from_status(
                429,
                "Too many requests, please try again later (simulated)",
                Some(retry_after),
            ),
        })
    }
}

/// The API server's own words.
fn refusal(resource: &Resource, scope: &LaneScope) -> String {
    let Resource { plural, group, .. } = resource;
    let dot = if group.is_empty() { "" } else { "." };
    let place = match scope.namespace() {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    format!(
        "{plural}{dot}{group} is forbidden: User \"system:serviceaccount:demo:dashboard\" cannot list resource \
         \"{plural}\" in API group \"{group}\" {place} (simulated)"
    )
}

/// The faults that are on.
#[derive(Debug, Default)]
pub(super) struct FaultTable {
    cluster: Option<Fault>,
    namespaces: BTreeMap<Namespace, Fault>,
}

impl FaultTable {
    /// What becomes of a question about a scope of a kind, if anything is wrong.
    pub(super) fn effect(&self, running: bool, resource: &Resource, scope: &LaneScope) -> Option<Effect> {
        let fault = match (self.cluster, scope.namespace()) {
            (Some(fault), _) => fault,
            (None, Some(namespace)) => *self.namespaces.get(namespace)?,
            (None, None) if resource.namespaced && !self.namespaces.is_empty() => Fault::Forbidden,
            (None, None) => return None,
        };
        Some(fault.effect(running, resource, scope))
    }
}

/// Switches the faults of a [`DemoSource`](super::DemoSource) on and off. All clones and handles act on the same cluster.
///
/// A fault of the whole cluster hides those of namespaces. While a namespace has a fault of its own, watches of
/// *ingresses* over the whole cluster are forbidden: that is the only way in which a cluster treats one namespace unlike
/// the others, and the engine then watches each namespace by itself.
#[derive(Debug, Clone)]
pub struct DemoFaults {
    simulation: Arc<Simulation>,
}

impl DemoFaults {
    pub(super) fn new(simulation: Arc<Simulation>) -> Self {
        Self { simulation }
    }

    /// Switches a fault on, instead of any other of the same scope.
    pub fn raise(&self, scope: LaneScope, fault: Fault) {
        self.simulation.faults().send_modify(|table| match scope {
            LaneScope::Cluster => table.cluster = Some(fault),
            LaneScope::Namespace(namespace) => {
                table.namespaces.insert(namespace, fault);
            }
        });
    }

    /// Switches the fault of a scope off.
    pub fn clear(&self, scope: &LaneScope) {
        self.simulation.faults().send_modify(|table| match scope {
            LaneScope::Cluster => table.cluster = None,
            LaneScope::Namespace(namespace) => {
                table.namespaces.remove(namespace);
            }
        });
    }

    /// Switches every fault off.
    pub fn clear_all(&self) {
        self.simulation.faults().send_modify(|table| *table = FaultTable::default());
    }

    /// Makes every revision so far too old, at once: running watches end with 410, and can only start anew. A
    /// compaction of etcd does that to watches that fell behind; here it hits all of them.
    pub fn expire_revisions(&self) {
        self.simulation.compact();
        // Whoever sleeps until the next change has to look now.
        self.simulation.faults().send_modify(|_| ());
    }
}
