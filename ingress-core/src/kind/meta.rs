//! `metadata`, as every kind keeps it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::packed::{Packer, Reader};
use crate::clock::Timestamp;
use crate::wire::proto::{InvalidProtobuf, Value, pair};

/// The annotation in which `kubectl apply` keeps a copy of the whole object; never kept.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How many bytes of annotations (keys and values) one record keeps. Past it the largest are left out, and the record
/// says so.
pub const ANNOTATION_BYTES: usize = 16 * 1024;

/// The part of `metadata` that is kept, borrowed from the input.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) namespace: Text<'a>,
    #[serde(borrow)]
    pub(super) uid: Text<'a>,
    #[serde(borrow)]
    pub(super) resource_version: Text<'a>,
    #[serde(borrow)]
    pub(super) creation_timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) labels: Labels<'a>,
    #[serde(borrow)]
    pub(super) annotations: Annotations<'a>,
}

/// A string that borrows where the input has no escapes. `null` is the empty string, as in Go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Kubernetes writes an unset string as an absent field; an empty one means the same.
    pub(crate) fn non_empty(&self) -> Option<&str> {
        Some(self.as_str()).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A map of strings in the order of the input; `null` is empty. As annotations it is read without [`LAST_APPLIED`].
#[derive(Debug, Default)]
pub(super) struct Pairs<'a, const ANNOTATIONS: bool>(pub(super) Vec<(Text<'a>, Text<'a>)>);

type Labels<'a> = Pairs<'a, false>;
type Annotations<'a> = Pairs<'a, true>;

impl<const ANNOTATIONS: bool> Pairs<'_, ANNOTATIONS> {
    pub(super) fn get(&self, wanted: &str) -> Option<&str> {
        self.0.iter().rfind(|(key, _)| key.as_str() == wanted).map(|(_, value)| value.as_str())
    }

    /// Puts the pairs in the order of their keys, and keeps of equal keys the last, whatever the input: equal maps must make
    /// equal records.
    fn normalize(&mut self) {
        if !self.0.is_sorted_by(|(one, _), (other, _)| one.as_str() < other.as_str()) {
            self.0.reverse();
            self.0.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
            self.0.dedup_by(|(later, _), (first, _)| later.as_str() == first.as_str());
        }
    }

    pub(super) fn pack(&mut self, packer: &mut Packer) {
        self.normalize();
        packer.count(self.0.len());
        for (key, value) in &self.0 {
            packer.text(key.as_str());
            packer.text(value.as_str());
        }
    }

    /// Drops what is too large of annotations; whether something was left out.
    pub(super) fn bound(&mut self) -> bool {
        self.normalize();
        let size = |(key, value): &(Text<'_>, Text<'_>)| key.as_str().len() + value.as_str().len();
        let mut total: usize = self.0.iter().map(size).sum();
        if total <= ANNOTATION_BYTES {
            return false;
        }
        let mut by_size: Vec<usize> = self.0.iter().map(size).collect();
        by_size.sort_unstable();
        // The largest go first: one blob must not push out the many small ones that say something.
        let mut largest_kept = usize::MAX;
        while total > ANNOTATION_BYTES {
            let Some(largest) = by_size.pop() else { break };
            total -= largest;
            largest_kept = largest.saturating_sub(1);
        }
        self.0.retain(|pair| size(pair) <= largest_kept);
        true
    }
}

impl<'de: 'a, 'a, const ANNOTATIONS: bool> Deserialize<'de> for Pairs<'a, ANNOTATIONS> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<'a, const ANNOTATIONS: bool>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a, const ANNOTATIONS: bool> Visitor<'de> for PairsVisitor<'a, ANNOTATIONS> {
            type Value = Pairs<'a, ANNOTATIONS>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(8).min(64));
                while let Some(key) = map.next_key::<Text<'a>>()? {
                    // The largest annotation of most objects, full of escapes: skipped, not unescaped.
                    if ANNOTATIONS && key.as_str() == LAST_APPLIED {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        pairs.push((key, map.next_value()?));
                    }
                }
                Ok(Pairs(pairs))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }
        }
        deserializer.deserialize_any(PairsVisitor::<ANNOTATIONS>(PhantomData))
    }
}

impl<'a> Text<'a> {
    pub(super) fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        value.text().map(Self)
    }
}

impl<'a, const ANNOTATIONS: bool> Pairs<'a, ANNOTATIONS> {
    /// Adds one entry of a protobuf map.
    pub(super) fn read(&mut self, value: Value<'a>) -> Result<(), InvalidProtobuf> {
        let (key, text) = pair(value.chunk()?)?;
        if !(ANNOTATIONS && key == LAST_APPLIED) {
            self.0.push((Text(Cow::Borrowed(key)), Text(Cow::Borrowed(text.text()?))));
        }
        Ok(())
    }
}

impl<'a> Meta<'a> {
    /// Reads `metav1.ObjectMeta`.
    pub(super) fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut meta = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => meta.name = Text::read(value)?,
                3 => meta.namespace = Text::read(value)?,
                5 => meta.uid = Text::read(value)?,
                6 => meta.resource_version = Text::read(value)?,
                8 => meta.creation_timestamp = read_time(value)?,
                11 => meta.labels.read(value)?,
                12 => meta.annotations.read(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(meta)
    }
}

/// `metav1.Time`: seconds since the epoch, written as JSON writes them. The zero time is none.
fn read_time(value: Value<'_>) -> Result<Option<Text<'static>>, InvalidProtobuf> {
    let mut seconds = None;
    value.chunk()?.fields(|tag, value| {
        if tag == 1 {
            seconds = Some(value.number()?);
        }
        Ok(())
    })?;
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    Ok(time.map(|time| Text(Cow::Owned(time.to_string()))))
}

/// An object read into a struct. `null` is an empty one, as Go's decoder has it; an array is refused, which a derived
/// `Deserialize` alone would take for the fields in order.
#[derive(Debug, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<T> std::ops::Deref for Object<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::ops::DerefMut for Object<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Object::default())
            }
        }
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// Reads `null` as the type's default, as Go's decoder does.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Meta<'_> {
    /// Writes the identity that every packed record begins with.
    pub(super) fn pack_identity(&self, packer: &mut Packer) {
        packer.text(self.namespace.as_str());
        packer.text(self.name.as_str());
        packer.text(self.uid.as_str());
        packer.text(self.resource_version.as_str());
        packer.optional(self.creation_timestamp.as_ref().and_then(Text::non_empty));
    }
}

/// The identity at the beginning of every packed record.
#[derive(Debug)]
pub(super) struct Identity<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    pub(super) resource_version: &'a str,
    pub(super) creation_timestamp: Option<&'a str>,
}

impl<'a> Identity<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Self {
        Self {
            namespace: reader.text(),
            name: reader.text(),
            uid: reader.text(),
            resource_version: reader.text(),
            creation_timestamp: reader.optional(),
        }
    }
}
