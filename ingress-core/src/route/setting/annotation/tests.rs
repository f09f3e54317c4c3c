use proptest::prelude::*;

use super::super::{AffinityBy, AuthenticationBy, HeadersOf, PathChange, Protocol, TimeoutOf};
use super::*;

const NGINX: &str = "k8s.io/ingress-nginx";

fn ingress(annotations: &[(&str, &str)]) -> Ingress {
    let annotations: serde_json::Map<_, _> =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let json =
        serde_json::json!({"metadata": {"name": "web", "namespace": "shop", "annotations": annotations}});
    Ingress::decode_json(&mut serde_json::Deserializer::from_str(&json.to_string())).unwrap()
}

/// What annotations mean to a controller, ordered by their names.
fn told(controller: Option<&str>, annotations: &[(&str, &str)]) -> Vec<Arc<Setting>> {
    settings(&ingress(annotations), &Entry::ingress_class(Some("edge"), controller))
}

fn facts(controller: &str, prefix: &str, annotations: &[(&str, &str)]) -> Vec<Fact> {
    let keys: Vec<String> = annotations.iter().map(|(name, _)| format!("{prefix}/{name}")).collect();
    let pairs: Vec<_> =
        keys.iter().zip(annotations).map(|(key, (_, value))| (key.as_str(), *value)).collect();
    told(Some(controller), &pairs).into_iter().map(|setting| setting.fact.clone()).collect()
}

fn redirect(host: &str, path: Option<PathChange>, status: u16) -> Fact {
    let (scheme, host) = (Some("https".to_owned()), Some(host.to_owned()));
    Fact::Redirect { scheme, host, port: None, path, status: Some(status) }
}

fn requests(requests: u64, period: u64, burst: Option<u64>) -> Fact {
    Fact::RateLimit {
        requests: Some(requests),
        period_milliseconds: Some(period),
        burst,
        connections: None,
        bytes_per_second: None,
    }
}

fn timeout(of: TimeoutOf, milliseconds: u64) -> Fact {
    Fact::Timeout { of, milliseconds: Some(milliseconds) }
}

#[test]
fn ingress_nginx_is_understood() {
    let facts = |annotations: &[(&str, &str)]| facts(NGINX, "nginx.ingress.kubernetes.io", annotations);
    assert_eq!(
        facts(&[
            ("proxy-body-size", "8m"),
            ("proxy-connect-timeout", "5"),
            ("proxy-next-upstream-tries", "0"),
            ("rewrite-target", "/$2"),
            ("ssl-redirect", "false"),
        ]),
        [
            Fact::MaxBodySize { bytes: Some(8 << 20) },
            timeout(TimeoutOf::Connect, 5000),
            Fact::Retries { attempts: None, on: Vec::new(), milliseconds: None },
            Fact::Rewrite { host: None, path: Some(PathChange::Template("/$2".into())) },
            Fact::TlsRedirect { on: false, status: None, port: None },
        ]
    );
    assert_eq!(facts(&[("proxy-body-size", "0")]), [Fact::MaxBodySize { bytes: None }]);
    assert_eq!(
        facts(&[("limit-burst-multiplier", "2"), ("limit-rps", "10")]),
        [requests(10, 1000, Some(20))]
    );
    assert_eq!(facts(&[("limit-rpm", "30")]), [requests(30, 60_000, Some(150))]);
    assert_eq!(
        facts(&[("permanent-redirect", "https://example.com/new"), ("permanent-redirect-code", "308")]),
        [redirect("example.com", Some(PathChange::Whole("/new".into())), 308)]
    );
    assert_eq!(
        facts(&[("auth-secret", "users"), ("auth-type", "basic")]),
        [Fact::Authentication { by: AuthenticationBy::Basic, at: None, secret: Some("users".into()) }]
    );
    assert_eq!(
        facts(&[
            ("backend-protocol", "grpcs"),
            ("canary-weight", "5"),
            ("whitelist-source-range", "10.0.0.0/8")
        ]),
        [
            Fact::BackendProtocol { protocol: Protocol::Grpcs },
            Fact::Canary { on: None, weight: Some(5), total: Some(100), header: None, cookie: None },
            Fact::Allow { ranges: vec!["10.0.0.0/8".into()] },
        ]
    );
    assert_eq!(
        facts(&[("affinity", "cookie"), ("session-cookie-name", "route")]),
        [Fact::SessionAffinity { by: AffinityBy::Cookie, key: Some("route".into()) }]
    );
}

