//! `Secret` (core/v1) of type `kubernetes.io/tls`: what the public certificate in it says.
//!
//! Only `tls.crt` is ever decoded, its certificates are parsed, and what they say is kept; the bytes are dropped. Every other value,
//! the private key above all, is skipped where it lies in the buffer: it is neither kept nor shown nor copied. The same goes for
//! annotations, in which `kubectl apply` leaves a copy of the whole secret: of those, only cert-manager's are read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use self::chain::Chain;
use super::meta::Object;
use super::record::{Metadata, OwnerReference, Time, nullable};
use super::{Kind, Resource};
use crate::stored::InvalidStored;
use crate::wire::proto::{Chunk, InvalidProtobuf, Value, pair};

mod chain;

pub use chain::{CHAIN, TlsCertificate};

/// The key under which a secret holds its certificates.
pub const TLS_CRT: &str = "tls.crt";

/// The beginning of the annotations that are read: what cert-manager says of a secret that it wrote.
const CERT_MANAGER: &str = "cert-manager.io/";

/// What is kept of a TLS secret: metadata, the names of its keys, and what its certificates say.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TlsSecret {
    /// `metadata`; of the annotations those of cert-manager only.
    pub metadata: Metadata,
    /// `type`.
    pub r#type: String,
    /// The names of the keys of `data`, in order. Never a value.
    pub keys: Vec<String>,
    /// The certificates in `tls.crt`, the first of which is the server's own.
    pub certificates: Vec<TlsCertificate>,
    /// What is wrong with `tls.crt`, in words that quote nothing of it.
    pub problem: Option<String>,
}

impl TlsSecret {
    /// The server's own certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<&TlsCertificate> {
        self.certificates.first()
    }

    /// Whether `data` has this key.
    #[must_use]
    pub fn has_key(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key == name)
    }

    fn of(metadata: Metadata, r#type: String, data: Data) -> Self {
        let mut keys = data.keys;
        keys.sort_unstable();
        keys.dedup();
        let chain = data.chain.unwrap_or_else(|| Chain::broken("there is no tls.crt"));
        let mut secret =
            Self { metadata, r#type, keys, certificates: chain.certificates, problem: chain.problem };
        secret.metadata.tidy();
        secret
    }
}

/// A secret in JSON, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Input {
    metadata: Object<InputMeta>,
    #[serde(deserialize_with = "nullable")]
    r#type: String,
    data: Data<true>,
    /// What manifests may have instead; a server never shows it.
    string_data: Data<false>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InputMeta {
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    generation: i64,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    annotations: Harmless,
    #[serde(deserialize_with = "nullable")]
    owner_references: Vec<OwnerReference>,
    #[serde(deserialize_with = "nullable")]
    finalizers: Vec<String>,
}

impl From<InputMeta> for Metadata {
    fn from(input: InputMeta) -> Self {
        Self {
            name: input.name,
            namespace: input.namespace,
            uid: input.uid,
            resource_version: input.resource_version,
            generation: input.generation,
            creation_timestamp: input.creation_timestamp,
            deletion_timestamp: input.deletion_timestamp,
            labels: input.labels,
            annotations: input.annotations.0,
            owner_references: input.owner_references,
            finalizers: input.finalizers,
        }
    }
}

/// Annotations that hold no data of the secret. The others are skipped unread.
#[derive(Default)]
struct Harmless(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Harmless {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Annotations;
        impl<'de> Visitor<'de> for Annotations {
            type Value = Harmless;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut kept = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key.starts_with(CERT_MANAGER) {
                        kept.insert(key, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Harmless(kept))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Harmless::default())
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(quoting_nothing())
            }
        }
        deserializer.deserialize_any(Annotations)
    }
}

/// `data`, whose values are in base64, or `stringData`, whose are not: the names of its keys, and the certificates.
#[derive(Default)]
struct Data<const ENCODED: bool = true> {
    keys: Vec<String>,
    chain: Option<Chain>,
}

impl<'de, const ENCODED: bool> Deserialize<'de> for Data<ENCODED> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<const ENCODED: bool>;
        impl<'de, const ENCODED: bool> Visitor<'de> for Values<ENCODED> {
            type Value = Data<ENCODED>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut data = Data::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == TLS_CRT {
                        data.chain = Some(map.next_value::<Certificates<ENCODED>>()?.0);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                    data.keys.push(key);
                }
                Ok(data)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Data::default())
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(quoting_nothing())
            }
        }
        deserializer.deserialize_any(Values::<ENCODED>)
    }
}

