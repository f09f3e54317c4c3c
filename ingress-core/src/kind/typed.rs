//! Any type of `k8s-openapi` or `kube-derive` as a record.
//!
//! A record of one's own is the better choice for a kind that is watched in numbers: it keeps what is needed and skips the
//! rest unparsed. This is for all the other kinds, for which nobody wants to write a decoder: the type's own `Deserialize`
//! reads the whole object, and the store keeps it, but for `metadata.managedFields`. [`Typed`] tells what that costs.

use std::borrow::Cow;
use std::ops::Deref;

use kube::Resource as KubeResource;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize};

use super::{Kind, Resource};
use crate::stored::InvalidStored;

/// An object of a type that [`kube`] knows, whole, as a record.
///
/// `T` is any type of `k8s-openapi` that the API server serves a collection of, or any that `#[derive(CustomResource)]`
/// made. [`HubBuilder::watch`](crate::HubBuilder::watch) has a hub watch it.
///
/// ```
/// use ingress_core::{Kind, Typed, WatchEvent, wire::json};
/// use k8s_openapi::api::core::v1::Service;
///
/// assert_eq!(Typed::<Service>::resource().path(Some("shop")), "/api/v1/namespaces/shop/services");
///
/// let line = br#"{"type":"ADDED","object":{"metadata":{"namespace":"shop","name":"cart","uid":"f0",
///     "resourceVersion":"7","managedFields":[{"manager":"helm"}]},"spec":{"clusterIP":"10.0.0.9"}}}"#;
/// let WatchEvent::Applied(cart) = json::decode_event::<Typed<Service>>(line)? else { panic!("not added") };
/// assert_eq!((cart.name(), cart.resource_version()), ("cart", "7")); // as any record
/// assert_eq!(cart.metadata.managed_fields, None);
/// let service: Service = cart.into_inner(); // and as what it is
/// assert_eq!(service.spec.and_then(|spec| spec.cluster_ip).as_deref(), Some("10.0.0.9"));
/// # Ok::<(), ingress_core::SourceError>(())
/// ```
///
/// # Cost
///
/// The whole object is decoded and kept, in as many allocations as it has texts, lists and maps; and it comes as JSON, since
/// these types can't read protobuf. For ingresses of 2.6 KB of JSON, as ratios within one run:
///
/// | `Typed<Ingress>` of `k8s-openapi` beside | heap kept per object | changes per second |
/// |---|---:|---:|
/// | the record [`Ingress`](crate::Ingress), from protobuf | 4.8× | 1/4 |
/// | the record [`Ingress`](crate::Ingress), from JSON | 4.8× | 1/2 |
/// | kube-rs 5.0, `reflector` of the same type | 1/2 | 1.6× |
///
/// `cargo run --release -p benches --bin ratios -- --quick` repeats it.
///
/// The half of kube-rs's heap that is missing is `managedFields`, which are decoded and then dropped: they are of no use to
/// readers. What comes on top is the store's history: the objects of its last
/// [8,192 changes](crate::store::DEFAULT_HISTORY) stay for readers that resume, whole, too. Where that is much,
/// [`HubBuilder::history`](crate::HubBuilder::history) sets another bound.
///
/// `Typed<kube::core::PartialObjectMeta<T>>` keeps the metadata only; the server still sends everything.
///
/// # Equality
///
/// Two of them are equal when name, `uid` and `resourceVersion` are: Kubernetes gives an object another `resourceVersion` with
/// every write, so a relist costs no deep comparison, and `T` need not be [`PartialEq`]. Two things follow:
///
/// - What changes without a write, because another release of the API server or of a conversion webhook now shows the same
///   object differently, becomes visible with the object's next write.
/// - An object without a `resourceVersion` equals nothing, not even itself: nothing says that it is the same. A watch never
///   yields one, but the list of an extension API server may; every relist then tells of it as modified.
#[derive(Debug, Clone)]
pub struct Typed<T>(T);

impl<T: KubeResource> Typed<T> {
    /// Makes a record of an object; its `managedFields` are dropped.
    #[must_use]
    pub fn new(mut object: T) -> Self {
        object.meta_mut().managed_fields = None;
        Self(object)
    }
}

impl<T> Typed<T> {
    /// The object. [`Deref`] gives it, too.
    #[must_use]
    pub fn object(&self) -> &T {
        &self.0
    }

    /// The object, taken out.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Typed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// See [Equality](Typed#equality).
impl<T: KubeResource> PartialEq for Typed<T> {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.0.meta(), other.0.meta());
        // The revision first: it decides most often.
        text(&one.resource_version) == text(&other.resource_version)
            && !text(&one.resource_version).is_empty()
            && one.uid == other.uid
            && one.name == other.name
            && one.namespace == other.namespace
    }
}

/// A scope that is known when the program is compiled: what [`kube::Resource::Scope`] is for every type of which there are
/// collections to watch. Subresources have none, and of [`kube::core::DynamicResourceScope`] nobody can tell.
#[diagnostic::on_unimplemented(
    message = "objects of scope `{Self}` can't be watched",
    note = "only namespaced and cluster-scoped kinds have collections; subresources and dynamic types have none"
)]
pub trait KnownScope: sealed::Sealed {
    /// Whether objects live in namespaces.
    const NAMESPACED: bool;
}

impl KnownScope for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl KnownScope for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::NamespaceResourceScope {}
    impl Sealed for super::ClusterResourceScope {}
}

impl<T> Kind for Typed<T>
where
    T: KubeResource<DynamicType = (), Scope: KnownScope>
        + DeserializeOwned
        + Serialize
        + Clone
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    fn resource() -> Resource {
        Resource {
            group: T::group(&()),
            version: T::version(&()),
            kind: T::kind(&()),
            plural: T::plural(&()),
            namespaced: T::Scope::NAMESPACED,
            older: &[],
            fields: "",
            only_metadata: false,
            confidential: false,
            whole_group: false,
        }
    }

    fn decode_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }

    const STORED: &'static str = "json/1";

    fn stored(&self) -> Cow<'_, str> {
        // What came as JSON can be written as JSON.
        Cow::Owned(serde_json::to_string(&self.0).unwrap_or_default())
    }

    fn restore(stored: &str) -> Result<Self, InvalidStored> {
        serde_json::from_str(stored).map(Self::new).map_err(|_| InvalidStored::new("it is no such object"))
    }

    fn namespace(&self) -> Option<&str> {
        // Go writes what is not there as an empty text in places.
        Some(text(&self.meta().namespace)).filter(|namespace| !namespace.is_empty())
    }

    fn name(&self) -> &str {
        text(&self.meta().name)
    }

    fn uid(&self) -> &str {
        text(&self.meta().uid)
    }

    fn resource_version(&self) -> &str {
        text(&self.meta().resource_version)
    }
}

fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests;