#[test]
fn what_cannot_be_read_is_told_and_what_is_empty_is_not_said() {
    let facts = |annotations: &[(&str, &str)]| facts(NGINX, "nginx.ingress.kubernetes.io", annotations);
    assert_eq!(
        facts(&[("proxy-connect-timeout", "5s"), ("proxy-send-timeout", "")]),
        [Fact::Unparsable { expected: "a number of seconds, without a unit".into() }]
    );
}

#[test]
fn other_controllers_are_understood() {
    assert_eq!(
        facts(
            "traefik.io/ingress-controller",
            "traefik.ingress.kubernetes.io",
            &[("router.middlewares", "shop-auth@kubernetescrd"), ("router.pathmatcher", "PathRegexp")]
        ),
        [
            Fact::Extension { names: vec!["shop-auth@kubernetescrd".into()] },
            Fact::RegularExpressions { on: true },
        ]
    );
    assert_eq!(
        facts(
            "haproxy.org/ingress-controller/edge",
            "haproxy.org",
            &[
                ("allow-list", "10.0.0.0/8, 192.0.2.1"),
                ("rate-limit-period", "10s"),
                ("rate-limit-requests", "15"),
                ("server-ssl", "true"),
                ("timeout-server", "2m"),
            ]
        ),
        [
            Fact::Allow { ranges: vec!["10.0.0.0/8".into(), "192.0.2.1".into()] },
            requests(15, 10_000, None),
            Fact::BackendProtocol { protocol: Protocol::Https },
            timeout(TimeoutOf::Read, 120_000),
        ]
    );
    assert_eq!(
        facts(
            "haproxy-ingress.github.io/controller",
            "haproxy-ingress.github.io",
            &[("backend-protocol", "h2"), ("redirect-to", "https://new.example.com")]
        ),
        [
            Fact::BackendProtocol { protocol: Protocol::H2c },
            Fact::Redirect {
                scheme: Some("https".into()),
                host: Some("new.example.com".into()),
                port: None,
                path: None,
                status: None
            },
        ]
    );
    assert_eq!(
        facts(
            "projectcontour.io/projectcontour/contour",
            "projectcontour.io",
            &[("num-retries", "3"), ("response-timeout", "infinity")]
        ),
        [
            Fact::Retries { attempts: Some(3), on: Vec::new(), milliseconds: None },
            Fact::Timeout { of: TimeoutOf::Request, milliseconds: None },
        ]
    );
    assert_eq!(
        facts(
            "ingress-controllers.konghq.com/kong",
            "konghq.com",
            &[("plugins", "limit, auth"), ("read-timeout", "3000"), ("strip-path", "true")]
        ),
        [
            Fact::Extension { names: vec!["limit".into(), "auth".into()] },
            timeout(TimeoutOf::Read, 3000),
            Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/".into())) },
        ]
    );
    let action = r##"{"type":"redirect","redirectConfig":{"protocol":"HTTPS","host":"aws.example.com","path":"/#{path}",
        "port":"#{port}","statusCode":"HTTP_301"}}"##;
    assert_eq!(
        facts(
            "ingress.k8s.aws/alb",
            "alb.ingress.kubernetes.io",
            &[
                ("actions.away", action),
                ("backend-protocol-version", "GRPC"),
                ("inbound-cidrs", "10.0.0.0/8")
            ]
        ),
        [
            redirect("aws.example.com", None, 301),
            Fact::BackendProtocol { protocol: Protocol::Grpc },
            Fact::Allow { ranges: vec!["10.0.0.0/8".into()] },
        ]
    );
    let gce = settings(
        &ingress(&[("ingress.gcp.kubernetes.io/path-prefix-rewrite", "/v2")]),
        &Entry::ingress_class(Some("gce"), None),
    );
    assert_eq!(gce[0].fact, Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/v2".into())) });
}

