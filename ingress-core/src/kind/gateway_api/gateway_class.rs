//! `GatewayClass`.

use serde::{Deserialize, Deserializer, Serialize};

use super::GATEWAY_API;
use super::reference::ObjectRefFields;
use crate::kind::Resource;
use crate::kind::record::{Condition, Metadata, nullable, record};

/// What is kept of a gateway class: metadata, the controller that it belongs to, and what that says of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GatewayClass {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: GatewayClassSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: GatewayClassStatus,
}

/// `spec` of a [`GatewayClass`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GatewayClassSpec {
    /// `controllerName`, such as `gateway.envoyproxy.io/gatewayclass-controller`.
    pub controller_name: String,
    /// `parametersRef`: an object of the implementation's own.
    pub parameters_ref: Option<ObjectRefFields>,
}

/// `status` of a [`GatewayClass`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GatewayClassStatus {
    /// `conditions`: `Accepted` and `SupportedVersion`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// `supportedFeatures`, by name.
    #[serde(deserialize_with = "features")]
    pub supported_features: Vec<String>,
}

/// A feature was a text before it was an object with a name.
fn features<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Feature {
        Text(String),
        Named { name: String },
    }
    let features: Vec<Feature> = nullable(deserializer)?;
    let name = |feature| match feature {
        Feature::Text(name) | Feature::Named { name } => name,
    };
    Ok(features.into_iter().map(name).collect())
}

impl GatewayClass {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }
}

record!(
    GatewayClass,
    Resource::cluster_scoped(GATEWAY_API, "v1", "GatewayClass", "gatewayclasses").or_older(&["v1beta1"]),
    "gatewayclass/1",
    json
);