/// Serde's own error would quote the text that it didn't expect.
fn quoting_nothing<E: Error>() -> E {
    E::custom("a text where a secret has a map")
}

/// The value of `tls.crt`, which is public.
struct Certificates<const ENCODED: bool>(Chain);

impl<'de, const ENCODED: bool> Deserialize<'de> for Certificates<ENCODED> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<const ENCODED: bool>;
        impl<const ENCODED: bool> Visitor<'_> for Text<ENCODED> {
            type Value = Certificates<ENCODED>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                if !ENCODED {
                    return Ok(Certificates(Chain::read(text.as_bytes())));
                }
                // Manifests break long lines, and Go's decoder passes over that.
                let text: Cow<'_, str> = if text.contains(['\r', '\n']) {
                    Cow::Owned(text.replace(['\r', '\n'], ""))
                } else {
                    Cow::Borrowed(text)
                };
                let chain = STANDARD.decode(text.as_bytes());
                let broken = |_| Chain::broken("tls.crt is not base64");
                Ok(Certificates(chain.map_or_else(broken, |pem| Chain::read(&pem))))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Certificates(Chain::read(&[])))
            }
        }
        deserializer.deserialize_any(Text::<ENCODED>)
    }
}

/// Reads `metav1.ObjectMeta`, passing over annotations that may hold data.
fn read_metadata(value: Value<'_>) -> Result<Metadata, InvalidProtobuf> {
    let mut meta = Metadata::default();
    let text = |value: Value<'_>| value.text().map(Cow::into_owned);
    value.chunk()?.fields(|tag, value| {
        match tag {
            1 => meta.name = text(value)?,
            3 => meta.namespace = text(value)?,
            5 => meta.uid = text(value)?,
            6 => meta.resource_version = text(value)?,
            7 => meta.generation = value.number()?,
            8 => meta.creation_timestamp = Some(message(value)?),
            9 => meta.deletion_timestamp = Some(message(value)?),
            11 => {
                let (key, value) = pair(value.chunk()?)?;
                meta.labels.insert(key.to_owned(), value.text()?.to_owned());
            }
            12 => {
                let (key, value) = pair(value.chunk()?)?;
                if key.starts_with(CERT_MANAGER) {
                    meta.annotations.insert(key.to_owned(), value.text()?.to_owned());
                }
            }
            13 => meta.owner_references.push(message(value)?),
            14 => meta.finalizers.push(text(value)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(meta)
}

fn message<M: prost::Message + Default>(value: Value<'_>) -> Result<M, InvalidProtobuf> {
    M::decode(value.chunk()?.bytes()).map_err(|_| InvalidProtobuf::mistyped())
}

impl Kind for TlsSecret {
    fn resource() -> Resource {
        Resource::namespaced("", "v1", "Secret", "secrets")
            .with_fields("type=kubernetes.io/tls")
            .kept_secret()
    }

    fn decode_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let input = Object::<Input>::deserialize(deserializer)?.0;
        let (mut data, plain) = (input.data, input.string_data);
        data.keys.extend(plain.keys);
        data.chain = plain.chain.or(data.chain);
        Ok(Self::of(input.metadata.0.into(), input.r#type, data))
    }

    const PROTOBUF: bool = true;

    fn decode_protobuf(message: &[u8]) -> Result<Self, InvalidProtobuf> {
        let (mut metadata, mut r#type, mut data) = (Metadata::default(), String::new(), Data::default());
        Chunk::new(message).fields(|tag, value| {
            match tag {
                1 => metadata = read_metadata(value)?,
                2 => {
                    let (key, content) = pair(value.chunk()?)?;
                    if key == TLS_CRT {
                        data.chain = Some(Chain::read(content.bytes()));
                    }
                    data.keys.push(key.to_owned());
                }
                3 => r#type = value.text()?.into_owned(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self::of(metadata, r#type, data))
    }

    const STORED: &'static str = "tlssecret/1";

    fn stored(&self) -> Cow<'_, str> {
        // Maps of text and structs of fields can always be written.
        Cow::Owned(serde_json::to_string(self).unwrap_or_default())
    }

    fn restore(stored: &str) -> Result<Self, InvalidStored> {
        serde_json::from_str(stored).map_err(|_| InvalidStored::new("it is no such secret"))
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

#[cfg(test)]
mod tests;
