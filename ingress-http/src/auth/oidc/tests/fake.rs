//! A provider that does as a test says, right or wrong, on loopback.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ingress_core::clock::wall_now;
use openidconnect::url::Url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(super) const CLIENT: &str = "dashboard";
pub(super) const SECRET: &str = "s3cret-of-the-client";

pub(super) struct Fake {
    pub(super) url: String,
    pub(super) world: Arc<Mutex<World>>,
    _server: JoinSet<()>,
}

/// What the provider does; a test changes it.
pub(super) struct World {
    url: String,
    key: EcdsaKeyPair,
    kid: String,
    /// Keys that are told.
    told: Vec<Value>,
    /// What differs from a right ID token; `null` takes a claim out.
    pub(super) claims: Value,
    /// Signed with nothing at all.
    pub(super) alg_none: bool,
    pub(super) gives_id_token: bool,
    pub(super) down: bool,
    pub(super) redirects: bool,
    pub(super) body: Option<String>,
    pub(super) lasts: i64,
    pub(super) slow: Duration,
    codes: HashMap<String, (String, String)>,
    /// The refresh token that is taken next.
    pub(super) refresh: Option<String>,
    pub(super) discoveries: u32,
    pub(super) keys_fetched: u32,
    pub(super) exchanges: u32,
    pub(super) renewals: u32,
}

type Shared = Arc<Mutex<World>>;

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/id", listener.local_addr().unwrap());
        let (key, kid, jwk) = new_key("k1");
        let world = World {
            url: url.clone(),
            key,
            kid,
            told: vec![jwk],
            claims: json!({}),
            alg_none: false,
            gives_id_token: true,
            down: false,
            redirects: false,
            body: None,
            lasts: 600,
            slow: Duration::ZERO,
            codes: HashMap::new(),
            refresh: None,
            discoveries: 0,
            keys_fetched: 0,
            exchanges: 0,
            renewals: 0,
        };
        let world = Arc::new(Mutex::new(world));
        let router = Router::new()
            .route("/id/.well-known/openid-configuration", get(discovery))
            .route("/id/keys", get(keys))
            .route("/id/token", post(token))
            .with_state(world.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, world, _server: server }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().unwrap());
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world.lock().unwrap())
    }

    /// Signs with another key from now on, which is told to whoever asks.
    pub(super) fn rotate(&self, name: &str, told: bool) {
        let (key, kid, jwk) = new_key(name);
        self.set(|world| {
            (world.key, world.kid) = (key, kid);
            if told {
                world.told = vec![jwk];
            }
        });
    }

    /// Somebody signs in: gives the query with which their browser comes back.
    pub(super) fn sign_in(&self, url: &str) -> String {
        let url = Url::parse(url).unwrap();
        assert!(url.as_str().starts_with(&format!("{}/authorize?", self.url)), "{url}");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"), "{url}");
        let code = format!("code-{}", self.look(|world| world.codes.len()));
        self.set(|world| {
            world.codes.insert(code.clone(), (query["code_challenge"].clone(), query["nonce"].clone()));
        });
        format!("code={code}&state={}", query["state"])
    }
}

fn new_key(kid: &str) -> (EcdsaKeyPair, String, Value) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    // Uncompressed: 4, then both coordinates.
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": encode(x), "y": encode(y)});
    (key, kid.to_owned(), jwk)
}

impl World {
    fn id_token(&self, nonce: Option<&str>) -> String {
        let now = wall_now().as_second();
        let mut claims = json!({
            "iss": self.url, "sub": "ann-7", "aud": CLIENT, "iat": now, "exp": now + self.lasts,
            "groups": ["dev"], "email": "ann@example.com",
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        for (name, value) in self.claims.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        if self.alg_none {
            return format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&claims));
        }
        let text = format!("{}.{}", encode(&json!({"alg": "ES256", "kid": self.kid})), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn failure(&self) -> Option<Response> {
        if self.down {
            return Some((StatusCode::BAD_GATEWAY, "<b>down</b>").into_response());
        }
        if self.redirects {
            return Some(
                (StatusCode::FOUND, [(header::LOCATION, format!("{}/keys", self.url))]).into_response(),
            );
        }
        self.body.clone().map(|body| ([(header::CONTENT_TYPE, "application/json")], body).into_response())
    }
}

async fn discovery(State(world): State<Shared>) -> Response {
    let mut world = world.lock().unwrap();
    world.discoveries += 1;
    if let Some(failure) = world.failure() {
        return failure;
    }
    let url = &world.url;
    json_of(&json!({
        "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"), "end_session_endpoint": format!("{url}/end"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    }))
}

async fn keys(State(world): State<Shared>) -> Response {
    let mut world = world.lock().unwrap();
    world.keys_fetched += 1;
    json_of(&json!({"keys": world.told}))
}

async fn token(State(world): State<Shared>, headers: axum::http::HeaderMap, body: String) -> Response {
    let slow = world.lock().unwrap().slow;
    tokio::time::sleep(slow).await;
    let mut world = world.lock().unwrap();
    if let Some(failure) = world.failure() {
        return failure;
    }
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    if headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
        != Some(&*format!("Basic {basic}"))
    {
        return refused("invalid_client");
    }
    let form = Url::parse(&format!("http://x/?{body}")).unwrap();
    let form: HashMap<_, _> = form.query_pairs().into_owned().collect();
    let nonce = if form["grant_type"] == "refresh_token" {
        world.renewals += 1;
        if world.refresh.as_ref() != Some(&form["refresh_token"]) {
            return refused("invalid_grant");
        }
        None
    } else {
        world.exchanges += 1;
        // Each code once.
        let Some((challenge, nonce)) = world.codes.remove(&form["code"]) else {
            return refused("invalid_grant");
        };
        let given = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        if given != challenge {
            return refused("invalid_grant");
        }
        Some(nonce)
    };
    let mut answer = json!({"access_token": "access", "token_type": "Bearer"});
    if world.gives_id_token {
        answer["id_token"] = world.id_token(nonce.as_deref()).into();
    }
    if world.refresh.is_some() {
        // Rotated: the one before is worth nothing from now on.
        let next = format!("refresh-{}-{}", world.exchanges, world.renewals);
        answer["refresh_token"] = next.clone().into();
        world.refresh = Some(next);
    }
    json_of(&answer)
}

fn refused(error: &str) -> Response {
    let body = json!({"error": error, "error_description": "<script>alert(1)</script>"});
    (StatusCode::BAD_REQUEST, json_of(&body)).into_response()
}

fn json_of(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
