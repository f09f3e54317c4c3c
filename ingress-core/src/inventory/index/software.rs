//! Which pods are controllers of ingresses, by the labels and images that these come with.

use crate::kind::Pod;

/// The label by which charts and manifests name what runs.
const NAME: &str = "app.kubernetes.io/name";

/// A controller of ingresses that runs in pods of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Software {
    IngressNginx,
    Traefik,
    HaproxyTech,
    HaproxyIngress,
    Contour,
    Aws,
    Kong,
    F5,
}

struct Signs {
    software: Software,
    /// For people.
    name: &'static str,
    /// Values of the label.
    labels: &'static [&'static str],
    /// What images' names end with, without tag and digest.
    images: &'static [&'static str],
    /// Its classes' `spec.controller`.
    controllers: &'static [&'static str],
}

/// Nothing that runs outside of the clusters it serves, as GKE's controller and EKS' own do: of these there is no pod to look for.
const ALL: [Signs; 8] = [
    Signs {
        software: Software::IngressNginx,
        name: "ingress-nginx",
        labels: &["ingress-nginx"],
        images: &["ingress-nginx/controller", "ingress-nginx-controller", "nginx-ingress-controller"],
        controllers: &["k8s.io/ingress-nginx"],
    },
    Signs {
        software: Software::Traefik,
        name: "Traefik",
        labels: &["traefik"],
        images: &["traefik", "mirrored-library-traefik"],
        controllers: &["traefik.io/ingress-controller"],
    },
    Signs {
        software: Software::HaproxyTech,
        name: "HAProxy's controller",
        labels: &["kubernetes-ingress"],
        images: &["haproxytech/kubernetes-ingress"],
        controllers: &["haproxy.org/ingress-controller"],
    },
    Signs {
        software: Software::HaproxyIngress,
        name: "haproxy-ingress",
        labels: &["haproxy-ingress"],
        images: &["haproxy-ingress", "haproxy-ingress-controller"],
        controllers: &["haproxy-ingress.github.io/controller"],
    },
    Signs {
        software: Software::Contour,
        name: "Contour",
        labels: &["contour"],
        images: &["contour"],
        controllers: &["projectcontour.io"],
    },
    Signs {
        software: Software::Aws,
        name: "AWS' load balancer controller",
        labels: &["aws-load-balancer-controller"],
        images: &["aws-load-balancer-controller"],
        controllers: &["ingress.k8s.aws/alb"],
    },
    Signs {
        software: Software::Kong,
        name: "Kong's controller",
        labels: &["kong", "kong-ingress-controller", "ingress-kong", "controller"],
        images: &["kubernetes-ingress-controller"],
        controllers: &["ingress-controllers.konghq.com/kong"],
    },
    Signs {
        software: Software::F5,
        name: "F5's NGINX controller",
        labels: &["nginx-ingress"],
        images: &["nginx/nginx-ingress", "nginx-ic/nginx-ingress", "nginx-ic/nginx-plus-ingress"],
        controllers: &["nginx.org/ingress-controller"],
    },
];

impl Software {
    /// What a pod runs.
    pub(crate) fn of_pod(pod: &Pod) -> Option<Self> {
        let label = pod.metadata.labels.get(NAME).map(String::as_str);
        let runs = |signs: &&Signs| {
            label.is_some_and(|label| signs.labels.contains(&label))
                || pod
                    .spec
                    .containers
                    .iter()
                    .any(|container| signs.images.iter().any(|of| is(&container.image, of)))
        };
        ALL.iter().find(runs).map(|signs| signs.software)
    }

    /// What serves a class, by its `spec.controller`.
    pub(crate) fn of_controller(controller: &str) -> Option<Self> {
        let serves = |signs: &&Signs| {
            signs.controllers.iter().any(|known| {
                let after = controller.strip_prefix(known);
                after.is_some_and(|after| after.is_empty() || after.starts_with('/'))
            })
        };
        ALL.iter().find(serves).map(|signs| signs.software)
    }

    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        ALL.iter().find(|signs| signs.software == self).map_or("", |signs| signs.name)
    }
}

/// Whether an image has a name, or one that ends with it after a slash.
fn is(image: &str, name: &str) -> bool {
    let image = image.split('@').next().unwrap_or_default();
    // A colon before the last slash is of a registry's port.
    let end = image.rfind(':').filter(|colon| image.rfind('/').is_none_or(|slash| slash < *colon));
    let image = end.and_then(|end| image.get(..end)).unwrap_or(image);
    image.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn pod(label: &str, image: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"name":"p","labels":{{"{NAME}":"{label}"}}}},"spec":{{"containers":[{{"image":"{image}"}}]}}}}"#
        );
        Pod::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
    }

    #[test]
    fn a_controller_is_known_by_its_label_or_its_image() {
        let runs = |label, image| Software::of_pod(&pod(label, image));
        assert_eq!(runs("traefik", "example.com/ours:1"), Some(Software::Traefik));
        assert_eq!(runs("edge", "docker.io/traefik:v3.5"), Some(Software::Traefik));
        assert_eq!(
            runs("edge", "registry.k8s.io/ingress-nginx/controller:v1.12.1@sha256:00"),
            Some(Software::IngressNginx)
        );
        assert_eq!(runs("edge", "registry.example.com:5000/projectcontour/contour"), Some(Software::Contour));
        assert_eq!((runs("cart", "traefik/whoami"), runs("cart", "nginx:1.29")), (None, None));
    }

    #[test]
    fn a_class_is_served_by_what_its_controller_names() {
        assert_eq!(
            Software::of_controller("projectcontour.io/projectcontour/contour"),
            Some(Software::Contour)
        );
        assert_eq!(Software::of_controller("k8s.io/ingress-nginx"), Some(Software::IngressNginx));
        assert_eq!(Software::of_controller("k8s.io/ingress-nginx-of-ours"), None);
        assert_eq!(Software::of_controller("ingress-gce"), None);
    }
}
