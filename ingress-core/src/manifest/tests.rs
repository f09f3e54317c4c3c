use std::fs;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Manifests {
    Manifests::parse("a.yaml", text, &Options::default())
}

fn problem(text: &str) -> String {
    let manifests = parse(text);
    assert_eq!(manifests.documents, [], "{text}");
    let [problem] = &manifests.problems[..] else { panic!("{:?}\n{text}", manifests.problems) };
    problem.to_string()
}

fn names(manifests: &Manifests) -> Vec<String> {
    manifests.documents.iter().map(|document| document.id().to_string()).collect()
}

const INGRESS: &str = r#"# An ingress, as people write them.
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: cart
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /
    empty: null
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: cart, port: {number: 80}}}
      - path: /admin
        pathType: Prefix
        backend:
          service:
            name: admin
            port:
              name: web
"#;

#[test]
fn documents_know_where_their_fields_are() {
    let manifests = parse(&format!("{INGRESS}---\n{}", INGRESS.replace("name: cart", "name: other")));
    assert_eq!(manifests.problems, []);
    let [first, second] = &manifests.documents[..] else { panic!("{manifests:?}") };
    assert_eq!((first.group(), first.version(), &*first.kind), ("networking.k8s.io", "v1", "Ingress"));
    assert_eq!((first.at.line, second.at.line), (2, 27));
    let at = |field: &str| (first.position(field).line, first.position(field).column);
    assert_eq!(at("metadata.name"), (5, 3));
    assert_eq!(at("spec.rules[0].host"), (12, 5));
    assert_eq!(at("spec.rules[0].http.paths[1].backend.service.port"), (23, 13));
    assert_eq!(at("spec.rules[0].http.paths[0].backend.service.port.number").0, 17);
    assert_eq!(at("metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]").0, 8);
    assert_eq!(at("metadata.annotations.nginx.ingress.kubernetes.io/rewrite-target").0, 8);
    // What isn't written is reported where it would stand.
    assert_eq!(at("spec.rules[0].http.paths[7].path").0, 14);
    assert_eq!(at("status.loadBalancer").0, 2);
    assert_eq!(second.position("spec.rules[0].host").line, 37);
    assert_eq!(first.value.pointer("/metadata/annotations/empty"), None);
}

#[test]
fn a_namespace_is_set_where_one_belongs() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: networking.k8s.io/v1\n\
        kind: IngressClass\nmetadata: {name: b, namespace: x}\n";
    let options = Options::in_namespace(Namespace::new("shop").unwrap());
    let manifests = Manifests::parse("a.yaml", text, &options);
    assert_eq!(names(&manifests), ["Service shop/a", "IngressClass b"]);
    assert_eq!(manifests.documents[0].value["metadata"]["namespace"], "shop");
    assert_eq!(manifests.documents[1].value["metadata"].get("namespace"), None);
}

#[test]
fn lists_are_what_is_in_them() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n\
        - kind: ServiceList\n  apiVersion: v1\n  items:\n  - metadata:\n      name: b\n---\napiVersion: v1\nkind: PodList\nitems: []\n";
    let manifests = parse(text);
    assert_eq!(manifests.problems, []);
    assert_eq!(names(&manifests), ["Service default/a", "Service default/b"]);
    let lines: Vec<_> = manifests.documents.iter().map(|document| document.at.line).collect();
    assert_eq!(lines, [4, 10]);
    assert_eq!(manifests.documents[1].position("metadata.name").line, 11);
    assert_eq!(manifests.documents[1].value["kind"], "Service");
}

