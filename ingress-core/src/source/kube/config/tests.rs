use super::*;
use std::fs;

const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: dev@home
clusters: [{name: dev, cluster: {server: 'https://192.0.2.1:6443'}}]
users: [{name: me, user: {token: s3cret-token}}]
contexts:
- {name: dev@home, context: {cluster: dev, user: me, namespace: shop}}
- {name: arn:aws:eks:eu-west-1:1:cluster/prod, context: {cluster: dev, user: me}}
";

struct Bench {
    folder: tempfile::TempDir,
    places: Places,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let places = Places {
        variable: None,
        in_cluster: false,
        home: Some(at("home")),
        rke2: at("rke2"),
        kubeadm: at("kubeadm"),
    };
    Bench { folder, places }
}

impl Bench {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn found(&self, argument: Option<&Path>) -> Option<Origin> {
        match find(argument, &self.places).ok()? {
            Found::InCluster => Some(Origin::InCluster),
            Found::Files { origin, .. } => Some(origin),
        }
    }
}

async fn connect(builder: KubeSourceBuilder, bench: &Bench) -> Result<ClusterInfo, ConfigError> {
    use crate::source::Cluster;
    builder.connect_at(&bench.places).await.map(|source| source.info())
}

#[test]
fn the_first_place_that_is_there_wins() {
    let mut bench = bench();
    assert_eq!(find(None, &bench.places).unwrap_err().kind(), ConfigErrorKind::NotConfigured);
    for (name, origin) in [("kubeadm", Origin::Kubeadm), ("rke2", Origin::Rke2), ("home", Origin::Home)] {
        bench.write(name, GOOD);
        assert_eq!(bench.found(None), Some(origin));
    }
    bench.places.in_cluster = true;
    assert_eq!(bench.found(None), Some(Origin::InCluster));
    bench.places.variable = Some(bench.write("var", GOOD).into());
    assert_eq!(bench.found(None), Some(Origin::KubeconfigVariable));
    assert_eq!(bench.found(Some(Path::new("x"))), Some(Origin::Argument));
}

#[tokio::test]
async fn a_file_that_is_named_and_not_there_is_an_error_that_names_it() {
    let mut bench = bench();
    bench.write("home", GOOD);
    let missing = bench.folder.path().join("missing");
    let error = connect(KubeSource::builder().kubeconfig(Some(missing.clone())), &bench).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ConfigErrorKind::Unreadable, Some(&*missing)));
    assert!(error.to_string().contains("missing"), "{error}");
    bench.places.variable = Some(missing.clone().into());
    let error = connect(KubeSource::builder(), &bench).await.unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Unreadable);
    // In a list, what isn't there is skipped, as kubectl does.
    let there = bench.write("there", GOOD);
    bench.places.variable = Some(std::env::join_paths([missing, there]).unwrap());
    assert_eq!(connect(KubeSource::builder(), &bench).await.unwrap().origin, Origin::KubeconfigVariable);
}

#[tokio::test]
async fn a_file_that_is_no_kubeconfig_is_never_passed_over_nor_quoted() {
    let bench = bench();
    bench.write("rke2", GOOD);
    for text in ["{", "token: s3cret-token: x\n - y", "users: 's3cret-token'", "hello: s3cret-token", ""] {
        let home = bench.write("home", text);
        let error = connect(KubeSource::builder(), &bench).await.unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Invalid, "{text:?}: {error}");
        assert_eq!(error.path(), Some(&*home));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    // A folder in its place can't be read at all.
    fs::remove_file(bench.folder.path().join("home")).unwrap();
    fs::create_dir(bench.folder.path().join("home")).unwrap();
    let error = connect(KubeSource::builder(), &bench).await.unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Unreadable, "{error}");
}

#[tokio::test]
async fn it_says_which_was_used() {
    let bench = bench();
    let home = bench.write("home", GOOD);
    let info = connect(KubeSource::builder(), &bench).await.unwrap();
    assert_eq!(info.id.as_str(), "dev@home");
    assert_eq!(info.detail, format!("{}, context dev@home", home.display()));
    assert_eq!(info.server, "https://192.0.2.1:6443/");
    assert_eq!(info.default_namespace.unwrap().as_str(), "shop");
    let other = "arn:aws:eks:eu-west-1:1:cluster/prod";
    let info = connect(KubeSource::builder().context(Some(other.into())), &bench).await.unwrap();
    assert_eq!(info.id.as_str(), other);
    let named = KubeSource::builder().cluster(ClusterId::new("mine").unwrap());
    assert_eq!(connect(named, &bench).await.unwrap().id.as_str(), "mine");
}

#[tokio::test]
async fn a_context_that_is_not_there_is_named_with_those_that_are() {
    let bench = bench();
    bench.write("home", GOOD);
    let error = connect(KubeSource::builder().context(Some("prod".into())), &bench).await.unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::NoSuchContext);
    assert!(error.to_string().contains(r#"no context "prod"; it has dev@home, arn:"#), "{error}");
    bench.write("home", &GOOD.replace("current-context: dev@home", ""));
    let error = connect(KubeSource::builder(), &bench).await.unwrap_err();
    assert!(error.to_string().ends_with("names no current context; say which with --context"), "{error}");
}

#[tokio::test]
async fn credentials_that_can_not_be_had_are_an_error_without_them() {
    let bench = bench();
    for user in [
        "{token: \"s3cret\\ntoken\"}",
        "{client-certificate-data: s3cret!, client-key-data: s3cret!}",
        "{client-certificate: /nowhere/cert.pem, client-key: /nowhere/key.pem}",
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['-c', 'echo s3cret; exit 3'], interactiveMode: Never}}",
    ] {
        bench.write("home", &GOOD.replace("{token: s3cret-token}", user));
        let error = connect(KubeSource::builder(), &bench).await.unwrap_err();
        assert!(
            matches!(error.kind(), ConfigErrorKind::Credentials | ConfigErrorKind::Invalid),
            "{user}: {error}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
