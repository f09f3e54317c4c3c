//! By what those kinds are found that bring routes, their certificates and their policies about.

use std::collections::BTreeSet;

use super::{Indexed, Tag};
use crate::kind::{
    Application, CertificateRequest, Challenge, ClusterOpenReport, ClusterPolicyReport, Constraint,
    HelmRelease, Kind, Kustomization, OpenReport, Order, PolicyReport,
};

impl Indexed for CertificateRequest {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        self.certificate().into_iter().for_each(|name| each(Tag::owner("Certificate", name)));
    }
}

impl Indexed for Order {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        self.request().into_iter().for_each(|name| each(Tag::owner("CertificateRequest", name)));
    }
}

impl Indexed for Challenge {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        self.order().into_iter().for_each(|name| each(Tag::owner("Order", name)));
    }
}

impl Indexed for Kustomization {
    but_for_revision!();
}

impl Indexed for HelmRelease {
    but_for_revision!();
}

/// Found by name, in the whole cluster: what an application manages tells its name, and not where it is.
impl Indexed for Application {
    but_for_revision!();

    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        each(Tag::name(self.name()));
    }
}

macro_rules! reports {
    ($($kind:ident)*) => {
        $(
            /// Found by what its results are about, wherever that is.
            impl Indexed for $kind {
                but_for_revision!();

                const SCOPED: bool = false;

                fn tags(&self, each: &mut dyn FnMut(Tag)) {
                    let subjects = self.results.iter().flat_map(|result| &result.resources);
                    let tags = subjects.map(|of| Tag::about(&of.kind, &of.namespace, &of.name));
                    tags.collect::<BTreeSet<_>>().into_iter().for_each(each);
                }
            }
        )*
    };
}

reports! { PolicyReport ClusterPolicyReport OpenReport ClusterOpenReport }

/// Found like a report.
impl Indexed for Constraint {
    but_for_revision!();

    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        let tags = self.status.violations.iter().map(|of| Tag::about(&of.kind, &of.namespace, &of.name));
        tags.collect::<BTreeSet<_>>().into_iter().for_each(each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags<K: Indexed>(json: &str) -> Vec<Tag> {
        let object = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
        let mut tags = Vec::new();
        object.tags(&mut |tag| tags.push(tag));
        tags
    }

    #[test]
    fn what_was_made_for_another_is_found_by_it() {
        let owned = |kind: &str, group: &str| {
            format!(
                r#"{{"metadata":{{"name":"a","ownerReferences":[{{"apiVersion":"{group}/v1","kind":"{kind}","name":"b"}}]}}}}"#
            )
        };
        let found = tags::<CertificateRequest>(&owned("Certificate", "cert-manager.io"));
        assert_eq!(found, [Tag::owner("Certificate", "b")]);
        let found = tags::<Order>(&owned("CertificateRequest", "cert-manager.io"));
        assert_eq!(found, [Tag::owner("CertificateRequest", "b")]);
        let found = tags::<Challenge>(&owned("Order", "acme.cert-manager.io"));
        assert_eq!(found, [Tag::owner("Order", "b")]);
        assert_eq!(tags::<Challenge>(&owned("Certificate", "cert-manager.io")), []);
    }

    #[test]
    fn reports_are_found_once_by_each_object_that_they_are_about() {
        let found = tags::<PolicyReport>(
            r#"{"metadata":{"name":"p","namespace":"shop"},"results":[
                {"policy":"a","result":"fail","resources":[{"kind":"Pod","name":"cart-1"},{"kind":"Service","namespace":"bank","name":"x"}]},
                {"policy":"b","result":"fail","resources":[{"kind":"Pod","namespace":"shop","name":"cart-1"}]}]}"#,
        );
        assert_eq!(found, [Tag::about("Pod", "shop", "cart-1"), Tag::about("Service", "bank", "x")]);
        let found = tags::<Constraint>(
            r#"{"kind":"Labels","metadata":{"name":"c"},"status":{"violations":[{"kind":"Pod","namespace":"shop","name":"cart-1"}]}}"#,
        );
        assert_eq!(found, [Tag::about("Pod", "shop", "cart-1")]);
        assert_eq!(
            tags::<Application>(r#"{"metadata":{"name":"shop","namespace":"argocd"}}"#),
            [Tag::name("shop")]
        );
    }
}
