//! `Pod` (core/v1).

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{Metadata, Time, nullable, record, settle};

/// What is kept of a pod: metadata with labels and owners, the ports that its containers declare, its phase, conditions and the states
/// of its containers. Never its environment, volumes or command lines.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Pod {
    /// `metadata`.
    #[prost(message, required, tag = "1")]
    pub metadata: Metadata,
    /// `spec`.
    #[prost(message, required, tag = "2")]
    pub spec: PodSpec,
    /// `status`.
    #[prost(message, required, tag = "3")]
    pub status: PodStatus,
}

/// `spec` of a [`Pod`].
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PodSpec {
    /// `containers`.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub containers: Vec<Container>,
    /// `nodeName`; empty until it is scheduled.
    #[prost(string, tag = "10")]
    pub node_name: String,
    /// `hostNetwork`.
    #[prost(bool, tag = "11")]
    pub host_network: bool,
    /// `initContainers`. One whose `restartPolicy` is `Always` (a sidecar) can serve, too.
    #[prost(message, repeated, tag = "20")]
    #[serde(deserialize_with = "nullable")]
    pub init_containers: Vec<Container>,
}

/// One of `spec.containers`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Container {
    /// `name`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `image`.
    #[prost(string, tag = "2")]
    pub image: String,
    /// `ports`: what it declares. It may listen on others.
    #[prost(message, repeated, tag = "6")]
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<ContainerPort>,
    /// `restartPolicy`; `Always` makes an init container a sidecar.
    #[prost(string, tag = "24")]
    pub restart_policy: String,
}

/// One of a container's `ports`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ContainerPort {
    /// `name`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `containerPort`.
    #[prost(int32, tag = "3")]
    pub container_port: i32,
    /// `protocol`; empty means `TCP`.
    #[prost(string, tag = "4")]
    pub protocol: String,
}

/// `status` of a [`Pod`].
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PodStatus {
    /// `phase`.
    #[prost(string, tag = "1")]
    pub phase: String,
    /// `conditions`.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<PodCondition>,
    /// `message`.
    #[prost(string, tag = "3")]
    pub message: String,
    /// `reason`, such as `Evicted`.
    #[prost(string, tag = "4")]
    pub reason: String,
    /// `podIP`.
    #[prost(string, tag = "6")]
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// `containerStatuses`.
    #[prost(message, repeated, tag = "8")]
    #[serde(deserialize_with = "nullable")]
    pub container_statuses: Vec<ContainerStatus>,
    /// `initContainerStatuses`.
    #[prost(message, repeated, tag = "10")]
    #[serde(deserialize_with = "nullable")]
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// One of `status.conditions`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PodCondition {
    /// `type`, such as `Ready` or `PodScheduled`.
    #[prost(string, tag = "1")]
    pub r#type: String,
    /// `status`: `True`, `False` or `Unknown`.
    #[prost(string, tag = "2")]
    pub status: String,
    /// `lastTransitionTime`.
    #[prost(message, optional, tag = "4")]
    pub last_transition_time: Option<Time>,
    /// `reason`.
    #[prost(string, tag = "5")]
    pub reason: String,
    /// `message`.
    #[prost(string, tag = "6")]
    pub message: String,
}

/// One of `status.containerStatuses`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ContainerStatus {
    /// `name`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `state`.
    #[prost(message, required, tag = "2")]
    pub state: ContainerState,
    /// `lastState`: how it ended before.
    #[prost(message, required, tag = "3")]
    pub last_state: ContainerState,
    /// `ready`.
    #[prost(bool, tag = "4")]
    pub ready: bool,
    /// `restartCount`.
    #[prost(int32, tag = "5")]
    pub restart_count: i32,
    /// `image`.
    #[prost(string, tag = "6")]
    pub image: String,
    /// `started`: whether its startup probe has passed.
    #[prost(bool, optional, tag = "9")]
    pub started: Option<bool>,
}

/// What a container is doing; at most one of these is set.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ContainerState {
    /// `waiting`.
    #[prost(message, optional, tag = "1")]
    pub waiting: Option<ContainerStateWaiting>,
    /// `running`.
    #[prost(message, optional, tag = "2")]
    pub running: Option<ContainerStateRunning>,
    /// `terminated`.
    #[prost(message, optional, tag = "3")]
    pub terminated: Option<ContainerStateTerminated>,
}

/// `state.waiting`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ContainerStateWaiting {
    /// `reason`, such as `ImagePullBackOff`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// `message`.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `state.running`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ContainerStateRunning {
    /// `startedAt`.
    #[prost(message, optional, tag = "1")]
    pub started_at: Option<Time>,
}

/// `state.terminated`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ContainerStateTerminated {
    /// `exitCode`.
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
    /// `signal`.
    #[prost(int32, tag = "2")]
    pub signal: i32,
    /// `reason`, such as `OOMKilled`.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// `message`.
    #[prost(string, tag = "4")]
    pub message: String,
    /// `finishedAt`.
    #[prost(message, optional, tag = "6")]
    pub finished_at: Option<Time>,
}

impl ContainerState {
    fn settle(&mut self) {
        if let Some(running) = &mut self.running {
            settle(&mut running.started_at);
        }
        if let Some(terminated) = &mut self.terminated {
            settle(&mut terminated.finished_at);
        }
    }
}

impl Pod {
    fn tidy(&mut self) {
        self.metadata.tidy();
        for condition in &mut self.status.conditions {
            settle(&mut condition.last_transition_time);
        }
        let PodStatus { container_statuses, init_container_statuses, .. } = &mut self.status;
        for status in container_statuses.iter_mut().chain(init_container_statuses) {
            status.state.settle();
            status.last_state.settle();
        }
    }

    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, of: &str) -> Option<&PodCondition> {
        self.status.conditions.iter().find(|condition| condition.r#type == of)
    }

    /// Whether its condition `Ready` is true.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|condition| condition.status == "True")
    }

    /// Whether it ran to its end, and so is behind no service any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// The ports that its containers declare, sidecars included.
    pub fn ports(&self) -> impl Iterator<Item = &ContainerPort> {
        let sidecars = self.spec.init_containers.iter().filter(|c| c.restart_policy == "Always");
        self.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports)
    }
}

record!(Pod, Resource::namespaced("", "v1", "Pod", "pods"), "pod/1", protobuf);
