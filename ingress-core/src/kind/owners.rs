//! `Deployment` and `ReplicaSet` (apps/v1), by their metadata alone: who owns a pod, and who manages that.
//!
//! The server is asked for nothing but metadata: their specifications are the larger part, and hold what nobody here needs.

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{Metadata, record};

macro_rules! metadata {
    ($name:ident, $what:literal, $resource:expr, $stored:literal) => {
        #[doc = $what]
        #[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            /// `metadata`.
            #[prost(message, required, tag = "1")]
            pub metadata: Metadata,
        }

        impl $name {
            fn tidy(&mut self) {
                self.metadata.tidy();
            }
        }

        record!($name, $resource, $stored, protobuf);
    };
}

metadata!(
    DeploymentMeta,
    "The metadata of a deployment.",
    Resource::namespaced("apps", "v1", "Deployment", "deployments").metadata_only(),
    "deployment/1"
);
metadata!(
    ReplicaSetMeta,
    "The metadata of a replica set, which names its deployment as its owner.",
    Resource::namespaced("apps", "v1", "ReplicaSet", "replicasets").metadata_only(),
    "replicaset/1"
);
