//! Who manages an object, from the labels and annotations that delivery tools leave on it.

/// Who manages an object: whoever edits it by hand is overruled by them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Owner {
    /// Which tool.
    pub kind: OwnerKind,
    /// The owner's namespace, where it is known.
    pub namespace: Option<String>,
    /// The owner's name.
    pub name: String,
}

/// What manages an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnerKind {
    /// A release of Helm.
    HelmRelease,
    /// A `HelmRelease` of Flux.
    FluxHelmRelease,
    /// A `Kustomization` of Flux.
    FluxKustomization,
    /// An application of Argo CD.
    ArgoApplication,
}

impl OwnerKind {
    /// Its name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HelmRelease => "helm",
            Self::FluxHelmRelease => "flux_helm_release",
            Self::FluxKustomization => "flux_kustomization",
            Self::ArgoApplication => "argo_application",
        }
    }
}

impl Owner {
    /// Who manages an object with these labels and annotations. Flux and Argo CD come first: they drive Helm.
    pub(crate) fn of<'a>(
        label: impl Fn(&str) -> Option<&'a str>,
        annotation: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<Self> {
        let owner = |kind, namespace: Option<&str>, name: &str| {
            Some(Self { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() })
        };
        for (group, kind) in [
            ("helm.toolkit", OwnerKind::FluxHelmRelease),
            ("kustomize.toolkit", OwnerKind::FluxKustomization),
        ] {
            if let Some(name) = label(&format!("{group}.fluxcd.io/name")) {
                return owner(kind, label(&format!("{group}.fluxcd.io/namespace")), name);
            }
        }
        if let Some(tracking) = annotation("argocd.argoproj.io/tracking-id") {
            // application:group/kind:namespace/name, and the application may be namespace_name.
            let application = tracking.split(':').next().unwrap_or_default();
            let (namespace, name) = match application.split_once('_') {
                Some((namespace, name)) => (Some(namespace), name),
                None => (None, application),
            };
            return owner(OwnerKind::ArgoApplication, namespace, name);
        }
        if let Some(name) = label("argocd.argoproj.io/instance") {
            return owner(OwnerKind::ArgoApplication, None, name);
        }
        let name = annotation("meta.helm.sh/release-name")?;
        owner(OwnerKind::HelmRelease, annotation("meta.helm.sh/release-namespace"), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(
        labels: &[(&str, &'static str)],
        annotations: &[(&str, &'static str)],
    ) -> Option<(OwnerKind, String)> {
        let find = |pairs: &[(&str, &'static str)], wanted: &str| {
            pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value)
        };
        Owner::of(|key| find(labels, key), |key| find(annotations, key)).map(|owner| (owner.kind, owner.name))
    }

    #[test]
    fn whoever_drives_helm_is_the_owner() {
        let helm = [("meta.helm.sh/release-name", "shop"), ("meta.helm.sh/release-namespace", "shop")];
        assert_eq!(owner(&[], &helm), Some((OwnerKind::HelmRelease, "shop".into())));
        let flux = [("helm.toolkit.fluxcd.io/name", "shop-release")];
        assert_eq!(owner(&flux, &helm), Some((OwnerKind::FluxHelmRelease, "shop-release".into())));
        let kustomize = [("kustomize.toolkit.fluxcd.io/name", "apps")];
        assert_eq!(owner(&kustomize, &[]), Some((OwnerKind::FluxKustomization, "apps".into())));
        let argo = [("argocd.argoproj.io/tracking-id", "argo_web:networking.k8s.io/Ingress:shop/web")];
        assert_eq!(owner(&[], &argo), Some((OwnerKind::ArgoApplication, "web".into())));
        assert_eq!(owner(&[("app.kubernetes.io/managed-by", "Helm")], &[]), None);
    }
}
