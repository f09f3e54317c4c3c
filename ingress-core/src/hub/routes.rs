//! Every kind that routes depend on, watched with one source.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use super::watched::AnyStore;
use super::{HubBuilder, InvalidWatch};
use crate::inventory::routed_kinds;
use crate::routes::RoutesBuilder;
use crate::source::{Cluster, ResourceSource};

macro_rules! route_source {
    ($($kind:ident)*) => {
        /// A source that serves every kind that routes depend on, beside the two that every hub watches. Whatever serves them all is one;
        /// [`KubeSource`](crate::KubeSource) does. The kinds are those that an [`Inventory`](crate::inventory::Inventory) holds, and
        /// there will be more.
        pub trait RouteSource: Cluster $(+ ResourceSource<crate::kind::$kind>)* {}

        impl<S: Cluster $(+ ResourceSource<crate::kind::$kind>)*> RouteSource for S {}

        /// Watches each of them. Not generic over the source, so that the engine of twenty kinds is compiled here, once, and not in every program.
        pub(super) fn watch_all(
            hub: HubBuilder,
            source: &Arc<dyn RouteSource>,
        ) -> Result<HubBuilder, InvalidWatch> {
            $(let hub = hub.watch::<crate::kind::$kind>(source.clone())?;)*
            Ok(hub)
        }

        /// Has routes judged by the stores of all these kinds, as far as there are any.
        pub(super) fn follow_all(
            routes: RoutesBuilder,
            stores: &HashMap<TypeId, Box<dyn AnyStore>>,
        ) -> RoutesBuilder {
            $(
                let store = stores.get(&TypeId::of::<crate::kind::$kind>()).map(|store| &**store as &dyn Any);
                let routes = match store.and_then(|store| store.downcast_ref()) {
                    Some(store) => routes.follow::<crate::kind::$kind>(store),
                    None => routes,
                };
            )*
            routes
        }
    };
}
routed_kinds!(route_source);
