//! Label selectors, as several kinds embed them (`metav1.LabelSelector`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::nullable;

/// A query over labels: all of its conditions must hold. One without conditions selects everything.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LabelSelector {
    /// `matchLabels`: each must be there, with that value.
    #[prost(btree_map = "string, string", tag = "1")]
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// `matchExpressions`.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelExpression>,
}

/// One of a selector's `matchExpressions`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LabelExpression {
    /// `key`: of which label.
    #[prost(string, tag = "1")]
    pub key: String,
    /// `operator`: `In`, `NotIn`, `Exists` or `DoesNotExist`.
    #[prost(string, tag = "2")]
    pub operator: String,
    /// `values`, for the first two.
    #[prost(string, repeated, tag = "3")]
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether it selects what has these labels; `None` when that hangs on an operator that this version does not know.
    pub fn selects<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> Option<bool> {
        if self.match_labels.iter().any(|(key, value)| label(key) != Some(value)) {
            return Some(false);
        }
        let mut known = true;
        for expression in &self.match_expressions {
            match expression.holds(label(&expression.key)) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => known = false,
            }
        }
        known.then_some(true)
    }
}

impl LabelExpression {
    /// Whether it holds for the value of its label; `None` for an operator that this version does not know.
    #[must_use]
    pub fn holds(&self, value: Option<&str>) -> Option<bool> {
        let among = || value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value));
        match self.operator.as_str() {
            "In" => Some(among()),
            // Also for what has no such label.
            "NotIn" => Some(!among()),
            "Exists" => Some(value.is_some()),
            "DoesNotExist" => Some(value.is_none()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &'static str)]) -> Option<bool> {
        let selector: LabelSelector = serde_json::from_str(selector).unwrap();
        selector.selects(|key| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
    }

    #[test]
    fn all_conditions_must_hold() {
        let labels = [("app", "cart"), ("tier", "web")];
        assert_eq!(selects("{}", &[]), Some(true));
        assert_eq!(selects(r#"{"matchLabels":{"app":"cart"}}"#, &labels), Some(true));
        assert_eq!(selects(r#"{"matchLabels":{"app":"cart","zone":"a"}}"#, &labels), Some(false));
        let one = |operator: &str, key: &str, values: &str| {
            let text = format!(
                r#"{{"matchExpressions":[{{"key":"{key}","operator":"{operator}","values":{values}}}]}}"#
            );
            selects(&text, &labels)
        };
        assert_eq!(one("In", "tier", r#"["api","web"]"#), Some(true));
        assert_eq!(one("In", "zone", r#"["a"]"#), Some(false));
        assert_eq!(one("NotIn", "tier", r#"["web"]"#), Some(false));
        assert_eq!(one("NotIn", "zone", r#"["a"]"#), Some(true));
        assert_eq!((one("Exists", "app", "null"), one("Exists", "zone", "null")), (Some(true), Some(false)));
        assert_eq!(one("DoesNotExist", "zone", "[]"), Some(true));
        assert_eq!(one("Resembles", "app", "[]"), None);
    }

    #[test]
    fn what_is_not_known_does_not_hide_what_is() {
        let text = r#"{"matchLabels":{"app":"no"},"matchExpressions":[{"key":"a","operator":"Resembles"}]}"#;
        assert_eq!(selects(text, &[("app", "cart")]), Some(false));
    }
}
