//! Checks of the class of a gateway.

use super::super::check::{GW001, GW007, GWC001};
use super::{Problem, Reader, Said, Seen, not_said, said, words};
use crate::inventory::Lookup;
use crate::kind::{Gateway, GatewayClass, Kind};
use crate::route::ObjectRef;

/// Whether a controller takes care of the gateway.
pub(super) fn problems(reader: &Reader<'_>, gateway: &Gateway, seen: &mut Seen) {
    let object = ObjectRef::new("Gateway", gateway.namespace(), gateway.name());
    let name = gateway.spec.gateway_class_name.as_str();
    let class = match reader.get::<GatewayClass>(None, name) {
        Lookup::Found(class) => class,
        Lookup::Unknown(unknown) => return seen.unknown.push(unknown),
        Lookup::Missing => {
            let classes = reader.all::<GatewayClass>().objects;
            let known: Vec<&str> = classes.iter().map(|class| class.name()).collect();
            let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
            return seen.problems.push(Problem::new(
                GW001,
                &object,
                "spec.gatewayClassName",
                format!("No GatewayClass is named {name}, so no controller takes care of the Gateway."),
                format!("Name a class that exists ({known}), or install the controller that brings {name}."),
            ));
        }
    };
    let class_object = ObjectRef::new("GatewayClass", None, class.name());
    let controller = &class.spec.controller_name;
    seen.evidence.push(format!("GatewayClass {name} belongs to the controller {controller}."));
    let generation = class.metadata.generation;
    match said(&class.status.conditions, "Accepted", generation) {
        Said::Yes => {}
        Said::No(condition) => seen.problems.push(Problem::new(
            GWC001,
            &class_object,
            "status.conditions",
            format!(
                "The controller {controller} does not accept the class ({}).",
                words::of_condition(condition)
            ),
            "Correct what its condition names; mostly it is spec.parametersRef.",
        )),
        Said::Nothing if class.metadata.creation_timestamp.is_some() => {
            seen.unknown.push(not_said(&class_object));
        }
        Said::Nothing => {}
    }
    if let Said::No(condition) = said(&class.status.conditions, "SupportedVersion", generation) {
        seen.problems.push(Problem::new(
            GW007,
            &class_object,
            "status.conditions",
            format!(
                "The controller {controller} is made for another version of Gateway API than the cluster's ({}), so that fields may be dropped or ignored.",
                words::of_condition(condition)
            ),
            "Install the version of the CRDs that the controller's documentation names.",
        ));
    }
}
