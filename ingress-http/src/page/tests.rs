use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode, header},
};
use tower::ServiceExt;

use super::{Asset, SITE, Site, document, router, router_of};

static FIXTURE: Site = Site {
    index: Asset {
        path: "/index.html",
        content_type: "text/html; charset=utf-8",
        etag: "\"index\"",
        immutable: false,
        body: b"<link href=\"./favicon.svg\"><script src=\"./assets/main-1.js\"></script>",
    },
    assets: &[
        Asset {
            path: "/assets/main-1.js",
            content_type: "text/javascript; charset=utf-8",
            etag: "\"main\"",
            immutable: true,
            body: b"main()",
        },
        Asset {
            path: "/favicon.svg",
            content_type: "image/svg+xml",
            etag: "\"icon\"",
            immutable: false,
            body: b"<svg/>",
        },
    ],
};

async fn send(app: Router, request: Request<Body>) -> Response<Body> {
    app.oneshot(request).await.unwrap()
}

async fn get(app: Router, path: &str) -> (Response<()>, String) {
    let response = send(app, Request::get(path).body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

fn header_of<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn serves_the_document_and_its_files() {
    let (index, html) = get(router_of(&FIXTURE), "/?x=1").await;
    assert_eq!(index.status(), StatusCode::OK);
    assert_eq!(header_of(&index, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header_of(&index, "cache-control"), "no-cache");
    assert_eq!(html.as_bytes(), FIXTURE.index.body);

    let (script, text) = get(router_of(&FIXTURE), "/assets/main-1.js").await;
    assert_eq!(header_of(&script, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(header_of(&script, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(text, "main()");

    let (icon, _) = get(router_of(&FIXTURE), "/favicon.svg").await;
    assert_eq!(header_of(&icon, "cache-control"), "no-cache");
}

#[tokio::test]
async fn leaves_everything_else_to_the_host() {
    for path in ["/assets/main-2.js", "/assets/", "/assets/../favicon.svg", "/index.html/x"] {
        let app = router_of(&FIXTURE).fallback(|| async { (StatusCode::IM_A_TEAPOT, "host") });
        let (response, body) = get(app, path).await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::IM_A_TEAPOT, "host"), "{path}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_pages_policy() {
    for path in ["/", "/assets/main-1.js", "/favicon.svg"] {
        let (response, _) = get(router_of(&FIXTURE), path).await;
        let policy = header_of(&response, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn answers_304_to_whoever_has_it() {
    for (tags, status) in [
        ("\"index\"", StatusCode::NOT_MODIFIED),
        ("\"old\", W/\"index\"", StatusCode::NOT_MODIFIED),
        ("*", StatusCode::NOT_MODIFIED),
        ("\"old\"", StatusCode::OK),
        ("index", StatusCode::OK),
    ] {
        let request = Request::get("/").header(header::IF_NONE_MATCH, tags).body(Body::empty()).unwrap();
        let response = send(router_of(&FIXTURE), request).await;
        assert_eq!(response.status(), status, "{tags}");
        assert_eq!(header_of(&response, "etag"), "\"index\"");
        let length = to_bytes(response.into_body(), usize::MAX).await.unwrap().len();
        assert_eq!(length == 0, status == StatusCode::NOT_MODIFIED, "{tags}");
    }
}

#[tokio::test]
async fn answers_head_without_a_body() {
    let response = send(router_of(&FIXTURE), Request::head("/").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, "content-length"), FIXTURE.index.body.len().to_string());
    assert!(to_bytes(response.into_body(), usize::MAX).await.unwrap().is_empty());
}

/// Follows the first relative link of the document at `path`, as a browser would, and gives what is there.
async fn first_script(app: Router, path: &str) -> (StatusCode, String) {
    let (response, html) = get(app.clone(), path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let (_, rest) = html.split_once("src=\"./").unwrap();
    let (relative, _) = rest.split_once('"').unwrap();
    let (folder, _) = path.rsplit_once('/').unwrap();
    let (script, body) = get(app, &format!("{folder}/{relative}")).await;
    (script.status(), body)
}

#[tokio::test]
async fn its_links_lead_to_its_files_wherever_it_is_nested() {
    let nested = || Router::new().nest("/routes", router_of(&FIXTURE));
    let apps = [
        ("/", router_of(&FIXTURE)),
        ("/routes", nested()),
        ("/routes", Router::new().nest_service("/routes", router_of::<()>(&FIXTURE))),
        ("/routes/", Router::new().nest_service("/routes", router_of::<()>(&FIXTURE))),
        ("/routes/", Router::new().nest("/routes/", router_of(&FIXTURE))),
        ("/platform/routes", Router::new().nest("/platform", nested())),
        ("/a:b", Router::new().nest("/a:b", router_of(&FIXTURE))),
    ];
    for (path, app) in apps {
        assert_eq!(first_script(app, path).await, (StatusCode::OK, "main()".to_owned()), "{path}");
    }
}

#[test]
fn a_path_cannot_break_out_of_the_attribute() {
    let html = document(FIXTURE.index.body, "/x\"><script>&'");
    let html = std::str::from_utf8(&html).unwrap();
    assert!(html.starts_with("<link href=\"./x&quot;&gt;&lt;script&gt;&amp;&#39;/favicon.svg\">"), "{html}");
}

/// Whatever the build script embedded: the page, or the one that says why there is none.
#[tokio::test]
async fn what_is_embedded_can_be_served() {
    let (index, html) = get(router(), "/").await;
    assert_eq!(index.status(), StatusCode::OK);
    assert!(html.contains("=\"./"), "the document has no relative URL");
    for forbidden in ["=\"/", "=\"http", "<style", " style=", "onclick"] {
        assert!(!html.contains(forbidden), "the document has {forbidden}");
    }
    for inline in html.split("<script").skip(1) {
        assert!(inline.starts_with(" type=\"module\" crossorigin src=\"./assets/"), "{inline}");
    }
    for asset in SITE.assets {
        let (response, _) = get(router(), asset.path).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", asset.path);
    }
}
