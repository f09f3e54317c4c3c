//! Hosts, paths, backends, TLS and addresses of a simulated ingress.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::character::{Character, Class, Shape, TlsStyle};
use super::object::{Address, Backend, Http, Path, Port, Rule, Spec, Tls};
use super::plot::{AddressState, Plot};
use super::space::Stage;

impl Plot {
    pub(super) fn spec(&self, character: &Character) -> Spec {
        let hosts = self.hosts(character);
        let http = Http { paths: self.paths(character) };
        let rules = match character.shape {
            Shape::Fallback => Vec::new(),
            Shape::Hostless => vec![Rule { host: None, http }],
            _ => hosts.iter().map(|host| Rule { host: Some(host.clone()), http: http.clone() }).collect(),
        };
        let falls_back = character.shape == Shape::Fallback
            || (character.shape == Shape::Gateway && self.seed.is_multiple_of(6));
        let default_backend = falls_back
            .then(|| Backend::Service { name: "maintenance-page".to_owned(), port: Port::Number(8080) });
        let ingress_class_name = if character.legacy_class { None } else { character.class.name() };
        Spec { ingress_class_name, default_backend, tls: self.tls(character, hosts), rules }
    }

    /// The name without what only tells it apart inside its namespace.
    fn stem(&self) -> &str {
        let name = self.name.strip_prefix(self.space.product.name).unwrap_or(&self.name);
        let name = name.strip_suffix("-canary").unwrap_or(name);
        let name = name.strip_prefix('-').unwrap_or(name);
        if name.is_empty() { self.component.name } else { name }
    }

    /// The domain under which its hosts lie.
    fn domain(&self, class: Class) -> String {
        let zone = &self.space.zone;
        let inward = self.space.product.inward || class == Class::NginxInternal;
        match (self.space.stage, inward) {
            (Stage::Production, false) => format!("{zone}.example.com"),
            (Stage::Production, true) => format!("{zone}.corp.example"),
            (Stage::Staging, _) => format!("{zone}.staging.example.net"),
            (Stage::Development, _) => format!("{zone}.dev.example.net"),
            (Stage::Preview, _) => format!("{}.preview.example.org", self.space.name),
        }
    }

    fn hosts(&self, character: &Character) -> Vec<String> {
        let (stem, domain) = (self.stem(), self.domain(character.class));
        // The one plain front of a product has the product's own name; everything else goes below it.
        let own = match stem.strip_prefix("web") {
            Some("") => domain.clone(),
            Some(rest) if rest.starts_with('-') => format!("{}.{domain}", rest.trim_start_matches('-')),
            _ => format!("{stem}.{domain}"),
        };
        let mut hosts = match character.shape {
            Shape::Apex => vec![own.clone(), format!("www.{own}")],
            Shape::Wildcard => vec![format!("*.{own}")],
            _ => vec![own],
        };
        if self.edits.alias {
            hosts.push(format!("{stem}.{}.example", self.space.zone));
        }
        hosts
    }

    fn service(&self, component: &str) -> String {
        let suffix = if self.edits.green { "-green" } else { "" };
        let product = self.space.product.name;
        if self.space.uid & 1 == 0 && component != product {
            return format!("{product}-{component}{suffix}");
        }
        format!("{component}{suffix}")
    }

    fn paths(&self, character: &Character) -> Vec<Path> {
        let own = |path: &'static str, path_type, suffix: &str| Path {
            path: Some(path.into()),
            path_type,
            backend: Backend::Service {
                name: self.service(&format!("{}{suffix}", self.component.name)),
                port: self.component.port.into(),
            },
        };
        let mut paths = match character.shape {
            Shape::Gateway => self.gateway(),
            Shape::Canary => vec![own(self.component.path, "Prefix", "-canary")],
            Shape::Rewrite => vec![Path {
                path: Some(format!("/{}(/|$)(.*)", self.component.name).into()),
                ..own("/", "ImplementationSpecific", "")
            }],
            Shape::Bucket => vec![self.bucket(), own("/healthz", "Exact", "")],
            Shape::Hostless => vec![own(self.component.path, "Prefix", "")],
            Shape::Single if self.seed.is_multiple_of(23) => {
                vec![Path { path: None, ..own("/", "ImplementationSpecific", "") }]
            }
            _ => vec![own("/", "Prefix", "")],
        };
        if self.edits.extra_path {
            paths.insert(0, own("/metrics", "Exact", "-metrics"));
        }
        paths
    }

    /// A path for each of some components of the product, the longest first, as people write them.
    fn gateway(&self) -> Vec<Path> {
        let mut dice = self.dice(2);
        let components = self.space.product.components;
        let count = dice.random_range(2..=components.len().min(7));
        let mut chosen: Vec<_> = components.sample(&mut dice, count).collect();
        chosen.sort_by_key(|component| (std::cmp::Reverse(component.path.len()), component.name));
        let path = |component: &&super::vocabulary::Component| Path {
            path: Some(component.path.into()),
            path_type: if component.path.starts_with("/.well-known") { "Exact" } else { "Prefix" },
            backend: Backend::Service { name: self.service(component.name), port: component.port.into() },
        };
        chosen.iter().map(path).collect()
    }

    fn bucket(&self) -> Path {
        Path {
            path: Some("/static".into()),
            path_type: "Prefix",
            backend: Backend::Resource {
                api_group: "storage.example.com",
                kind: "Bucket",
                name: format!("{}-assets", self.space.zone),
            },
        }
    }

    fn tls(&self, character: &Character, mut hosts: Vec<String>) -> Vec<Tls> {
        let round = self.edits.secret;
        let suffix = if round == 0 { String::new() } else { format!("-{}", round + 1) };
        let secret_name = Some(format!("{}-tls{suffix}", self.name));
        match character.tls {
            TlsStyle::None => Vec::new(),
            TlsStyle::All => vec![Tls { hosts, secret_name }],
            TlsStyle::Partial => {
                if hosts.len() > 1 {
                    hosts.pop();
                }
                vec![Tls { hosts, secret_name }]
            }
            TlsStyle::Secretless => vec![Tls { hosts, secret_name: None }],
            TlsStyle::Hostless => vec![Tls { hosts: Vec::new(), secret_name }],
        }
    }

    /// Where the class's load balancers answer.
    pub(super) fn addresses(&self, character: &Character) -> Vec<Address> {
        let second = match self.edits.address {
            AddressState::Pending => return Vec::new(),
            AddressState::Assigned => 0,
            AddressState::Moved => 1,
        };
        let ip = |text: String| Address::Ip(text);
        match character.class {
            Class::Nginx | Class::Unset => {
                let mut addresses = vec![ip(format!("203.0.113.{}", 10 + second))];
                if self.space.stage == Stage::Production {
                    addresses.push(ip(format!("2001:db8:10::{}", 10 + second)));
                }
                addresses
            }
            Class::NginxInternal => vec![ip(format!("198.51.100.{}", 20 + second))],
            Class::Traefik => vec![ip(format!("192.0.2.{}", 30 + second))],
            Class::Haproxy => {
                vec![ip(format!("192.0.2.{}", 40 + second)), ip(format!("192.0.2.{}", 42 + second))]
            }
            Class::Alb => {
                let mark = self.dice(3).random::<u32>() ^ second;
                vec![Address::Hostname(format!(
                    "k8s-{}-{mark:08x}.eu-west-1.elb.example.net",
                    self.space.zone
                ))]
            }
        }
    }
}
