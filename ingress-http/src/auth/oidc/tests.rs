//! The whole way of a browser, against a provider that does as it is told.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use ingress_core::source::scripted;
use ingress_core::{ClusterInfo, Hub};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use self::fake::{CLIENT, Fake, SECRET};
use super::*;
use crate::Dashboard;
use crate::auth::CookieKey;
use crate::fixture::cluster;

mod fake;

/// How many seconds a token lasts that expires soon. It counts in whole ones: the first may be over already.
const BRIEFLY: u64 = 4;
const REDIRECT: &str = "https://here.example/routes/auth/callback";

/// A router below `/routes`, and a browser that looks at it.
struct Stage {
    fake: Fake,
    router: Router,
    cookies: BTreeMap<String, String>,
    key: CookieKey,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[track_caller]
    fn is_problem(&self, status: u16, kind: &str, detail: &str) {
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        let found = problem["type"].as_str().unwrap().split('#').next_back().unwrap();
        assert_eq!((self.status.as_u16(), found), (status, kind), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
        assert!(!self.text.contains("script") && !self.text.contains(SECRET), "{problem}");
    }
}

impl Stage {
    async fn set() -> Self {
        Self::set_with(|builder| builder).await
    }

    async fn set_with(configure: impl FnOnce(OpenIdConnectBuilder) -> OpenIdConnectBuilder) -> Self {
        let fake = Fake::start().await;
        let builder = OpenIdConnect::builder(&fake.url, CLIENT, REDIRECT).client_secret(SECRET);
        let builder = builder.username_prefix("-").groups_claim("groups");
        let oidc = configure(builder).build().unwrap();
        let (source, _) =
            scripted::cluster(ClusterInfo::new(cluster("c"), ingress_core::source::Origin::Custom));
        let key = CookieKey::random();
        let dashboard = Dashboard::builder(Hub::builder(source).start())
            .authentication(oidc)
            .cookie_key(key.clone())
            .build();
        let router = Router::new().nest("/routes", dashboard.into_router());
        Self { fake, router, cookies: BTreeMap::new(), key }
    }

    async fn send(&mut self, method: &str, path: &str) -> Answer {
        send(&self.router, &mut self.cookies, method, path).await
    }

    /// Has the browser hold what this router may have given it.
    fn hold(&mut self, name: &str, text: &str) {
        let attributes = crate::auth::session::attributes("/", true);
        let cookie = self.key.seal(name, text, 1, attributes).unwrap().remove(0);
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path).await
    }

    /// Begins, and comes back.
    async fn sign_in(&mut self) -> Answer {
        let login = self.get("/routes/auth/login").await;
        let query = self.fake.sign_in(login.location());
        self.get(&format!("/routes/auth/callback?{query}")).await
    }

    /// Begins, and comes back with a token that expires soon.
    async fn sign_in_briefly(&mut self) {
        self.fake.set(|world| world.lasts = BRIEFLY.cast_signed());
        self.sign_in().await.location();
    }

    /// Waits until a token that expires soon has.
    async fn expire(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(BRIEFLY * 1000 + 100)).await;
    }

    async fn user(&mut self) -> Value {
        let answer = self.get("/routes/auth/session").await;
        let answer: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(answer["authentication"], "oidc");
        answer["user"].clone()
    }
}

