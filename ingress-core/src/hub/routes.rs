//! Every kind that routes depend on, watched with one source.

use super::{HubBuilder, InvalidWatch};
use crate::inventory::routed_kinds;
use crate::source::{Cluster, ResourceSource};

macro_rules! route_source {
    ($($kind:ident)*) => {
        /// A source that serves every kind that routes depend on, beside the two that every hub watches. Whatever serves them all is one;
        /// [`KubeSource`](crate::KubeSource) does. The kinds are those that an [`Inventory`](crate::inventory::Inventory) holds, and
        /// there will be more.
        pub trait RouteSource: Cluster $(+ ResourceSource<crate::kind::$kind>)* {}

        impl<S: Cluster $(+ ResourceSource<crate::kind::$kind>)*> RouteSource for S {}

        pub(super) fn watch_all(
            hub: HubBuilder,
            source: &(impl RouteSource + Clone),
        ) -> Result<HubBuilder, InvalidWatch> {
            $(let hub = hub.watch::<crate::kind::$kind>(source.clone())?;)*
            Ok(hub)
        }
    };
}
routed_kinds!(route_source);
