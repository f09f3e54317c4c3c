//! By what those kinds are found that bring routes, their certificates and their policies about.

use super::{Indexed, Tag};
use crate::kind::{CertificateRequest, Challenge, Order};

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
}
