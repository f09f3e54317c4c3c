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

async fn ask(url: &str) -> (Option<Verdict>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), SHOP).unwrap();
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
    assert!(text.contains("There are routes for shop.example.com."), "{text}");
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
