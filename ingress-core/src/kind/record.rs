//! Records that are declared: structs with the fields of a Kubernetes object that are kept, under their Kubernetes names.
//!
//! One declaration serves everything. `serde` reads it from JSON and skips what isn't named; for built-in kinds `prost` reads the same
//! fields from protobuf, by their tags in Kubernetes' `generated.proto`; and it is stored as JSON. An unset string, number or list
//! is an empty one in all three, as in Go. [`Ingress`](super::Ingress) and [`NamespaceRecord`](super::NamespaceRecord) are packed by
//! hand instead, because there are most of them and each viewer sees them; these cost some three times the memory and a third of
//! the work to write.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::meta::{ANNOTATION_BYTES, LAST_APPLIED};
use crate::clock::Timestamp;

/// What is kept of `metadata`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Metadata {
    /// `name`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `namespace`; empty for cluster-scoped kinds.
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `uid`.
    #[prost(string, tag = "5")]
    pub uid: String,
    /// `resourceVersion`.
    #[prost(string, tag = "6")]
    pub resource_version: String,
    /// `generation`: counts the changes of `spec`; 0 where the kind has none.
    #[prost(int64, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub generation: i64,
    /// `creationTimestamp`.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Time>,
    /// `deletionTimestamp`: set once somebody deleted the object, which then waits for its finalizers or its grace period.
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Time>,
    /// `labels`.
    #[prost(btree_map = "string, string", tag = "11")]
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `annotations`, without the last applied configuration, up to [`ANNOTATION_BYTES`].
    #[prost(btree_map = "string, string", tag = "12")]
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `ownerReferences`.
    #[prost(message, repeated, tag = "13")]
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// `finalizers`.
    #[prost(string, repeated, tag = "14")]
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct OwnerReference {
    /// `kind`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// `name`.
    #[prost(string, tag = "3")]
    pub name: String,
    /// `uid`.
    #[prost(string, tag = "4")]
    pub uid: String,
    /// `apiVersion`.
    #[prost(string, tag = "5")]
    pub api_version: String,
    /// `controller`: whether this owner manages the object.
    #[prost(bool, optional, tag = "6")]
    pub controller: Option<bool>,
}

impl Metadata {
    /// Drops of the annotations what is never kept, and the largest of those that are more than is kept.
    pub(super) fn tidy(&mut self) {
        settle(&mut self.creation_timestamp);
        settle(&mut self.deletion_timestamp);
        self.annotations.remove(LAST_APPLIED);
        let size = |(key, value): (&String, &String)| key.len() + value.len();
        let mut total: usize = self.annotations.iter().map(size).sum();
        while total > ANNOTATION_BYTES {
            let largest = self.annotations.iter().max_by_key(|pair| size(*pair));
            let Some((key, bytes)) = largest.map(|pair| (pair.0.clone(), size(pair))) else { break };
            self.annotations.remove(&key);
            total -= bytes;
        }
    }

    /// The owner that manages the object.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller == Some(true))
    }
}

/// A time, to the second or finer. JSON has RFC 3339, protobuf the seconds and nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
#[non_exhaustive]
pub struct Time {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Time {
    /// The same as a timestamp; `None` for what no calendar holds.
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        Timestamp::new(self.seconds, self.nanos).ok()
    }
}

/// Gives a time that is not set one form: Go writes it as `null` in JSON, and as an empty message, which is 1970, in protobuf. A time
/// that no calendar holds is none, either.
pub(super) fn settle(time: &mut Option<Time>) {
    *time = time.and_then(Time::timestamp).map(Time::from).filter(|time| *time != Time::default());
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
    }
}

/// RFC 3339.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(time) => write!(f, "{time}"),
            None => f.write_str("an impossible time"),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let time: Timestamp = text.parse().map_err(|_| {
            serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), &"a time as RFC 3339 has it")
        })?;
        Ok(time.into())
    }
}

/// A number or a name, as `targetPort` has it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
#[non_exhaustive]
pub struct IntOrString {
    /// 0: it is the number; 1: it is the name.
    #[prost(int64, tag = "1")]
    pub kind: i64,
    /// The number.
    #[prost(int32, tag = "2")]
    pub int_val: i32,
    /// The name.
    #[prost(string, tag = "3")]
    pub str_val: String,
}

