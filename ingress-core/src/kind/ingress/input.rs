//! An ingress on its way from bytes to a record: what is read of it, from JSON and from protobuf, and how it is packed.
//!
//! Both forms fill the same borrowed structs, and one function packs them, so that both give the same record. What isn't
//! named here is skipped unparsed.

use serde::Deserialize;

use super::super::meta::{Meta, Object, Text, nullable};
use super::super::packed::Packer;
use super::{BY_NAME, BY_NUMBER, NONE, RESOURCE_REF, SERVICE};
use crate::wire::proto::{Chunk, InvalidProtobuf, Value};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

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
}

impl InputBackend<'_> {
    fn pack(backend: Option<&Self>, packer: &mut Packer) {
        match backend {
            Some(Self { service: Some(service), .. }) => {
                packer.count(SERVICE);
                packer.text(service.name.as_str());
                // Go leaves an unset number out, but a client may also write the zero.
                let number =
                    service.port.number.and_then(|number| u16::try_from(number).ok()).filter(|n| *n > 0);
                match (service.port.name.non_empty(), number) {
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
        let named = |address: &Address<'_>| address.ip.non_empty().or(address.hostname.non_empty()).is_some();
        packer.count(addresses.iter().filter(|address| named(address)).count());
        for address in addresses {
            if let Some(text) = address.ip.non_empty().or(address.hostname.non_empty()) {
                packer.text(text);
            }
        }
        self.metadata.labels.pack(&mut packer);
        let truncated = self.metadata.annotations.bound();
        self.metadata.annotations.pack(&mut packer);
        packer.count(usize::from(truncated));
        packer.finish()
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
                _ => {}
            }
            Ok(())
        })?;
        Ok(address)
    }
}
