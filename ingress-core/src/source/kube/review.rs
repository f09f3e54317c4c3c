//! Reviews: what is asked of the API server about somebody else, and what it answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::{Attributes, Token, UserInfo};
use crate::error::{ErrorKind, SourceError};
use crate::key::Namespace;

pub(super) const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
pub(super) const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<S> {
    api_version: &'static str,
    kind: &'static str,
    spec: S,
}

#[derive(Serialize)]
struct TokenSpec<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    audiences: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessSpec<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    groups: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extra: &'a BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    attributes: AttributesOf<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum AttributesOf<'a> {
    ResourceAttributes { verb: &'a str, group: &'a str, resource: &'a str, namespace: &'a str },
    NonResourceAttributes { verb: &'a str, path: &'a str },
}

#[derive(Deserialize)]
struct Answer<S> {
    status: S,
}

#[derive(Deserialize)]
struct AccessStatus {
    #[serde(default)]
    allowed: bool,
    #[serde(default)]
    denied: bool,
}

#[derive(Deserialize)]
struct TokenStatus {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    user: User,
    #[serde(default)]
    audiences: Vec<String>,
}

#[derive(Deserialize, Default)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

/// The question whose token this is.
pub(super) fn of_token(token: &Token, audiences: &[String]) -> Result<Vec<u8>, SourceError> {
    let spec = TokenSpec { token: token.expose(), audiences };
    write(&Review { api_version: "authentication.k8s.io/v1", kind: "TokenReview", spec })
}

/// The question whether somebody may do something.
pub(super) fn of_access(user: &UserInfo, attributes: &Attributes) -> Result<Vec<u8>, SourceError> {
    let attributes = match attributes {
        Attributes::Resource { verb, group, resource, namespace } => AttributesOf::ResourceAttributes {
            verb,
            group,
            resource,
            namespace: namespace.as_ref().map(Namespace::as_str).unwrap_or_default(),
        },
        Attributes::NonResource { verb, path } => AttributesOf::NonResourceAttributes { verb, path },
    };
    let UserInfo { username, uid, groups, extra } = user;
    let spec = AccessSpec { user: username, uid, groups, extra, attributes };
    write(&Review { api_version: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec })
}

/// Whose token it is; `None` when it is nobody's, or is not meant for any of the audiences that were named.
pub(super) fn user_in(body: &[u8], audiences: &[String]) -> Result<Option<UserInfo>, SourceError> {
    let Answer { status } = read::<TokenStatus>(body)?;
    let User { username, uid, groups, extra } = status.user;
    // An authenticator that knows nothing of audiences answers none, and then only the API server's own count.
    let is_meant = audiences.is_empty() || audiences.iter().any(|wanted| status.audiences.contains(wanted));
    if !status.authenticated || username.is_empty() || !is_meant {
        return Ok(None);
    }
    Ok(Some(UserInfo { uid, extra, ..UserInfo::new(username, groups) }))
}

/// Whether it is allowed.
pub(super) fn allowed_in(body: &[u8]) -> Result<bool, SourceError> {
    let Answer { status } = read::<AccessStatus>(body)?;
    Ok(status.allowed && !status.denied)
}

// What could quote a token, or a name, stays out of messages.
fn write(review: &impl Serialize) -> Result<Vec<u8>, SourceError> {
    serde_json::to_vec(review)
        .map_err(|_| SourceError::new(ErrorKind::Configuration, "a review could not be written"))
}

fn read<'a, S: Deserialize<'a>>(body: &'a [u8]) -> Result<Answer<S>, SourceError> {
    serde_json::from_slice(body)
        .map_err(|_| SourceError::new(ErrorKind::Malformed, "the answer to a review makes no sense"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn json_of(body: Result<Vec<u8>, SourceError>) -> Value {
        serde_json::from_slice(&body.unwrap()).unwrap()
    }

    #[test]
    fn questions_are_as_kubernetes_reads_them() {
        let shop = Namespace::new("shop").unwrap();
        let attributes = Attributes::list::<crate::Ingress>(Some(shop));
        let mut user = UserInfo::new("ann", ["dev", "all"]);
        let expected = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": "ann", "groups": ["all", "dev"], "resourceAttributes":
                {"verb": "list", "group": "networking.k8s.io", "resource": "ingresses", "namespace": "shop"}}});
        assert_eq!(json_of(of_access(&user, &attributes)), expected);
        user.uid = "7".into();
        user.extra = BTreeMap::from([("k".into(), vec!["v".into()])]);
        let spec =
            json_of(of_access(&user, &Attributes::NonResource { verb: "get", path: "/metrics" }))["spec"]
                .clone();
        assert_eq!(spec["nonResourceAttributes"], json!({"verb": "get", "path": "/metrics"}));
        assert_eq!((&spec["uid"], &spec["extra"]), (&json!("7"), &json!({"k": ["v"]})));
        let expected = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": "t", "audiences": ["a"]}});
        assert_eq!(json_of(of_token(&Token::new("t"), &["a".into()])), expected);
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (status, allowed) in [
            (json!({"allowed": true}), true),
            (json!({"allowed": false, "reason": "no"}), false),
            (json!({"allowed": true, "denied": true}), false),
            (json!({"evaluationError": "what?"}), false),
        ] {
            assert_eq!(allowed_in(json!({"status": status}).to_string().as_bytes()).unwrap(), allowed);
        }
        for bad in ["", "{}", r#"{"status":{"allowed":"yes"}}"#] {
            assert_eq!(allowed_in(bad.as_bytes()).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }

    #[test]
    fn only_a_named_user_of_the_right_audience_is_one() {
        let body = |status: Value| json!({"status": status}).to_string();
        let ann = json!({"username": "ann", "groups": ["dev"]});
        let known = body(json!({"authenticated": true, "user": ann, "audiences": ["a"]}));
        assert_eq!(user_in(known.as_bytes(), &[]).unwrap(), Some(UserInfo::new("ann", ["dev"])));
        assert!(user_in(known.as_bytes(), &["a".into()]).unwrap().is_some());
        for (status, audiences) in [
            (json!({"authenticated": true, "user": ann, "audiences": ["a"]}), vec!["b".into()]),
            (json!({"authenticated": true, "user": ann}), vec!["b".into()]),
            (json!({"authenticated": false, "user": ann}), vec![]),
            (json!({"authenticated": true, "user": {"username": ""}}), vec![]),
            (json!({}), vec![]),
        ] {
            assert_eq!(user_in(body(status.clone()).as_bytes(), &audiences).unwrap(), None, "{status}");
        }
    }

    #[test]
    fn a_broken_answer_quotes_nothing() {
        let error = user_in(b"{\"status\":\"s3cret\"}", &[]).unwrap_err();
        assert!(!error.message().contains("s3cret"));
    }
}