/// One request of a browser that keeps cookies.
async fn send(router: &Router, cookies: &mut BTreeMap<String, String>, method: &str, path: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    let sent: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !sent.is_empty() {
        request = request.header(header::COOKIE, sent.join("; "));
    }
    let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let answer = Answer { status: parts.status, headers: parts.headers, text };
    for cookie in answer.set_cookies() {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        if cookie.contains("; Max-Age=0") {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
    answer
}

#[tokio::test]
async fn a_redirect_is_protected_as_every_answer_is() {
    let mut stage = Stage::set().await;
    let away = stage.get("/routes/auth/login").await;
    let query = stage.fake.sign_in(away.location());
    let back = stage.get(&format!("/routes/auth/callback?{query}")).await;
    for answer in [away, back] {
        for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
            assert_eq!(answer.headers.get_all(name).iter().collect::<Vec<_>>(), [value], "{name} once");
        }
        assert_eq!(answer.headers["cache-control"], "no-store", "{}", answer.location());
    }
}

#[tokio::test]
async fn somebody_signs_in_looks_around_and_signs_out() {
    let mut stage = Stage::set_with(|builder| builder.scopes(["groups", "offline_access"])).await;
    stage.get("/routes/api/info").await.is_problem(401, "unauthenticated", "/auth/login");
    assert_eq!(stage.user().await, Value::Null);

    let login = stage.get("/routes/auth/login?return=/routes?namespace=shop").await;
    assert!(login.location().contains("scope=openid+groups+offline_access"), "{}", login.location());
    assert!(login.location().contains("prompt=consent"), "{}", login.location());
    let cookie = login.set_cookies()[0].to_owned();
    for part in [
        "ingress-login=",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Secure",
        "; Path=/routes/auth/callback",
        "; Max-Age=600",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let query = stage.fake.sign_in(login.location());
    let back =
        stage.get(&format!("/routes/auth/callback?{query}&session_state=x&iss={}", stage.fake.url)).await;
    assert_eq!(back.location(), "/routes?namespace=shop");
    assert_eq!(back.headers[header::CACHE_CONTROL], "no-store");
    let cookies = back.set_cookies();
    let session = cookies.iter().find(|cookie| cookie.starts_with("ingress-session=1.")).unwrap();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Secure", "; Path=/routes/; "] {
        assert!(session.contains(part), "{session}");
    }
    assert!(!stage.cookies.contains_key("ingress-login"), "taken back");
    assert_eq!(stage.user().await, "ann-7");
    assert_eq!(stage.get("/routes/api/info").await.status, StatusCode::OK);

    let out = stage.send("DELETE", "/routes/auth/session").await;
    assert_eq!(out.status, StatusCode::OK, "{}", out.text);
    let url = format!("{}/end?client_id={CLIENT}", stage.fake.url);
    assert_eq!(serde_json::from_str::<Value>(&out.text).unwrap(), json!({"endSession": url}));
    assert!(stage.cookies.is_empty(), "{:?}", stage.cookies.keys());
    stage.get("/routes/api/info").await.is_problem(401, "unauthenticated", "sign in");
}

#[tokio::test]
async fn a_callback_counts_once_and_for_its_own_browser() {
    let mut stage = Stage::set().await;
    let login = stage.get("/routes/auth/login").await;
    let query = stage.fake.sign_in(login.location());
    let begun = stage.cookies.clone();
    let callback = format!("/routes/auth/callback?{query}");

    // Another browser, which did not begin.
    stage.cookies.clear();
    stage.get(&callback).await.is_problem(400, "bad-parameter", "no sign-in that this browser began");
    stage.cookies = begun.clone();
    stage.get("/routes/auth/callback?code=code-0&state=x").await.is_problem(
        400,
        "bad-parameter",
        "no sign-in",
    );
    assert!(stage.cookies.is_empty(), "whatever comes of it, it is over");
    stage.cookies = begun.clone();
    for (query, detail) in [("code=code-0", "`state` is missing"), ("state=a&state=b", "more than once")] {
        stage.get(&format!("/routes/auth/callback?{query}")).await.is_problem(400, "bad-parameter", detail);
        stage.cookies = begun.clone();
    }
    let state = query.split_once("state=").unwrap().1;
    stage.get(&format!("/routes/auth/callback?state={state}")).await.is_problem(
        400,
        "bad-parameter",
        "`code` is missing",
    );
    stage.cookies = begun.clone();
    stage.get(&format!("{callback}&iss=https://evil.example")).await.is_problem(
        400,
        "bad-parameter",
        "`iss`",
    );
    assert_eq!(stage.fake.look(|world| world.exchanges), 0, "the provider was not asked");

    stage.cookies = begun.clone();
    assert_eq!(stage.get(&callback).await.location(), "/routes");
    let signed_in = stage.cookies.clone();
    stage.get(&callback).await.is_problem(400, "bad-parameter", "no sign-in");
    stage.cookies = begun;
    stage.get(&callback).await.is_problem(401, "unauthenticated", "does not take the code");
    stage.cookies = signed_in;
    assert_eq!(stage.user().await, "ann-7", "whoever is signed in stays so");
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_in_our_words() {
    let mut stage = Stage::set().await;
    for (error, told) in
        [("access_denied", "access_denied"), ("%3Cscript%3Ealert(1)", "an error that has no name")]
    {
        let login = stage.get("/routes/auth/login").await;
        let query = stage.fake.sign_in(login.location());
        let state = query.split_once("state=").unwrap().1;
        let path =
            format!("/routes/auth/callback?error={error}&error_description=%3Cscript%3E&state={state}");
        stage.get(&path).await.is_problem(401, "unauthenticated", told);
    }
}

#[tokio::test]
async fn an_id_token_that_is_not_right_signs_nobody_in() {
    let mut stage = Stage::set().await;
    let wrong: [(Value, &str); 12] = [
        (json!({"nonce": "other"}), "nonce"),
        (json!({"nonce": null}), "nonce"),
        (json!({"aud": "other"}), "audience"),
        (json!({"aud": []}), "audience"),
        (json!({"iss": "https://evil.example"}), "issuer"),
        (json!({"iss": format!("{}/", stage.fake.url)}), "issuer"),
        (json!({"exp": 1}), "expired"),
        (json!({"azp": "other"}), "another client"),
        (json!({"sub": ""}), "`sub`"),
        (json!({"groups": 7}), "`groups`"),
        (json!({"sub": "system:admin"}), "Kubernetes itself"),
        (json!({"groups": vec!["x"; 1001]}), "more than 1000"),
    ];
    for (claims, detail) in wrong {
        stage.fake.set(|world| world.claims = claims);
        stage.sign_in().await.is_problem(401, "unauthenticated", detail);
        assert_eq!(stage.user().await, Value::Null);
    }
    // Both are among those that the provider says it uses.
    for alg in ["none", "HS256"] {
        stage.fake.set(|world| (world.claims, world.alg) = (json!({}), alg));
        stage.sign_in().await.is_problem(401, "unauthenticated", "a way that is not accepted");
    }
    stage.fake.set(|world| (world.alg, world.gives_id_token) = ("ES256", false));
    stage.sign_in().await.is_problem(401, "unauthenticated", "no ID token");
    stage.fake.set(|world| world.gives_id_token = true);
    // For others besides is no fault.
    stage.fake.set(|world| world.claims = json!({"aud": ["other", CLIENT], "azp": CLIENT}));
    assert_eq!(stage.sign_in().await.location(), "/routes");
}

#[tokio::test]
async fn keys_are_fetched_again_when_one_is_not_known_but_not_all_the_time() {
    let mut stage = Stage::set().await;
    stage.sign_in().await.location();
    assert_eq!(stage.fake.look(|world| world.keys_fetched), 1);
    stage.fake.rotate("k2", true);
    stage.sign_in().await.is_problem(401, "unauthenticated", "a key that the provider does not have");
    assert_eq!(stage.fake.look(|world| world.keys_fetched), 1, "they were fetched a moment ago");
    pass(6).await;
    stage.sign_in().await.location();
    assert_eq!(stage.fake.look(|world| world.keys_fetched), 2);
    // Somebody else's key under a known name.
    pass(6).await;
    stage.fake.rotate("k2", false);
    stage.sign_in().await.is_problem(401, "unauthenticated", "its signature is wrong");
    assert_eq!(stage.fake.look(|world| world.keys_fetched), 2);
}

/// Lets time pass at once, while nothing waits for the network.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_provider_that_is_down_is_asked_again_ever_more_rarely() {
    let mut stage = Stage::set().await;
    stage.fake.set(|world| world.down = true);
    let login = stage.get("/routes/auth/login").await;
    login.is_problem(503, "access-unknown", "the identity provider can't be reached");
    assert!(login.headers.contains_key(header::RETRY_AFTER));
    for _ in 0..5 {
        assert_eq!(stage.get("/routes/auth/login").await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(stage.fake.look(|world| world.discoveries), 1, "it is left alone");
    pass(2).await;
    assert_eq!(stage.get("/routes/auth/login").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stage.fake.look(|world| world.discoveries), 2);
    stage.fake.set(|world| world.down = false);
    pass(60).await;
    stage.sign_in().await.location();

    // What is known is held, and a session needs nobody.
    stage.fake.set(|world| world.down = true);
    pass(7200).await;
    stage.get("/routes/auth/login").await.location();
    assert_eq!(stage.user().await, "ann-7");
}

#[tokio::test]
async fn a_provider_that_answers_nonsense_is_no_reason_to_follow_it() {
    let mut stage = Stage::set().await;
    stage.fake.set(|world| world.redirects = true);
    stage.get("/routes/auth/login").await.is_problem(503, "access-unknown", "identity provider");
    assert_eq!(stage.fake.look(|world| world.keys_fetched), 0, "redirects are not followed");
    let inside = json!({
        "issuer": stage.fake.url, "authorization_endpoint": "http://169.254.169.254/", "token_endpoint": "http://169.254.169.254/",
        "jwks_uri": format!("{}/keys", stage.fake.url), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    });
    let mut elsewhere = inside.clone();
    elsewhere["issuer"] = "https://evil.example".into();
    let mut weak = inside.clone();
    weak["id_token_signing_alg_values_supported"] = json!(["none", "HS256"]);
    for body in
        ["{".to_owned(), "x".repeat(2 << 20), inside.to_string(), elsewhere.to_string(), weak.to_string()]
    {
        stage.fake.set(|world| (world.redirects, world.body) = (false, Some(body)));
        pass(7200).await;
        stage.get("/routes/auth/login").await.is_problem(503, "access-unknown", "identity provider");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_the_operators_problem() {
    let mut stage = Stage::set_with(|builder| builder.client_secret("wrong")).await;
    stage.sign_in().await.is_problem(503, "access-unknown", "refuses this program");
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_for_all_that_bring_it() {
    let mut stage = Stage::set().await;
    stage.fake.set(|world| world.refresh = Some("refresh-0".into()));
    stage.sign_in_briefly().await;
    stage.expire().await;
    stage.fake.set(|world| {
        (world.lasts, world.slow) = (600, std::time::Duration::from_millis(100));
        world.claims = json!({"groups": ["ops"]});
    });
    let old = stage.cookies.clone();
    let requests = (0..20).map(|_| {
        let (router, mut cookies) = (stage.router.clone(), old.clone());
        async move { (send(&router, &mut cookies, "GET", "/routes/api/info").await, cookies) }
    });
    for (answer, cookies) in futures::future::join_all(requests).await {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_ne!(cookies, old);
        stage.cookies = cookies;
    }
    assert_eq!(stage.fake.look(|world| world.renewals), 1);
    assert_eq!(stage.user().await, "ann-7");
    // One that was under way with the old cookie is served, too.
    stage.cookies = old;
    assert_eq!(stage.user().await, "ann-7");
    assert_eq!(stage.fake.look(|world| world.renewals), 1);
}

#[tokio::test]
async fn a_request_that_goes_away_does_not_take_the_renewal_along() {
    let mut stage = Stage::set().await;
    stage.fake.set(|world| world.refresh = Some("refresh-0".into()));
    stage.sign_in_briefly().await;
    stage.expire().await;
    stage.fake.set(|world| (world.lasts, world.slow) = (600, std::time::Duration::from_millis(200)));
    let left =
        tokio::time::timeout(std::time::Duration::from_millis(50), stage.get("/routes/api/info")).await;
    assert!(left.is_err(), "it was not done yet");
    assert_eq!(stage.user().await, "ann-7");
    assert_eq!(stage.fake.look(|world| world.renewals), 1);
}

#[tokio::test]
async fn a_session_that_can_not_be_renewed_ends() {
    let refused = async |change: Value, refusal: u16| {
        let mut stage = Stage::set().await;
        stage.fake.set(|world| world.refresh = Some("refresh-0".into()));
        stage.sign_in_briefly().await;
        stage.expire().await;
        stage.fake.set(|world| {
            world.lasts = 600;
            world.down = change["down"] == true;
            if change["refresh"].is_string() {
                world.refresh = Some("another".into());
            }
            world.claims = change.clone();
        });
        let answer = stage.get("/routes/api/info").await;
        assert_eq!(answer.status.as_u16(), refusal, "{change}: {}", answer.text);
    };
    // Without a refresh token there is nothing to try.
    let alone = async {
        let mut stage = Stage::set().await;
        stage.sign_in_briefly().await;
        assert_eq!(stage.user().await, "ann-7");
        stage.expire().await;
        stage.get("/routes/api/info").await.is_problem(401, "unauthenticated", "expired");
        assert_eq!(stage.fake.look(|world| world.renewals), 0);
    };
    tokio::join!(
        refused(json!({"sub": "bob"}), 401),
        refused(json!({"nonce": "another"}), 401),
        refused(json!({"exp": 1}), 401),
        refused(json!({"refresh": "taken away"}), 401),
        refused(json!({"down": true}), 503),
        alone,
    );
}

#[tokio::test]
async fn a_day_later_people_sign_in_again_whatever_their_provider_would_renew() {
    let mut stage = Stage::set().await;
    stage.fake.set(|world| world.refresh = Some("refresh-0".into()));
    let now = ingress_core::clock::wall_now().as_second();
    let session = Session {
        user: "ann-7".into(),
        groups: Vec::new(),
        subject: "ann-7".into(),
        nonce: "n".into(),
        expires: now - 1,
        until: now - 1,
        refresh: Some("refresh-0".into()),
    };
    stage.hold("ingress-session", &serde_json::to_string(&session).unwrap());
    stage.get("/routes/api/info").await.is_problem(401, "unauthenticated", "expired");
    assert_eq!(stage.fake.look(|world| world.renewals), 0);
    let fresh = Session { until: now + 60, ..session };
    stage.hold("ingress-session", &serde_json::to_string(&fresh).unwrap());
    assert_eq!(stage.user().await, "ann-7");
    assert_eq!(stage.fake.look(|world| world.renewals), 1);
}

#[tokio::test]
async fn whoever_takes_too_long_begins_again() {
    let mut stage = Stage::set().await;
    let now = ingress_core::clock::wall_now().as_second();
    for (until, detail) in
        [(now - 1, "no sign-in that this browser began"), (now + 60, "does not take the code")]
    {
        let login =
            json!({"state": "s", "nonce": "n", "verifier": "v".repeat(43), "back": "/", "until": until});
        stage.hold("ingress-login", &login.to_string());
        let answer = stage.get("/routes/auth/callback?code=c&state=s").await;
        assert!(answer.text.contains(detail), "{}", answer.text);
    }
}

#[tokio::test]
async fn many_groups_are_spread_over_cookies_and_too_many_are_said() {
    let mut stage = Stage::set().await;
    let groups = |count: usize| json!({"groups": (0..count).map(|number| format!("team-{number:016}")).collect::<Vec<_>>()});
    stage.fake.set(|world| world.claims = groups(300));
    stage.sign_in().await.location();
    assert_eq!(stage.cookies.len(), 3, "{:?}", stage.cookies.keys());
    assert_eq!(stage.user().await, "ann-7");
    stage.fake.set(|world| world.claims = groups(900));
    stage.sign_in().await.is_problem(401, "unauthenticated", "too long for cookies");
    stage.fake.set(|world| world.claims = groups(3));
    stage.sign_in().await.location();
    assert_eq!(stage.cookies.len(), 1, "those of the longer session are gone");
    assert_eq!(stage.user().await, "ann-7");
}

#[tokio::test]
async fn a_link_leads_to_nowhere_else() {
    let mut stage = Stage::set().await;
    for path in [
        "//evil.example",
        "/%5Cevil.example",
        "https:",
        "https://evil.example",
        "/%09/evil.example",
        "/%0d%0aa:b",
        "routes",
        "",
    ] {
        stage.get(&format!("/routes/auth/login?return={path}")).await.is_problem(
            400,
            "bad-parameter",
            "`return`",
        );
    }
    stage.get("/routes/auth/login?next=/").await.is_problem(400, "bad-parameter", "`next`");
    assert_eq!(stage.fake.look(|world| world.discoveries), 0);
    assert_eq!(stage.send("POST", "/routes/auth/login").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(stage.send("POST", "/routes/auth/session").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_a_provider_nobody_signs_in() {
    let (source, _) = scripted::cluster(ClusterInfo::new(cluster("c"), ingress_core::source::Origin::Custom));
    let router = Dashboard::new(Hub::builder(source).start()).into_router();
    for path in ["/auth/login", "/auth/callback?code=a&state=b"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn options_that_make_no_sense_are_named() {
    let build = |issuer: &str, client: &str, redirect: &str| {
        OpenIdConnect::builder(issuer, client, redirect).build().err().map(|error| error.option)
    };
    let (issuer, here) = ("https://id.example", "https://here.example/auth/callback");
    assert_eq!(build(issuer, "c", here), None);
    assert_eq!(build("http://127.0.0.1:1/dex", "c", "http://127.0.0.1:8080/auth/callback"), None);
    for bad in [
        "id.example",
        "http://id.example",
        "https://a:b@id.example",
        "https://id.example/?a",
        "https://id.example/#a",
        "data:,",
    ] {
        assert_eq!(build(bad, "c", here), Some("issuer"), "{bad}");
    }
    for bad in [
        "/auth/callback",
        "http://here.example/auth/callback",
        "https://here.example/",
        "https://here.example/auth/callback?a",
        "https://here.example/auth/callback/",
    ] {
        assert_eq!(build(issuer, "c", bad), Some("redirect_url"), "{bad}");
    }
    assert_eq!(build(issuer, "", here), Some("client_id"));
    let builder = || OpenIdConnect::builder(issuer, "c", here);
    assert_eq!(builder().scopes(["a b"]).build().unwrap_err().option, "scopes");
    let missing = builder().client_secret_file("/nonexistent/secret").unwrap_err().to_string();
    assert!(missing.starts_with("client_secret_file: /nonexistent/secret: "), "{missing}");
    let shown = format!("{:?}", builder().client_secret("s3cret"));
    assert!(!shown.contains("s3cret") && shown.contains(issuer), "{shown}");
}
