//! `Gateway`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::GATEWAY_API;
use super::reference::ObjectRefFields;
use crate::kind::record::{Condition, Metadata, nullable, record};
use crate::kind::{LabelSelector, Resource};

/// What is kept of a gateway: metadata, its class, its listeners, and what its controller says of it and of each of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Gateway {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: GatewaySpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: GatewayStatus,
}

/// `spec` of a [`Gateway`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GatewaySpec {
    /// `gatewayClassName`.
    pub gateway_class_name: String,
    /// `listeners`.
    #[serde(deserialize_with = "nullable")]
    pub listeners: Vec<Listener>,
    /// `addresses`: those that are asked for.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<GatewayAddress>,
}

/// One of `spec.listeners`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Listener {
    /// `name`.
    pub name: String,
    /// `hostname`; unset and empty mean every host. It may begin with a wildcard label.
    pub hostname: Option<String>,
    /// `port`.
    pub port: i32,
    /// `protocol`: `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or an implementation's own.
    pub protocol: String,
    /// `tls`.
    pub tls: Option<ListenerTls>,
    /// `allowedRoutes`.
    #[serde(deserialize_with = "nullable")]
    pub allowed_routes: AllowedRoutes,
}

/// `tls` of a [`Listener`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ListenerTls {
    /// `mode`; unset means `Terminate`, the other one is `Passthrough`.
    pub mode: Option<String>,
    /// `certificateRefs`.
    #[serde(deserialize_with = "nullable")]
    pub certificate_refs: Vec<ObjectRefFields>,
    /// `options` of the implementation's own.
    #[serde(deserialize_with = "nullable")]
    pub options: BTreeMap<String, String>,
}

/// Which routes may attach to a [`Listener`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AllowedRoutes {
    /// `namespaces`.
    #[serde(deserialize_with = "nullable")]
    pub namespaces: RouteNamespaces,
    /// `kinds`; empty means those that go with the listener's protocol.
    #[serde(deserialize_with = "nullable")]
    pub kinds: Vec<RouteGroupKind>,
}

/// From which namespaces routes may attach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RouteNamespaces {
    /// `from`: `All`, `Selector`, `Same` or `None`; unset means `Same`.
    pub from: Option<String>,
    /// `selector`: of the labels of namespaces, for `Selector`.
    pub selector: Option<LabelSelector>,
}

/// A kind of route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RouteGroupKind {
    /// `group`; unset means Gateway API's.
    pub group: Option<String>,
    /// `kind`.
    pub kind: String,
}

/// `status` of a [`Gateway`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GatewayStatus {
    /// `addresses`: where it is reached.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<GatewayAddress>,
    /// `conditions`: `Accepted`, `Programmed` and the controller's own.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// `listeners`.
    #[serde(deserialize_with = "nullable")]
    pub listeners: Vec<ListenerStatus>,
}

/// An address of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GatewayAddress {
    /// `type`; unset means `IPAddress`, others are `Hostname` and implementations' own.
    pub r#type: Option<String>,
    /// `value`; empty asks for any address.
    #[serde(deserialize_with = "nullable")]
    pub value: String,
}

/// One of `status.listeners`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ListenerStatus {
    /// `name`: of which listener.
    pub name: String,
    /// `supportedKinds`.
    #[serde(deserialize_with = "nullable")]
    pub supported_kinds: Vec<RouteGroupKind>,
    /// `attachedRoutes`: how many, as the controller counts.
    pub attached_routes: i32,
    /// `conditions`: `Accepted`, `Programmed`, `ResolvedRefs`, `Conflicted` and the controller's own.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

impl Listener {
    /// The host that it is for; `None` means every one.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref().filter(|hostname| !hostname.is_empty())
    }

    /// Whether it decrypts what it receives, and so needs a certificate.
    #[must_use]
    pub fn terminates_tls(&self) -> bool {
        let mode = self.tls.as_ref().and_then(|tls| tls.mode.as_deref()).unwrap_or("Terminate");
        matches!(self.protocol.as_str(), "HTTPS" | "TLS") && mode == "Terminate"
    }

    /// Whether it hands encrypted connections on as they are, and chooses by nothing but the name that the client asks for.
    #[must_use]
    pub fn passes_tls_through(&self) -> bool {
        self.protocol == "TLS" && !self.terminates_tls()
    }

    /// Whether routes of this kind may attach to it, as far as the listener says. Where it names no kinds, those may that its
    /// protocol can carry; of a protocol that isn't Gateway API's nobody knows, and it is not refused.
    #[must_use]
    pub fn allows_kind(&self, kind: &str) -> bool {
        let named = &self.allowed_routes.kinds;
        if !named.is_empty() {
            return named.iter().any(|named| named.group() == GATEWAY_API && named.kind == kind);
        }
        match self.protocol.as_str() {
            "HTTP" | "HTTPS" => matches!(kind, "HTTPRoute" | "GRPCRoute"),
            // What is decrypted can be carried on as TCP.
            "TLS" => matches!(kind, "TLSRoute" | "TCPRoute"),
            "TCP" => kind == "TCPRoute",
            "UDP" => kind == "UDPRoute",
            _ => true,
        }
    }
}

impl RouteNamespaces {
    /// Whether routes of `namespace` may attach to a gateway in `own`, where `label` knows the labels of `namespace`; `None` when that
    /// hangs on a word that this version does not know.
    pub fn allows<'a>(
        &self,
        own: &str,
        namespace: &str,
        label: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<bool> {
        match self.from.as_deref().unwrap_or("Same") {
            "All" => Some(true),
            "Same" => Some(own == namespace),
            "None" => Some(false),
            "Selector" => self.selector.as_ref().map_or(Some(false), |selector| selector.selects(label)),
            _ => None,
        }
    }
}

impl RouteGroupKind {
    /// The group that is meant.
    #[must_use]
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(GATEWAY_API)
    }
}

impl Gateway {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }

    /// A listener by its name.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<&Listener> {
        self.spec.listeners.iter().find(|listener| listener.name == name)
    }

    /// What the controller says of a listener.
    #[must_use]
    pub fn listener_status(&self, name: &str) -> Option<&ListenerStatus> {
        self.status.listeners.iter().find(|listener| listener.name == name)
    }
}

record!(
    Gateway,
    Resource::namespaced(GATEWAY_API, "v1", "Gateway", "gateways").or_older(&["v1beta1"]),
    "gateway/1",
    json
);
