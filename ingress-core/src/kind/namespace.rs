//! `Namespace` (core/v1).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::meta::{Identity, Meta, Object, Text};
use super::packed::{Packer, Reader};
use super::{Kind, Resource};
use crate::stored::InvalidStored;
use crate::wire::proto::{Chunk, InvalidProtobuf};

/// What is kept of a namespace: identity, creation time, labels and phase.
#[derive(Clone, PartialEq, Eq)]
pub struct NamespaceRecord {
    packed: Box<str>,
}

#[derive(Default, Deserialize)]
struct Input<'a> {
    #[serde(borrow, default)]
    metadata: Object<Meta<'a>>,
    #[serde(borrow, default)]
    status: Object<Status<'a>>,
}

#[derive(Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    phase: Text<'a>,
}

impl Input<'_> {
    fn pack(mut self) -> NamespaceRecord {
        let mut packer = Packer::with_capacity(256);
        self.metadata.pack_identity(&mut packer);
        packer.optional(self.status.phase.non_empty());
        self.metadata.labels.pack(&mut packer);
        NamespaceRecord { packed: packer.finish() }
    }
}

impl NamespaceRecord {
    fn identity(&self) -> (Identity<'_>, Reader<'_>) {
        let mut reader = Reader::new(&self.packed);
        (Identity::read(&mut reader), reader)
    }

    /// `metadata.creationTimestamp`, RFC 3339.
    #[must_use]
    pub fn creation_timestamp(&self) -> Option<&str> {
        self.identity().0.creation_timestamp
    }

    /// `status.phase`: `Active` or `Terminating`; `None` when the cluster did not say.
    #[must_use]
    pub fn phase(&self) -> Option<&str> {
        self.identity().1.optional()
    }

    /// `metadata.labels`.
    #[must_use]
    pub fn labels(&self) -> Vec<(&str, &str)> {
        let (_, mut reader) = self.identity();
        reader.optional();
        reader.pairs()
    }
}

impl Kind for NamespaceRecord {
    fn resource() -> Resource {
        Resource::cluster_scoped("", "v1", "Namespace", "namespaces")
    }

    fn decode_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Object::<Input<'_>>::deserialize(deserializer)?.0.pack())
    }

    const PROTOBUF: bool = true;

    fn decode_protobuf(message: &[u8]) -> Result<Self, InvalidProtobuf> {
        let mut input = Input::default();
        Chunk::new(message).fields(|tag, value| {
            match tag {
                1 => input.metadata = Object(Meta::read(value)?),
                3 => value.chunk()?.fields(|tag, value| {
                    if tag == 1 {
                        input.status.phase = Text::read(value)?;
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(input.pack())
    }

    const STORED: &'static str = "namespace/1";

    fn stored(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.packed)
    }

    fn restore(stored: &str) -> Result<Self, InvalidStored> {
        Ok(Self { packed: stored.into() })
    }

    fn namespace(&self) -> Option<&str> {
        None
    }
    fn name(&self) -> &str {
        self.identity().0.name
    }
    fn uid(&self) -> &str {
        self.identity().0.uid
    }
    fn resource_version(&self) -> &str {
        self.identity().0.resource_version
    }
}

impl std::fmt::Debug for NamespaceRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamespaceRecord")
            .field("name", &self.name())
            .field("resource_version", &self.resource_version())
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_it_says() {
        let json = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","uid":"u1","resourceVersion":"7",
            "creationTimestamp":"2026-01-01T00:00:00Z","labels":{"team":"a"},"managedFields":[{"fieldsV1":{"f:x":{}}}]},
            "spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}"#;
        let record = NamespaceRecord::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!((record.name(), record.uid(), record.resource_version()), ("shop", "u1", "7"));
        assert_eq!(record.phase(), Some("Active"));
        assert_eq!(record.labels(), [("team", "a")]);
        assert_eq!(record.creation_timestamp(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(record.namespace(), None);
    }
}
