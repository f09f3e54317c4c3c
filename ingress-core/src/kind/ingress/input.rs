//! An ingress on its way from bytes to a record: what is read of it, from JSON and from protobuf, and how it is packed.
//!
//! Both forms fill the same borrowed structs, and one function packs them, so that both give the same record. What isn't
//! named here is skipped unparsed.

use serde::Deserialize;

use super::super::meta::{Meta, Object, Text, nullable};
use super::super::packed::Packer;
use super::{
    Ambiguity, BY_NAME, BY_NUMBER, CLASS_ANNOTATION, CLASS_BY_SPEC, NONE, REMARKS, RESOURCE_REF, SERVICE,
    TRUNCATED,
};
use crate::wire::proto::{Chunk, InvalidProtobuf, Value};

/// An ingress as far as it is kept, borrowed from the bytes of a list or a watch.
#[derive(Default, Deserialize)]
pub(super) struct Input<'a> {
    #[serde(borrow, default)]
    metadata: Object<Meta<'a>>,
    #[serde(borrow, default)]
    spec: Object<Spec<'a>>,
    #[serde(borrow, default)]
    status: Object<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    #[serde(borrow)]
    ingress_class_name: Text<'a>,
    #[serde(borrow)]
    default_backend: Option<Object<InputBackend<'a>>>,
    #[serde(borrow, deserialize_with = "nullable")]
    rules: Vec<Object<InputRule<'a>>>,
    #[serde(borrow, deserialize_with = "nullable")]
    tls: Vec<Object<InputTls<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputRule<'a> {
    #[serde(borrow)]
    host: Text<'a>,
    #[serde(borrow)]
    http: Object<InputHttp<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputHttp<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    paths: Vec<Object<InputPath<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InputPath<'a> {
    #[serde(borrow)]
    path: Text<'a>,
    #[serde(borrow)]
    path_type: Text<'a>,
    #[serde(borrow)]
    backend: Option<Object<InputBackend<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputBackend<'a> {
    #[serde(borrow)]
    service: Option<Object<InputService<'a>>>,
    #[serde(borrow)]
    resource: Option<Object<InputResource<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputService<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    port: Object<InputPort<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputPort<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    number: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InputResource<'a> {
    #[serde(borrow)]
    api_group: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InputTls<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    hosts: Vec<Text<'a>>,
    #[serde(borrow)]
    secret_name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    #[serde(borrow)]
    load_balancer: Object<LoadBalancer<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    ingress: Vec<Object<Address<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    ports: Vec<Object<PortStatus<'a>>>,
}

impl Address<'_> {
    fn text(&self) -> Option<&str> {
        self.ip.non_empty().or(self.hostname.non_empty())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PortStatus<'a> {
    port: Option<i64>,
    #[serde(borrow)]
    error: Text<'a>,
}

impl InputPort<'_> {
    /// Go leaves an unset number out, but a client may also write the zero.
    fn number(&self) -> Option<u16> {
        self.number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
    }
}

impl InputBackend<'_> {
    fn ambiguities(&self) -> impl Iterator<Item = Ambiguity> {
        let port = self.service.as_ref().map(|service| &service.port);
        let both = self.service.is_some() && self.resource.is_some();
        let twice = port.is_some_and(|port| port.name.non_empty().is_some() && port.number().is_some());
        let both = both.then_some(Ambiguity::ServiceAndResource);
        both.into_iter().chain(twice.then_some(Ambiguity::NameAndNumber))
    }

    fn pack(backend: Option<&Self>, packer: &mut Packer) {
        match backend {
            Some(Self { service: Some(service), .. }) => {
                packer.count(SERVICE);
                packer.text(service.name.as_str());
                match (service.port.name.non_empty(), service.port.number()) {
                    (Some(name), _) => {
                        packer.count(BY_NAME);
                        packer.text(name);
                    }
                    (None, Some(number)) => {
                        packer.count(BY_NUMBER);
                        packer.count(usize::from(number));
                    }
                    (None, None) => packer.count(NONE),
                }
            }
            Some(Self { resource: Some(resource), .. }) => {
                packer.count(RESOURCE_REF);
                packer.optional(resource.api_group.non_empty());
                packer.text(resource.kind.as_str());
                packer.text(resource.name.as_str());
            }
            _ => packer.count(NONE),
        }
    }
}

