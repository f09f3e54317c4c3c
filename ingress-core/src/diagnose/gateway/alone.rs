//! Checks of gateways and classes that no route uses.

use super::super::check::GWC002;
use super::{Door, Doors, Exam, Finding, Reader, Settings, StepKind, each_door, listener};
use crate::inventory::Tag;
use crate::kind::{Gateway, GatewayClass, GrpcRoute, HttpRoute, Kind, TlsRoute};
use crate::route::{HostPattern, ObjectRef};

/// What is wrong with what stands by itself.
pub(in super::super) fn findings(reader: &Reader<'_>, settings: &Settings) -> Vec<Finding> {
    let mut exam = Exam::new(reader, settings);
    exam.step(StepKind::Entry, None, None);
    let gateways = reader.all::<Gateway>();
    for gateway in &gateways.objects {
        let (namespace, name) = (gateway.metadata.namespace.as_str(), gateway.name());
        let parent = || Tag::parent("Gateway", namespace, name);
        // What is wrong with a gateway that has routes is told along with these.
        if !reader.tagged::<HttpRoute>(None, parent()).objects.is_empty()
            || !reader.tagged::<GrpcRoute>(None, parent()).objects.is_empty()
            || !reader.tagged::<TlsRoute>(None, parent()).objects.is_empty()
        {
            continue;
        }
        let listeners = gateway.spec.listeners.iter().enumerate();
        let known = listeners.map(|(at, listener)| Door { gateway, at, listener }).collect();
        let doors = Doors { known, complete: true };
        each_door(&mut exam, &doors, listener::problems);
        each_door(&mut exam, &doors, |reader, settings, door| {
            let host = HostPattern::of_gateway(door.listener.hostname());
            listener::certificates(reader, settings, door, &host)
        });
    }
    for class in reader.all::<GatewayClass>().objects {
        let used = reader.tagged::<Gateway>(None, Tag::class(class.name()));
        if used.objects.is_empty() && used.unknown.is_none() {
            exam.find(
                GWC002,
                &ObjectRef::new("GatewayClass", None, class.name()),
                "",
                "No Gateway is of this class.".to_owned(),
                "Nothing has to be done; remove the class when its controller goes.".to_owned(),
            );
        }
    }
    exam.into_findings()
}
