//! What an ID token's claims mean to Kubernetes.
//!
//! The rules are those of the API server's flags (`--oidc-username-claim` and so on; "OpenID Connect Tokens" in Kubernetes'
//! documentation on authenticating), defaults included, so that a cluster that signs people in with the same provider knows them by the
//! same names and its role bindings mean the same people. One rule is stricter: names that begin with `system:` are Kubernetes' own.
//! Somebody who would be called so is refused, and such a group is left out, unless a prefix makes another name of it.

use ingress_core::access::UserInfo;
use serde_json::{Map, Value};

use super::InvalidOpenIdConnect;

/// How many groups somebody may be in.
const MAX_GROUPS: usize = 1000;
/// What Kubernetes keeps for itself.
const RESERVED: &str = "system:";
/// The group that the API server puts everybody in whom it knows.
const AUTHENTICATED: &str = "system:authenticated";

#[derive(Debug)]
pub(super) struct ClaimRules {
    username_claim: String,
    username_prefix: String,
    groups_claim: Option<String>,
    groups_prefix: String,
}

impl ClaimRules {
    pub(super) fn new(
        issuer: &str,
        username_claim: String,
        username_prefix: Option<String>,
        groups_claim: Option<String>,
        groups_prefix: String,
    ) -> Result<Self, InvalidOpenIdConnect> {
        if username_claim.is_empty() {
            return Err(InvalidOpenIdConnect::new("username_claim", "is empty"));
        }
        if groups_claim.as_ref().is_some_and(String::is_empty) {
            return Err(InvalidOpenIdConnect::new("groups_claim", "is empty"));
        }
        let username_prefix = match username_prefix {
            Some(prefix) if prefix == "-" => String::new(),
            Some(prefix) => prefix,
            None if username_claim == "email" => String::new(),
            None => format!("{issuer}#"),
        };
        Ok(Self { username_claim, username_prefix, groups_claim, groups_prefix })
    }

    /// Who somebody is; an error says what is missing, and quotes nothing.
    pub(super) fn user(&self, claims: &Map<String, Value>) -> Result<UserInfo, String> {
        let claim = &self.username_claim;
        let name = match claims.get(claim) {
            Some(Value::String(name)) if !name.is_empty() => name,
            Some(_) => return Err(format!("the claim `{claim}`, which holds the name, is no text")),
            None => return Err(format!("the claim `{claim}`, which holds the name, is missing")),
        };
        // An address that nobody verified is whatever somebody typed.
        if claim == "email" && claims.get("email_verified").is_some_and(|verified| !is_true(verified)) {
            return Err("the email address is not verified".into());
        }
        let name = format!("{}{name}", self.username_prefix);
        if name.starts_with(RESERVED) {
            return Err(format!("the name begins with `{RESERVED}`, which is for Kubernetes itself"));
        }
        let mut groups = self.groups(claims)?;
        groups.push(AUTHENTICATED.into());
        Ok(UserInfo::new(name, groups))
    }

    fn groups(&self, claims: &Map<String, Value>) -> Result<Vec<String>, String> {
        let Some(claim) = &self.groups_claim else { return Ok(Vec::new()) };
        let wrong =
            || format!("the claim `{claim}`, which holds the groups, is neither text nor an array of texts");
        let names = match claims.get(claim) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => {
                names.iter().map(|name| name.as_str().ok_or_else(wrong)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong()),
        };
        if names.len() > MAX_GROUPS {
            return Err(format!("the claim `{claim}` holds more than {MAX_GROUPS} groups"));
        }
        let named = names.into_iter().filter(|name| !name.is_empty());
        let named = named.map(|name| format!("{}{name}", self.groups_prefix));
        Ok(named.filter(|name| !name.starts_with(RESERVED)).collect())
    }
}