impl Input<'_> {
    /// Packs the record; `Ingress` reads it in this order.
    pub(super) fn pack(mut self) -> Box<str> {
        let mut packer = Packer::with_capacity(1024);
        self.metadata.pack_identity(&mut packer);
        let class = self
            .spec
            .ingress_class_name
            .non_empty()
            .or_else(|| self.metadata.annotations.get(CLASS_ANNOTATION));
        packer.optional(class);
        packer.count(self.spec.rules.len());
        for rule in &self.spec.rules {
            packer.optional(rule.host.non_empty());
            packer.count(rule.http.paths.len());
            for path in &rule.http.paths {
                packer.optional(path.path.non_empty());
                packer.optional(path.path_type.non_empty());
                InputBackend::pack(path.backend.as_deref(), &mut packer);
            }
        }
        InputBackend::pack(self.spec.default_backend.as_deref(), &mut packer);
        packer.count(self.spec.tls.len());
        for tls in &self.spec.tls {
            packer.count(tls.hosts.len());
            for host in &tls.hosts {
                packer.text(host.as_str());
            }
            packer.optional(tls.secret_name.non_empty());
        }
        let addresses = &self.status.load_balancer.ingress;
        packer.count(addresses.iter().filter(|address| address.text().is_some()).count());
        for text in addresses.iter().filter_map(|address| address.text()) {
            packer.text(text);
        }
        self.metadata.labels.pack(&mut packer);
        let truncated = self.metadata.annotations.bound();
        self.metadata.annotations.pack(&mut packer);
        let (ambiguities, errors) = (self.ambiguities(), self.port_errors());
        let remarks = !ambiguities.is_empty() || !errors.is_empty();
        let flag = |set, flag| if set { flag } else { 0 };
        packer.count(
            flag(truncated, TRUNCATED)
                | flag(self.spec.ingress_class_name.non_empty().is_some(), CLASS_BY_SPEC)
                | flag(remarks, REMARKS),
        );
        if remarks {
            packer.count(ambiguities.len());
            for (rule, path, ambiguity) in ambiguities {
                packer.count(flag(ambiguity == Ambiguity::NameAndNumber, 1));
                packer.count(rule);
                packer.count(path);
            }
            packer.count(errors.len());
            for (address, port, error) in errors {
                packer.text(address);
                packer.count(usize::from(port));
                packer.text(error);
            }
        }
        packer.finish()
    }

    /// What backends say twice: the rule, from 1 (0 is the default backend), the path, from 0, and what.
    fn ambiguities(&self) -> Vec<(usize, usize, Ambiguity)> {
        let mut found = Vec::new();
        for (rule, input) in self.spec.rules.iter().enumerate() {
            for (path, input) in input.http.paths.iter().enumerate() {
                let of = input.backend.iter().flat_map(|backend| backend.ambiguities());
                found.extend(of.map(|ambiguity| (rule + 1, path, ambiguity)));
            }
        }
        let default = self.spec.default_backend.iter().flat_map(|backend| backend.ambiguities());
        found.extend(default.map(|ambiguity| (0, 0, ambiguity)));
        found
    }

    fn port_errors(&self) -> Vec<(&str, u16, &str)> {
        let mut errors = Vec::new();
        for address in &self.status.load_balancer.ingress {
            for port in &address.ports {
                if let Some(error) = port.error.non_empty() {
                    let number = port.port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
                    errors.push((address.text().unwrap_or_default(), number, error));
                }
            }
        }
        errors
    }
}

// Protobuf: field numbers are those of k8s.io/api/networking/v1/generated.proto.

impl<'a> Input<'a> {
    /// Reads the message `networking.v1.Ingress`.
    pub(super) fn read(message: Chunk<'a>) -> Result<Self, InvalidProtobuf> {
        let mut input = Self::default();
        message.fields(|tag, value| {
            match tag {
                1 => input.metadata = Object(Meta::read(value)?),
                2 => input.spec.read(value)?,
                3 => input.status.read(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(input)
    }
}

impl<'a> Spec<'a> {
    fn read(&mut self, value: Value<'a>) -> Result<(), InvalidProtobuf> {
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => self.default_backend = Some(Object(InputBackend::read(value)?)),
                2 => self.tls.push(Object(InputTls::read(value)?)),
                3 => self.rules.push(Object(InputRule::read(value)?)),
                4 => self.ingress_class_name = Text::read(value)?,
                _ => {}
            }
            Ok(())
        })
    }
}

impl<'a> InputBackend<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut backend = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                3 => backend.resource = Some(Object(InputResource::read(value)?)),
                4 => backend.service = Some(Object(InputService::read(value)?)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(backend)
    }
}

impl<'a> InputService<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut service = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => service.name = Text::read(value)?,
                2 => value.chunk()?.fields(|tag, value| {
                    match tag {
                        1 => service.port.name = Text::read(value)?,
                        2 => service.port.number = Some(value.number()?),
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(service)
    }
}

impl<'a> InputResource<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut resource = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => resource.api_group = Text::read(value)?,
                2 => resource.kind = Text::read(value)?,
                3 => resource.name = Text::read(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(resource)
    }
}

impl<'a> InputTls<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut tls = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => tls.hosts.push(Text::read(value)?),
                2 => tls.secret_name = Text::read(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(tls)
    }
}

impl<'a> InputRule<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut rule = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => rule.host = Text::read(value)?,
                // ingressRuleValue, then http, then its paths.
                2 => value.chunk()?.fields(|tag, value| match tag {
                    1 => value.chunk()?.fields(|tag, value| {
                        if tag == 1 {
                            rule.http.paths.push(Object(InputPath::read(value)?));
                        }
                        Ok(())
                    }),
                    _ => Ok(()),
                })?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(rule)
    }
}

impl<'a> InputPath<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut path = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => path.path = Text::read(value)?,
                2 => path.backend = Some(Object(InputBackend::read(value)?)),
                3 => path.path_type = Text::read(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(path)
    }
}

impl<'a> Status<'a> {
    fn read(&mut self, value: Value<'a>) -> Result<(), InvalidProtobuf> {
        let addresses = &mut self.load_balancer.ingress;
        value.chunk()?.fields(|tag, value| match tag {
            1 => value.chunk()?.fields(|tag, value| {
                if tag == 1 {
                    addresses.push(Object(Address::read(value)?));
                }
                Ok(())
            }),
            _ => Ok(()),
        })
    }
}

impl<'a> Address<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut address = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => address.ip = Text::read(value)?,
                2 => address.hostname = Text::read(value)?,
                4 => address.ports.push(Object(PortStatus::read(value)?)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(address)
    }
}

impl<'a> PortStatus<'a> {
    fn read(value: Value<'a>) -> Result<Self, InvalidProtobuf> {
        let mut status = Self::default();
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => status.port = Some(value.number()?),
                3 => status.error = Text::read(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(status)
    }
}