#[test]
fn json_is_read_too_and_has_its_own_errors() {
    let text = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Service\",\n\t\"metadata\": {\n\t\t\"name\": \"a\\/b\", \"x\": null}}";
    let manifests = Manifests::parse("a.json", &text.replace("a\\/b", "ab"), &Options::default());
    assert_eq!(names(&manifests), ["Service default/ab"]);
    assert_eq!(manifests.documents[0].position("metadata.name").line, 4);
    assert_eq!(manifests.documents[0].value["metadata"].get("x"), None);
    // Standard input has no ending.
    assert_eq!(Manifests::parse("-", &text.replace("a\\/b", "ab"), &Options::default()).documents.len(), 1);
    let two = format!("{0}\n{0}", r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#)
        .replacen("\"a\"", "\"b\"", 1);
    let manifests = Manifests::parse("a.json", &two, &Options::default());
    assert_eq!(names(&manifests), ["Pod default/b", "Pod default/a"]);
    assert_eq!(manifests.documents[1].at.line, 2);
    let broken =
        Manifests::parse("a.json", "{\"apiVersion\": \"v1\",\n \"kind\": \"Pod\",}", &Options::default());
    assert_eq!(
        broken.problems[0].to_string(),
        "a.json:2:16: trailing comma; check the commas, quotes and brackets there"
    );
    let wide = Manifests::parse("a.json", "{\"ä😀\" 1}", &Options::default());
    assert!(
        wide.problems[0].to_string().starts_with("a.json:1:7: "),
        "columns are characters: {:?}",
        wide.problems
    );
}

#[test]
fn a_broken_document_stops_no_other() {
    let good = |name: &str| format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n---\n");
    let text = format!("{}a: [1\nb: 2\n---\n{}a: 1\n\tb: 2\n---\n{}", good("a"), good("b"), good("c"));
    let manifests = parse(&text);
    assert_eq!(names(&manifests), ["Service default/a", "Service default/b", "Service default/c"]);
    let lines: Vec<_> = manifests.problems.iter().map(|problem| problem.at.line).collect();
    assert_eq!(lines, [6, 12], "{:?}", manifests.problems);
    assert!(manifests.problems[1].remedy.contains("spaces"), "{}", manifests.problems[1]);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_remedy() {
    for (text, said) in [
        ("kind: Service\nmetadata: {name: a}\n", "a.yaml:1:1: apiVersion: is missing; every object has both"),
        ("apiVersion: 1\nkind: Service\n", "a.yaml:1:1: apiVersion: is no text"),
        (
            "apiVersion: v1\nkind: Service\n",
            "a.yaml:1:1: metadata.name: Service: is missing; give the object a name",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: 12\n",
            "a.yaml:4:3: metadata.name: Service: is no text; put it into quotes",
        ),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: 'a/b'}\n", "metadata.name: Service: is no name;"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: \"a\\0b\"}\n",
            "metadata.name: Service: is no name;",
        ),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: A_B}\n", "is no namespace's name;"),
        ("apiVersion: v1\nkind: Service\nmetadata: []\n", "a.yaml:3:1: metadata: Service: is no map;"),
        ("- a\n- b\n", "a.yaml:1:1: this is no Kubernetes object, but a list or a text;"),
        ("just words\n", "this is no Kubernetes object"),
        ("apiVersion: v1\nkind: List\nitems: a\n", "a.yaml:3:1: items is no list;"),
        ("apiVersion: v1\nkind: Service\nkind: Pod\n", "a.yaml:3:1: duplicate"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: .inf}\n", "a.yaml:3:18: "),
        ("apiVersion: v1\nkind: *service\n", "a.yaml:2:7: "),
    ] {
        let told = problem(text);
        assert!(told.contains(said), "{told}\nfor\n{text}");
    }
}

#[test]
fn a_template_is_to_be_rendered_first() {
    for text in [
        "{{- if .Values.ingress.enabled -}}\napiVersion: v1\nkind: Service\n{{- end }}\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n---\nkind: {{ .Values.kind }}\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: \"{{ .Release.Name }}\"\n",
    ] {
        let told = problem(text);
        assert!(told.contains("template") && told.contains("helm template CHART | lint -"), "{told}");
    }
    // Texts of other languages may have such braces in them.
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  rule: '{{ $value }}'\n";
    assert_eq!(names(&parse(text)), ["ConfigMap default/a"]);
}

#[test]
fn what_is_no_object_is_passed_over_with_a_word() {
    for (text, said) in [
        ("replicas: 3\nimage: {tag: '1'}\n", "neither apiVersion nor kind"),
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n",
            "Kustomization",
        ),
        ("apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n", "generateName"),
    ] {
        let manifests = parse(text);
        assert_eq!((manifests.documents.len(), manifests.problems.len()), (0, 0));
        assert!(manifests.notes[0].to_string().contains(said), "{:?}", manifests.notes);
    }
}

#[test]
fn of_two_of_a_name_the_last_counts() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: A}\n---\napiVersion: v1\nkind: Service\n\
        metadata: {name: a, namespace: default}\nspec: {type: B}\n";
    let manifests = parse(text);
    let [service] = &manifests.documents[..] else { panic!("{manifests:?}") };
    assert_eq!(service.value["spec"]["type"], "B");
    assert_eq!(
        manifests.notes[0].to_string(),
        "a.yaml:6:1: Service default/a is also in a.yaml:1; keep one of them; this one counts, being the last"
    );
}

#[test]
fn values_are_those_of_kubernetes_own_tools() {
    let text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\nx: [yes, off, 0755, 0x10, 1.5, '1', ~, 18446744073709551615]\n80: b\n";
    let value = &parse(text).documents[0].value;
    assert_eq!(value["x"], serde_json::json!([true, false, 493, 16, 1.5, "1", null, u64::MAX]));
    assert_eq!(value["80"], "b");
    let merged = "apiVersion: v1\nkind: A\nmetadata: &m {name: a}\nx: {<<: *m, b: 1}\n";
    assert_eq!(parse(merged).documents[0].value["x"], serde_json::json!({"name": "a", "b": 1}));
}