/// Some providers write booleans as texts.
fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(
        (claim, prefix): (&str, Option<&str>),
        (groups, groups_prefix): (Option<&str>, &str),
        claims: &Value,
    ) -> Result<(String, Vec<String>), String> {
        let (prefix, groups) = (prefix.map(Into::into), groups.map(Into::into));
        let rules = ClaimRules::new("https://id.example", claim.into(), prefix, groups, groups_prefix.into())
            .unwrap();
        rules.user(claims.as_object().unwrap()).map(|user| (user.username, user.groups))
    }

    #[test]
    fn names_are_those_that_the_api_server_would_use() {
        let claims = json!({"sub": "7", "email": "ann@example.com", "preferred_username": "ann"});
        for (claim, prefix, name) in [
            ("sub", None, "https://id.example#7"),
            ("preferred_username", None, "https://id.example#ann"),
            ("preferred_username", Some("-"), "ann"),
            ("preferred_username", Some("oidc:"), "oidc:ann"),
            ("email", None, "ann@example.com"),
            ("email", Some("oidc:"), "oidc:ann@example.com"),
        ] {
            let (user, groups) = user((claim, prefix), (None, ""), &claims).unwrap();
            assert_eq!((user.as_str(), groups), (name, vec!["system:authenticated".into()]), "{claim}");
        }
    }

    #[test]
    fn groups_are_a_text_or_texts() {
        let with = |groups: Value| {
            user(("sub", Some("-")), (Some("groups"), "g:"), &json!({"sub": "a", "groups": groups}))
        };
        for (claim, groups) in [
            (json!("dev"), vec!["g:dev"]),
            (json!(["ops", "dev", "ops", ""]), vec!["g:dev", "g:ops"]),
            (json!([]), vec![]),
            (json!(null), vec![]),
        ] {
            let mut expected: Vec<String> = groups.into_iter().map(Into::into).collect();
            expected.push(AUTHENTICATED.into());
            assert_eq!(with(claim.clone()).unwrap().1, expected, "{claim}");
        }
        for claim in [json!(7), json!({"a": "b"}), json!(["dev", 7])] {
            assert!(with(claim.clone()).unwrap_err().contains("`groups`"), "{claim}");
        }
        let many: Vec<String> = (0..=MAX_GROUPS).map(|number| number.to_string()).collect();
        assert!(with(json!(many)).unwrap_err().contains("more than 1000"));
    }

    #[test]
    fn nobody_becomes_one_of_kubernetes_own() {
        let claims = json!({"sub": "system:admin", "groups": ["system:masters", "dev"]});
        assert!(user(("sub", Some("-")), (None, ""), &claims).unwrap_err().contains("Kubernetes itself"));
        assert!(user(("sub", Some("system:")), (None, ""), &json!({"sub": "x"})).is_err());
        let (name, groups) = user(("sub", None), (Some("groups"), ""), &claims).unwrap();
        assert_eq!(
            (name.as_str(), groups),
            ("https://id.example#system:admin", vec!["dev".into(), AUTHENTICATED.into()])
        );
        let (_, groups) = user(("sub", None), (Some("groups"), "g:"), &claims).unwrap();
        assert!(groups.contains(&"g:system:masters".to_owned()), "that is another group");
    }

    #[test]
    fn a_name_must_be_there_and_an_address_verified() {
        for claims in [json!({}), json!({"email": ""}), json!({"email": 7})] {
            assert!(user(("email", None), (None, ""), &claims).unwrap_err().contains("`email`"), "{claims}");
        }
        for (verified, ok) in [
            (json!(true), true),
            (json!("true"), true),
            (json!(false), false),
            (json!("no"), false),
            (json!(1), false),
        ] {
            let claims = json!({"email": "a@b", "email_verified": verified});
            assert_eq!(user(("email", None), (None, ""), &claims).is_ok(), ok, "{claims}");
        }
        assert!(ClaimRules::new("i", String::new(), None, None, String::new()).is_err());
        assert!(ClaimRules::new("i", "sub".into(), None, Some(String::new()), String::new()).is_err());
    }
}
