use super::*;
use crate::Kind;

fn read<K: Kind>(json: &str) -> K {
    let record = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
    assert_eq!(K::restore(&record.stored()).unwrap(), record, "it is stored as it was read");
    record
}

const GATEWAY: &str = r#"{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway",
  "metadata":{"name":"edge","namespace":"infra","uid":"g","resourceVersion":"9","generation":3,
    "creationTimestamp":"2026-01-01T00:00:00Z","managedFields":[{"manager":"kubectl"}]},
  "spec":{"gatewayClassName":"eg","infrastructure":{"labels":{"team":"edge"}},
    "listeners":[
      {"name":"http","port":80,"protocol":"HTTP","hostname":"","allowedRoutes":{"namespaces":{"from":"Same"}}},
      {"name":"https","port":443,"protocol":"HTTPS","hostname":"*.example.com",
       "tls":{"mode":"Terminate","certificateRefs":[{"group":"","kind":"Secret","name":"wild"},
              {"name":"shop","namespace":"shop"}],"options":{"example.com/minimum":"1.3"},
              "frontendValidation":{"caCertificateRefs":[]}},
       "allowedRoutes":{"kinds":[{"kind":"HTTPRoute"}],
         "namespaces":{"from":"Selector","selector":{"matchLabels":{"edge":"yes"},
           "matchExpressions":[{"key":"tier","operator":"In","values":["web"]}]}}}},
      {"name":"sni","port":8443,"protocol":"TLS","tls":{"mode":"Passthrough"}},
      {"name":"later","port":9000,"protocol":"example.com/QUIC","allowedRoutes":null}]},
  "status":{"addresses":[{"type":"IPAddress","value":"203.0.113.7"}],
    "conditions":[{"type":"Accepted","status":"True","observedGeneration":3,"reason":"Accepted","message":"",
                   "lastTransitionTime":"2026-01-01T00:00:01Z"},
                  {"type":"Programmed","status":"False","observedGeneration":2,"reason":"AddressNotAssigned"}],
    "listeners":[{"name":"https","attachedRoutes":2,"supportedKinds":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute"}],
      "conditions":[{"type":"ResolvedRefs","status":"False","reason":"RefNotPermitted","observedGeneration":3}]}]}}"#;

#[test]
fn a_gateway_keeps_its_listeners_and_what_is_said_of_them() {
    let gateway: Gateway = read(GATEWAY);
    assert_eq!((gateway.name(), gateway.metadata.generation), ("edge", 3));
    let (http, https) = (gateway.listener("http").unwrap(), gateway.listener("https").unwrap());
    assert_eq!((http.hostname(), https.hostname()), (None, Some("*.example.com")));
    assert!(!http.terminates_tls() && https.terminates_tls());
    assert!(!gateway.listener("sni").unwrap().terminates_tls());
    let tls = https.tls.as_ref().unwrap();
    assert_eq!(tls.certificate_refs[0].namespace("infra"), "infra");
    assert_eq!(tls.certificate_refs[1].namespace("infra"), "shop");
    assert!(tls.certificate_refs.iter().all(ObjectRefFields::is_secret));
    assert_eq!(tls.options["example.com/minimum"], "1.3");
    let status = gateway.listener_status("https").unwrap();
    assert_eq!((status.attached_routes, status.conditions[0].reason.as_str()), (2, "RefNotPermitted"));
    assert_eq!(gateway.status.addresses[0].value, "203.0.113.7");
    assert_eq!(gateway.status.conditions[1].observed_generation, 2);
}