#[test]
fn what_would_never_end_is_an_error() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let quadratic = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 40_000].join(","));
    for text in [
        laughs,
        quadratic,
        format!("a: {}", "[".repeat(100_000)),
        format!("a: {}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1)),
        "- ".repeat(100_000),
        (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
    ] {
        let told = problem(&text);
        assert!(told.starts_with("a.yaml:") && told.len() < 500, "{told}");
    }
    let told = Manifests::parse("a.json", &"[".repeat(100_000), &Options::default()).problems[0].to_string();
    assert!(told.contains("recursion limit"), "{told}");
    // And this deep is fine, also on a thread with the usual two megabytes.
    let deep = MAX_DEPTH - 2;
    let text = format!(
        "apiVersion: v1\nkind: A\nmetadata: {{name: a}}\nx: {}{}\n",
        "[".repeat(deep),
        "]".repeat(deep)
    );
    assert_eq!(parse(&text).problems, []);
}

#[test]
fn folders_are_read_in_order_and_links_lead_nowhere_twice() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let object = |name: &str| format!("apiVersion: v1\nkind: A\nmetadata: {{name: {name}}}\n");
    for file in ["b.yaml", "a.yml", "sub/c.json", "sub/d.txt", ".git/e.yaml", "sub/deep/f.yaml"] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = object(file.replace(['/', '.'], "-").trim_start_matches('-'));
        let json = r#"{"apiVersion":"v1","kind":"A","metadata":{"name":"sub-c-json"}}"#;
        fs::write(&path, if file.ends_with("json") { json.to_owned() } else { text }).unwrap();
    }
    fs::write(root.join("z.yaml"), [b'a', b'\n', 0xff]).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(root, root.join("sub/up")).unwrap();
        std::os::unix::fs::symlink(root.join("gone"), root.join("y.yaml")).unwrap();
    }
    let manifests = Manifests::read(&[root], &Options::default());
    assert_eq!(
        names(&manifests),
        ["A default/a-yml", "A default/b-yaml", "A default/sub-c-json", "A default/sub-deep-f-yaml"]
    );
    let said: Vec<_> = manifests.problems.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|said| said.contains("z.yaml:2: is not UTF-8; save it as UTF-8")), "{said:?}");
    assert_eq!(said.len(), if cfg!(unix) { 2 } else { 1 }, "{said:?}");
    let missing = Manifests::read(&[root.join("nowhere")], &Options::default());
    assert!(missing.problems[0].to_string().ends_with("check the path"), "{:?}", missing.problems);
}

#[test]
fn a_document_shown_for_debugging_shows_no_secret() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: hunter2}\n";
    let manifests = parse(text);
    assert!(!format!("{manifests:?}").contains("hunter2"));
}

#[test]
fn many_objects_in_one_text_take_no_longer_each() {
    let object = |number: u32| {
        format!("{{\"apiVersion\":\"v1\",\"kind\":\"A\",\n\"metadata\":{{\"name\":\"a{number}\"}}}}\n")
    };
    let text: String = (0..20_000).map(object).collect();
    let manifests = Manifests::parse("a.json", &text, &Options::default());
    assert_eq!((manifests.documents.len(), manifests.documents[19_999].at.line), (20_000, 39_999));
}

/// JSON that every reader reads alike. A key of two angle brackets means something in YAML.
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
        // Within a path, dots and brackets mean something.
        let key = "[ -;=-~]{1,10}".prop_map(|key| key.replace(['.', '['], "_"));
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// All paths of a value that can be told apart from others.
fn paths(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| paths(item, &format!("{at}[{index}]"), all));
        }
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric())) {
                paths(value, &format!("{at}.{key}"), all);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn json_reads_the_same_as_json_and_as_yaml(spec in any_json()) {
        let object = serde_json::json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "spec": spec});
        let text = serde_json::to_string_pretty(&object).unwrap();
        let [json, yaml] = ["a.json", "a.yaml"].map(|file| Manifests::parse(file, &text, &Options::default()));
        prop_assert_eq!(&yaml.problems, &Vec::new(), "{}", text);
        prop_assert_eq!(json.documents.len(), 1);
        prop_assert_eq!(&json.documents[0].value, &yaml.documents[0].value);
        prop_assert_eq!(&json.documents[0].spot, &yaml.documents[0].spot);
        // Another serialization is the oracle of where things are: each line has one key or item.
        if let Some(spec) = json.documents[0].value.get("spec") {
            let mut all = Vec::new();
            paths(spec, "spec", &mut all);
            for path in all {
                let line = json.documents[0].position(&path).line;
                let written = text.lines().nth(usize::try_from(line).unwrap() - 1).unwrap().trim_start();
                if let Some((_, key)) = path.rsplit_once('.').filter(|(_, key)| !key.contains('[')) {
                    prop_assert!(written.starts_with(&format!("\"{key}\": ")), "{} at {}", path, written);
                }
            }
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "([ -~\n\t]|---\n|: |- |&a |\\*a |\\{|\\[|apiVersion: v1\n|kind: List\n|items:\n| ){0,60}") {
        let manifests = parse(&text);
        for problem in manifests.problems.iter().chain(&manifests.notes) {
            prop_assert!(problem.at.line > 0 && !problem.remedy.is_empty(), "{problem}");
        }
    }
}
