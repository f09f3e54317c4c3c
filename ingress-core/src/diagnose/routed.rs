//! The kinds whose objects make routes, in one place: whatever goes through all of them is made from this list.

use super::{Assessed, Exam, Settings, gateway, ingress, istio, traefik};
use crate::inventory::{Held, Inventory, Reader};
use crate::key::ObjectKey;
use crate::kind::{GrpcRoute, HttpRoute, Ingress, IngressRoute, Kind, TlsRoute, VirtualService};
use crate::route::attach::Common;
use crate::route::{self, Route};

/// A kind whose objects make routes.
trait Routed: Held {
    /// The routes of this object, each with its diagnosis.
    fn assess(&self, reader: &Reader<'_>, settings: &Settings) -> Vec<Assessed>;
}

macro_rules! routed {
    ($($kind:ident)*) => {
        /// Whether objects of the kind with this number make routes.
        pub(crate) fn makes_routes(number: u8) -> bool {
            [$(<$kind as Held>::NUMBER),*].contains(&number)
        }

        /// The routes of one object, by the number of its kind, each with its diagnosis; `None` when there is no such object.
        pub(crate) fn assess(
            reader: &Reader<'_>,
            settings: &Settings,
            number: u8,
            key: &ObjectKey,
        ) -> Option<Vec<Assessed>> {
            $(
                if number == <$kind as Held>::NUMBER {
                    let object = reader.get::<$kind>(key.namespace(), key.name()).found()?;
                    return Some(object.assess(reader, settings));
                }
            )*
            None
        }

        /// All objects that make routes, each with the number of its kind.
        pub(crate) fn units(inventory: &Inventory) -> Vec<(u8, ObjectKey)> {
            let mut units = Vec::new();
            $(
                let keys = inventory.objects::<$kind>().map(|(key, _)| key.clone());
                units.extend(keys.map(|key| (<$kind as Held>::NUMBER, key)));
            )*
            units
        }

        /// The number of the kind of this name, if its objects make routes.
        pub(super) fn number_of(name: &str) -> Option<u8> {
            $(
                if name == $kind::resource().kind {
                    return Some(<$kind as Held>::NUMBER);
                }
            )*
            None
        }

        /// The routes of all objects, each with its diagnosis.
        pub(super) fn assess_all(reader: &Reader<'_>, settings: &Settings) -> Vec<Assessed> {
            let mut all = Vec::new();
            $(
                for object in reader.all::<$kind>().objects {
                    all.extend(object.assess(reader, settings));
                }
            )*
            all
        }
    };
}

routed! { Ingress HttpRoute GrpcRoute TlsRoute VirtualService IngressRoute }

/// Each route with what an examination says of it.
fn examined(
    reader: &Reader<'_>,
    settings: &Settings,
    routes: Vec<Route>,
    examine: impl Fn(&mut Exam<'_, '_>, &Route, &[Route]),
) -> Vec<Assessed> {
    let diagnose = |route: &Route| {
        let mut exam = Exam::new(reader, settings);
        examine(&mut exam, route, &routes);
        exam.finish(route)
    };
    let diagnoses: Vec<_> = routes.iter().map(diagnose).collect();
    routes.into_iter().zip(diagnoses).map(|(route, diagnosis)| Assessed { route, diagnosis }).collect()
}

impl Routed for Ingress {
    fn assess(&self, reader: &Reader<'_>, settings: &Settings) -> Vec<Assessed> {
        let routes = route::ingress::routes(reader, self);
        examined(reader, settings, routes, |exam, route, _| ingress::examine(exam, self, route))
    }
}

macro_rules! gateway_api {
    ($($kind:ident $routes:ident)*) => {
        $(
            impl Routed for $kind {
                fn assess(&self, reader: &Reader<'_>, settings: &Settings) -> Vec<Assessed> {
                    let common = Common::from(self);
                    let parents = common.answers(reader);
                    let routes = route::gateway_api::$routes(reader, self);
                    examined(reader, settings, routes, |exam, route, siblings| {
                        gateway::examine(exam, &gateway::Case { common, parents: &parents, siblings }, route);
                    })
                }
            }
        )*
    };
}

gateway_api! { HttpRoute http_routes GrpcRoute grpc_routes TlsRoute tls_routes }

impl Routed for VirtualService {
    fn assess(&self, reader: &Reader<'_>, settings: &Settings) -> Vec<Assessed> {
        let routes = route::istio::routes(reader, self);
        examined(reader, settings, routes, |exam, route, siblings| {
            istio::examine(exam, self, route, siblings);
        })
    }
}

impl Routed for IngressRoute {
    fn assess(&self, reader: &Reader<'_>, settings: &Settings) -> Vec<Assessed> {
        let routes = route::traefik::routes(reader, self);
        examined(reader, settings, routes, |exam, route, _| traefik::examine(exam, self, route))
    }
}
