//! Objects of API versions that clusters no longer have. No inventory holds one, so that this is told of what was left out of it.

use super::Finding;
use super::check::ING017;
use crate::inventory::Removed;
use crate::route::ObjectRef;

/// ING017, of an object that [`Inventory::take`](crate::inventory::Inventory::take) left out.
impl From<&Removed> for Finding {
    fn from(removed: &Removed) -> Self {
        let Removed { id, api_version, since, instead, .. } = removed;
        let object = ObjectRef::new(id.kind.clone(), id.namespace.as_deref(), &id.name);
        let command = format!("kubectl explain {} --api-version={instead}", id.kind.to_ascii_lowercase());
        Self {
            code: ING017.code,
            severity: ING017.severity,
            object,
            field: Some("apiVersion".to_owned()),
            cause: format!("Kubernetes {since} and later have no {api_version} of {}.", id.kind),
            action: format!("Write it as {instead}; kubectl convert does it, where it is installed."),
            command,
        }
    }
}
