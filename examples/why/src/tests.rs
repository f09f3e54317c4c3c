use std::time::Duration;

use super::*;

const SHOP: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: traefik}
spec: {controller: traefik.io/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: traefik
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /cart, pathType: Prefix, backend: {service: {name: cart, port: {name: http}}}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: web, port: 80}]}
"#;

/// Routes of three sorts for hosts of their own.
const MORE: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: eg
  listeners:
  - {name: pass, port: 443, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: db, namespace: shop}
spec:
  hostnames: [db.example.com]
  parentRefs: [{name: edge, namespace: infra}]
  rules: [{backendRefs: [{name: cart, port: 80}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: books, namespace: shop}
spec:
  hosts: [books.example.com]
  gateways: [infra/mesh-edge]
  http: [{match: [{uri: {prefix: /re}}], route: [{destination: {host: cart}}]}]
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: blog, namespace: shop}
spec:
  entryPoints: [websecure]
  tls: {}
  routes: [{match: "Host(`blog.example.com`) && !PathPrefix(`/admin`)", services: [{name: gone, port: 80}]}]
---
"#;

async fn ask(url: &str) -> (Option<Verdict>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), format!("{MORE}{SHOP}")).unwrap();
    let source = FilesSource::new([folder.path()]);
    let hub = Hub::builder(source.clone()).routes(source).unwrap().start();
    let snapshot = tokio::time::timeout(Duration::from_secs(30), read(hub.routes().unwrap())).await.unwrap();
    let answer = print::answer(&url.parse().unwrap(), &snapshot);
    hub.shutdown().await;
    (answer.verdict, answer.text)
}

#[tokio::test]
async fn says_where_it_stops_and_what_helps() {
    let (verdict, text) = ask("https://shop.example.com/cart/7").await;
    assert_eq!(verdict, Some(Verdict::Broken), "{text}");
    for part in [
        "Through ingress class traefik (traefik.io/ingress-controller)",
        "FAILED backend",
        "ING005 critical Ingress shop/web: Service cart has no port http.",
        "do:  Use one of its ports: 80 (web).",
        "see: kubectl -n shop get ingress web -o yaml",
        "BROKEN: it stops at the backend.",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[tokio::test]
async fn says_which_routes_came_near() {
    let (verdict, text) = ask("shop.example.com/basket").await;
    assert_eq!(verdict, None, "{text}");
    assert!(text.contains("no route there gets this request") && text.contains(": path\n"), "{text}");
    let (verdict, text) = ask("http://store.example.com").await;
    assert_eq!(verdict, None, "{text}");
    assert!(text.contains("There are routes for ") && text.contains("shop.example.com."), "{text}");
}

#[tokio::test]
async fn follows_routes_of_every_sort() {
    let (verdict, text) = ask("https://db.example.com/").await;
    assert_eq!(verdict, Some(Verdict::Unknown), "{text}");
    assert!(text.contains("Through gateway infra/edge, listener pass (TLS on port 443)"), "{text}");
    assert!(text.contains("passes TLS through"), "{text}");
    let (verdict, text) = ask("http://db.example.com/").await;
    assert!(verdict.is_none() && text.contains("needs tls"), "{text}");
    // A prefix of text, not of elements.
    let (verdict, text) = ask("https://books.example.com/reviews").await;
    assert_eq!(verdict, Some(Verdict::Unknown), "{text}");
    assert!(text.contains("Through Istio's gateway infra/mesh-edge"), "{text}");
    let (verdict, text) = ask("https://blog.example.com/a").await;
    assert_eq!(verdict, Some(Verdict::Broken), "{text}");
    assert!(
        text.contains("Through Traefik's entry point websecure") && text.contains("RT005 critical"),
        "{text}"
    );
    let (verdict, text) = ask("https://blog.example.com/admin").await;
    assert!(verdict.is_none() && text.contains("condition"), "{text}");
}

#[test]
fn urls_are_read_as_people_write_them() {
    let question: Question = "shop.example.com:8443/a?b=c".parse().unwrap();
    assert_eq!(
        (question.host.as_str(), question.path.as_str(), question.tls),
        ("shop.example.com", "/a?b=c", true)
    );
    for bad in ["ftp://shop.example.com", "https://", "https:///a", "a b"] {
        assert!(bad.parse::<Question>().is_err(), "{bad}");
    }
    assert_eq!(ask::header("X-Version: 2"), Ok(("X-Version".into(), "2".into())));
    assert!(ask::header("nothing").is_err());
}