#[test]
fn a_listener_says_which_routes_it_lets_in() {
    let gateway: Gateway = read(GATEWAY);
    let allows = |listener: &str, namespace: &str, labels: &[(&str, &'static str)]| {
        let listener = gateway.listener(listener).unwrap();
        listener.allowed_routes.namespaces.allows("infra", namespace, |key| {
            labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
        })
    };
    assert_eq!((allows("http", "infra", &[]), allows("http", "shop", &[])), (Some(true), Some(false)));
    assert_eq!(allows("sni", "shop", &[]), Some(false), "unset means the same namespace");
    assert_eq!(allows("https", "shop", &[("edge", "yes"), ("tier", "web")]), Some(true));
    assert_eq!(allows("https", "shop", &[("edge", "yes"), ("tier", "db")]), Some(false));
    let kinds = |listener: &str| {
        let listener = gateway.listener(listener).unwrap();
        ["HTTPRoute", "GRPCRoute", "TLSRoute"].map(|kind| listener.allows_kind(kind))
    };
    assert_eq!(kinds("http"), [true, true, false]);
    assert_eq!(kinds("https"), [true, false, false]);
    assert_eq!(kinds("sni"), [false, false, true]);
    assert_eq!(kinds("later"), [true; 3], "who knows what it carries");
    let odd: RouteNamespaces = serde_json::from_str(r#"{"from":"Federation"}"#).unwrap();
    assert_eq!(odd.allows("infra", "infra", |_| None), None);
    let all: RouteNamespaces = serde_json::from_str(r#"{"from":"All"}"#).unwrap();
    assert_eq!(all.allows("infra", "shop", |_| None), Some(true));
}

#[test]
fn a_class_names_its_controller_and_features_of_either_form() {
    let class: GatewayClass = read(
        r#"{"metadata":{"name":"eg"},"spec":{"controllerName":"gateway.envoyproxy.io/gatewayclass-controller",
            "parametersRef":{"group":"gateway.envoyproxy.io","kind":"EnvoyProxy","name":"p","namespace":"infra"}},
            "status":{"conditions":[{"type":"Accepted","status":"True","observedGeneration":1}],
              "supportedFeatures":[{"name":"HTTPRoute"},"Gateway"]}}"#,
    );
    assert_eq!(class.namespace(), None);
    assert_eq!(class.spec.parameters_ref.as_ref().unwrap().kind("?"), "EnvoyProxy");
    assert_eq!(class.status.supported_features, ["HTTPRoute", "Gateway"]);
}

#[test]
fn an_http_route_keeps_all_that_routing_needs() {
    let route: HttpRoute = read(
        r#"{"metadata":{"name":"cart","namespace":"shop"},
        "spec":{"parentRefs":[{"name":"edge","namespace":"infra","sectionName":"https","port":443},
                              {"group":"","kind":"Service","name":"cart"}],
          "hostnames":["shop.example.com"],
          "rules":[
            {"name":"api","matches":[{"path":{"type":"Exact","value":"/api"},"method":"GET",
                "headers":[{"name":"X-Version","value":"2"},{"type":"RegularExpression","name":"a","value":"b.*"}],
                "queryParams":[{"name":"debug","value":"1"}]},{}],
             "filters":[
               {"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"Authorization","value":"Bearer hush"}],"remove":["X-Old"]}},
               {"type":"URLRewrite","urlRewrite":{"path":{"type":"ReplacePrefixMatch","replacePrefixMatch":"/v2"}}},
               {"type":"RequestMirror","requestMirror":{"backendRef":{"name":"shadow","port":80},"fraction":{"numerator":1}}},
               {"type":"CORS","cors":{"allowOrigins":["*"],"allowCredentials":true,"maxAge":5}},
               {"type":"SomethingNew","somethingNew":{"deep":[1,2]}}],
             "backendRefs":[{"name":"cart","port":80},{"name":"cart-2","port":80,"weight":0,"namespace":"next",
                "filters":[{"type":"ResponseHeaderModifier","responseHeaderModifier":{"add":[{"name":"X","value":"y"}]}}]}],
             "timeouts":{"request":"10s","backendRequest":"2s"},"retry":{"attempts":3}},
            {"matches":null,"filters":[{"type":"RequestRedirect","requestRedirect":{"scheme":"https","statusCode":301}}]}]},
        "status":{"parents":[{"parentRef":{"name":"edge","namespace":"infra","sectionName":"https","port":443},
           "controllerName":"example.com/one","conditions":[{"type":"Accepted","status":"True","observedGeneration":1}]},
          {"parentRef":{"name":"edge"},"controllerName":"example.com/two",
           "conditions":[{"type":"Accepted","status":"False","reason":"NotAllowedByListeners"}]}]}}"#,
    );
    let [gateway, service] = route.spec.parent_refs.as_slice() else { panic!("two parents") };
    assert!(gateway.is_gateway() && !gateway.is_service() && service.is_service() && !service.is_gateway());
    assert_eq!((gateway.namespace("shop"), service.namespace("shop")), ("infra", "shop"));
    assert!(route.status.parents[0].parent_ref.is_same(gateway, "shop"));
    assert!(!route.status.parents[1].parent_ref.is_same(gateway, "shop"));
    let [api, rest] = route.spec.rules.as_slice() else { panic!("two rules") };
    let path = api.matches[0].path.as_ref().unwrap();
    assert_eq!((path.kind(), path.value()), ("Exact", "/api"));
    assert_eq!(api.matches[0].headers[1].kind(), "RegularExpression");
    assert_eq!(api.matches[1], HttpRouteMatch::default());
    let weights: Vec<_> = api.backend_refs.iter().map(BackendRef::weight).collect();
    assert_eq!(weights, [1, 0]);
    assert_eq!(api.backend_refs[1].object.namespace("shop"), "next");
    assert_eq!(api.backend_refs[1].filters.len(), 1);
    assert_eq!(api.filters[4].r#type, "SomethingNew");
    let cors = api.filters[3].cors.as_ref().unwrap();
    assert_eq!((&*cors.allow_origins[0], cors.allow_credentials, cors.max_age), ("*", Some(true), Some(5)));
    assert_eq!(api.retry.as_ref().and_then(|retry| retry.attempts), Some(3));
    assert_eq!(api.filters[2].request_mirror.as_ref().unwrap().backend_ref.object.name, "shadow");
    assert_eq!(rest.filters[0].request_redirect.as_ref().unwrap().status_code, Some(301));
    assert!(!route.stored().contains("hush"), "what a proxy adds may be a credential");
}

#[test]
fn other_kinds_keep_theirs() {
    let route: GrpcRoute = read(
        r#"{"metadata":{"name":"g","namespace":"shop"},"spec":{"parentRefs":[{"name":"edge"}],
            "rules":[{"matches":[{"method":{"service":"shop.Cart","method":"Add"},"headers":[{"name":"v","value":"2"}]},
              {"method":{"type":"RegularExpression","service":"shop\\..*"}}],"backendRefs":[{"name":"cart","port":9000}],
              "sessionPersistence":{"type":"Cookie"}}]}}"#,
    );
    assert_eq!(route.spec.rules[0].matches[1].method.as_ref().unwrap().kind(), "RegularExpression");
    assert_eq!(route.spec.rules[0].session_persistence.as_ref().unwrap().r#type.as_deref(), Some("Cookie"));
    let route: TlsRoute = read(
        r#"{"metadata":{"name":"t","namespace":"shop"},"spec":{"hostnames":["db.example.com"],"parentRefs":[{"name":"edge"}],
            "rules":[{"backendRefs":[{"name":"db","port":5432}]}]},"status":null}"#,
    );
    assert_eq!(route.spec.rules[0].backend_refs[0].port, Some(5432));
    let policy: BackendTlsPolicy = read(
        r#"{"metadata":{"name":"p","namespace":"shop"},"spec":{"targetRefs":[{"group":"","kind":"Service","name":"cart"}],
            "validation":{"hostname":"cart.internal","wellKnownCACertificates":"System","caCertificateRefs":null}}}"#,
    );
    assert_eq!(policy.spec.validation.well_known_ca_certificates.as_deref(), Some("System"));
}

#[test]
fn a_grant_is_for_who_and_what_it_names() {
    let grant: ReferenceGrant = read(
        r#"{"metadata":{"name":"g","namespace":"shop"},"spec":{
            "from":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","namespace":"web"}],
            "to":[{"group":"","kind":"Service"},{"group":"","kind":"Secret","name":"tls"}]}}"#,
    );
    let from = (GATEWAY_API, "HTTPRoute", "web");
    assert!(grant.grants(from, ("", "Service", "cart")));
    assert!(grant.grants(from, ("", "Secret", "tls")) && !grant.grants(from, ("", "Secret", "other")));
    assert!(!grant.grants((GATEWAY_API, "GRPCRoute", "web"), ("", "Service", "cart")));
    assert!(!grant.grants((GATEWAY_API, "HTTPRoute", "bank"), ("", "Service", "cart")));
    assert!(!grant.grants(from, ("other.io", "Service", "cart")));
}