impl IntOrString {
    /// The number, when it is one; 0 is none.
    #[must_use]
    pub fn number(&self) -> Option<i32> {
        (self.kind == 0 && self.int_val != 0).then_some(self.int_val)
    }

    /// The name, when it is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        Some(self.str_val.as_str()).filter(|name| self.kind == 1 && !name.is_empty())
    }
}

/// Gives a number or name that is not set one form: Go writes it as 0 where it may not be left out.
pub(super) fn settle_port(port: &mut Option<IntOrString>) {
    *port = port.take().and_then(|port| match (port.number(), port.name()) {
        (Some(number), _) => Some(number.into()),
        (None, name) => name.map(Into::into),
    });
}

impl From<i32> for IntOrString {
    fn from(number: i32) -> Self {
        Self { kind: 0, int_val: number, str_val: String::new() }
    }
}

impl From<&str> for IntOrString {
    fn from(name: &str) -> Self {
        Self { kind: 1, int_val: 0, str_val: name.to_owned() }
    }
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.kind == 1 {
            serializer.serialize_str(&self.str_val)
        } else {
            serializer.serialize_i32(self.int_val)
        }
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(i32),
            Name(String),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Number(number) => number.into(),
            Either::Name(name) => Self { kind: 1, int_val: 0, str_val: name },
        })
    }
}

/// A condition, as most custom resources and Gateway API have it (`metav1.Condition`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Condition {
    /// `type`.
    pub r#type: String,
    /// `status`: `True`, `False` or `Unknown`.
    pub status: String,
    /// `observedGeneration`: of which generation this was said; 0 where nobody says.
    pub observed_generation: i64,
    /// `lastTransitionTime`.
    pub last_transition_time: Option<Time>,
    /// `reason`.
    pub reason: String,
    /// `message`.
    pub message: String,
}

/// Reads `null` as empty, as Go's decoder does.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads whether something is there at all, and forgets what it is. What was read so, and stored, is read as what it said.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(!matches!(value, serde_json::Value::Null | serde_json::Value::Bool(false)))
}

/// Whether nothing would be lost by leaving it out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Makes a kind of a struct with a field `metadata` of type [`Metadata`], and a `fn tidy(&mut self)` that drops what is not kept.
/// `protobuf` says that it is also a `prost::Message`, `json` that it comes as JSON only.
macro_rules! record {
    ($name:ident, $resource:expr, $stored:literal, $form:ident) => {
        impl $crate::kind::Kind for $name {
            fn resource() -> $crate::kind::Resource {
                $resource
            }

            fn decode_json<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut record = <Self as serde::Deserialize>::deserialize(deserializer)?;
                record.tidy();
                Ok(record)
            }

            $crate::kind::record::record!(@ $form);

            const STORED: &'static str = $stored;

            fn stored(&self) -> std::borrow::Cow<'_, str> {
                // Maps of text and structs of fields can always be written.
                std::borrow::Cow::Owned(serde_json::to_string(self).unwrap_or_default())
            }

            fn restore(stored: &str) -> Result<Self, $crate::stored::InvalidStored> {
                let problem = $crate::stored::InvalidStored::new("it is no such object");
                serde_json::from_str(stored).map_err(|_| problem)
            }

            fn namespace(&self) -> Option<&str> {
                Some(self.metadata.namespace.as_str()).filter(|namespace| !namespace.is_empty())
            }

            fn name(&self) -> &str {
                &self.metadata.name
            }

            fn uid(&self) -> &str {
                &self.metadata.uid
            }

            fn resource_version(&self) -> &str {
                &self.metadata.resource_version
            }
        }
    };
    (@ json) => {};
    (@ protobuf) => {
        const PROTOBUF: bool = true;

        fn decode_protobuf(message: &[u8]) -> Result<Self, $crate::wire::proto::InvalidProtobuf> {
            let mut record = <Self as prost::Message>::decode(message)
                .map_err(|_| $crate::wire::proto::InvalidProtobuf::mistyped())?;
            record.tidy();
            Ok(record)
        }
    };
}
pub(super) use record;