#[test]
fn annotations_of_another_controller_than_the_class_mean_nothing_and_of_an_unknown_class_what_they_say() {
    let annotation = [("nginx.ingress.kubernetes.io/proxy-body-size", "8m")];
    assert_eq!(told(Some("traefik.io/ingress-controller"), &annotation), []);
    assert_eq!(told(Some("example.com/controller"), &annotation), []);
    let [setting] = &told(None, &annotation)[..] else { panic!("nobody knows whose class it is") };
    assert_eq!(setting.fact, Fact::MaxBodySize { bytes: Some(8 << 20) });
    assert_eq!(setting.field, "metadata.annotations[nginx.ingress.kubernetes.io/proxy-body-size]");
    assert_eq!((setting.raw.as_deref(), setting.object.to_string()), (Some("8m"), "Ingress shop/web".into()));
}

#[test]
fn nothing_that_may_be_a_credential_is_kept() {
    let nginx = told(
        Some(NGINX),
        &[
            ("nginx.ingress.kubernetes.io/auth-url", "https://me:hush@auth.example.com/check?token=hush"),
            (
                "nginx.ingress.kubernetes.io/configuration-snippet",
                "proxy_set_header Authorization \"Bearer hush\";",
            ),
        ],
    );
    let haproxy = told(
        Some("haproxy.org/ingress-controller"),
        &[("haproxy.org/request-set-header", "Authorization \"Bearer hush\"\nX-Team shop")],
    );
    let text = format!("{nginx:?} {haproxy:?}");
    assert!(!text.contains("hush"), "{text}");
    let at = Some("https://auth.example.com/check".to_owned());
    assert_eq!(nginx[0].fact, Fact::Authentication { by: AuthenticationBy::External, at, secret: None });
    let set = vec!["Authorization".to_owned(), "X-Team".to_owned()];
    let headers = Fact::Headers { of: HeadersOf::Request, set, add: Vec::new(), remove: Vec::new() };
    assert_eq!(haproxy[0].fact, headers);
}

#[test]
fn a_long_value_is_cut_between_two_characters() {
    let value = "\u{e9}".repeat(200);
    let setting = &told(Some(NGINX), &[("nginx.ingress.kubernetes.io/upstream-vhost", &value)])[0];
    assert_eq!(setting.raw.as_ref().map(String::len), Some(RAW_BYTES));
}

#[test]
fn names_that_are_nearly_known_are_recognised() {
    let nginx = Family::of_controller(NGINX).unwrap();
    assert_eq!(nginx.nearest("rewrite-taget"), Some("rewrite-target"));
    assert_eq!(nginx.nearest("proxy-body-sizes"), Some("proxy-body-size"));
    assert_eq!((nginx.nearest("rewrite-target"), nginx.nearest("something-else")), (None, None));
    assert_eq!(Family::of_controller("projectcontour.io/projectcontour/contour").unwrap().name, "Contour");
    assert!(Family::of_controller("k8s.io/ingress-nginx-of-ours").is_none());
}

#[test]
fn tables_are_in_order_and_name_nothing_twice() {
    for family in table::FAMILIES {
        let known: Vec<_> = family.known.iter().map(|known| known.name).collect();
        assert!(known.is_sorted_by(|one, other| one < other), "{}: {known:?}", family.name);
        for gone in family.gone {
            assert!(family.get(gone.name).is_none(), "{} is known and gone", gone.name);
            assert!(gone.instead.ends_with('.'), "{}", gone.instead);
        }
    }
}

fn every_name() -> Vec<(&'static str, &'static str, &'static str)> {
    let all = table::FAMILIES.iter().flat_map(|family| {
        let controller = family.controllers.first().copied().unwrap_or("");
        let prefix = family.own.first().copied().unwrap_or("");
        family.known.iter().map(move |known| (controller, prefix, known.name))
    });
    all.collect()
}

proptest! {
    #[test]
    fn no_value_of_any_annotation_panics(
        pick in any::<prop::sample::Index>(),
        text in "\\PC{0,60}|[0-9]{0,25}[a-z]{0,2}|https?://[a-z@:?/$%.]{0,30}|\\{\"type\":\"[a-z]{0,9}\",\"redirectConfig\":[^ ]{0,9}\\}",
    ) {
        let all = every_name();
        let (controller, prefix, name) = all[pick.index(all.len())];
        let key = format!("{prefix}/{name}x");
        let exact = format!("{prefix}/{name}");
        for key in [&key, &exact] {
            for setting in told(Some(controller).filter(|controller| !controller.is_empty()), &[(key, &text)]) {
                prop_assert!(setting.raw.as_ref().is_none_or(|raw| raw.len() <= RAW_BYTES));
            }
        }
    }
}
