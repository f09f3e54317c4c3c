//! JSON to YAML, for people to read and for `kubectl apply -f` to take back.
//!
//! Keys come sorted, as `kubectl get -o yaml` writes them. Strings that a YAML 1.1 reader would take for something else
//! (`yes`, `1.0`, `012`, dates) are quoted; Kubernetes' own tools read YAML 1.1.

use crate::problem::{Problem, ProblemType};

/// Writes a JSON document as YAML.
pub(crate) fn from_json(json: &[u8]) -> Result<String, Problem> {
    let unusable = |what: &'static str| Problem::new(ProblemType::ClusterError, what);
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|_| unusable("the cluster's answer is no JSON"))?;
    serde_saphyr::to_string(&value).map_err(|_| unusable("the cluster's answer cannot be written as YAML"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn yaml(value: &Value) -> String {
        from_json(value.to_string().as_bytes()).unwrap()
    }

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn an_ingress_reads_as_people_expect() {
        let text = yaml(&json!({
            "kind": "Ingress", "apiVersion": "networking.k8s.io/v1",
            "metadata": {"name": "cart", "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "8"}},
            "spec": {"rules": [{"host": "*.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix"}]}}]}
        }));
        for line in
            ["apiVersion: networking.k8s.io/v1\n", "kind: Ingress\n", "  name: cart\n", "pathType: Prefix\n"]
        {
            assert!(text.contains(line), "{line:?} is not in:\n{text}");
        }
        assert!(text.starts_with("apiVersion"), "{text}");
    }

    #[test]
    fn strings_stay_strings() {
        for text in [
            "",
            " ",
            "yes",
            "No",
            "on",
            "OFF",
            "y",
            "n",
            "true",
            "null",
            "~",
            "1.0",
            "1",
            "012",
            "0x1F",
            "0o7",
            "1e3",
            "+1",
            "-",
            "- a",
            "1_000",
            "12:30:45",
            "2026-01-01",
            "2026-01-01T00:00:00Z",
            ".inf",
            ".NaN",
            "a: b",
            "a:",
            ": a",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "'a'",
            "\"a\"",
            "[a]",
            "{a}",
            "a,b",
            "a\nb",
            "a\nb\n",
            "a\n\nb\n\n",
            "\na",
            " a",
            "a ",
            "a\t",
            "\ta",
            "a\\n",
            "a\u{0}b",
            "a\u{7f}b",
            "a\u{85}b",
            "a\u{2028}b",
            "\u{feff}a",
            "---",
            "...",
            "--- a",
            "<<",
            "=",
            "?",
            "? a",
            "ä€😀",
            "  two\n    deep\n",
            "trailing \n space",
            "\r\n",
            "a\rb",
        ] {
            let value = json!({"key": text, text: ["x", text]});
            let written = yaml(&value);
            assert_eq!(read(&written), value, "{text:?} as\n{written}");
        }
    }

    #[test]
    fn what_another_reader_would_misread_is_quoted() {
        for text in
            ["yes", "no", "on", "off", "y", "1.0", "012", "null", "~", "0x10", "1e3", "2026-01-01", "1_000"]
        {
            let written = yaml(&json!({"key": text, text: 1}));
            assert!(!written.contains(&format!("key: {text}\n")), "{written}");
            assert!(
                !written.contains(&format!("\n{text}:")) && !written.starts_with(&format!("{text}:")),
                "{written}"
            );
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ -~\n\t]{0,24}".prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[-+.0-9:eExo_a-fTZ ]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[ -~]{0,10}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in any_json()) {
            let written = yaml(&value);
            prop_assert_eq!(read(&written), value, "{}", written);
        }
    }

    #[test]
    fn an_answer_that_is_no_json_is_an_error() {
        assert!(from_json(b"<html>").is_err());
    }
}
