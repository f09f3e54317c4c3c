//! The words that the simulated company is made of.
//!
//! Everything here is invented. Hosts and addresses elsewhere in the simulation use the names and ranges reserved for
//! documentation (RFC 2606, RFC 5737, RFC 3849), so that nothing shown can be anybody's.

/// What a team runs, and where: one namespace per stage.
#[derive(Debug, PartialEq)]
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) team: &'static str,
    /// Tools of the company's own people rather than of its customers: served inside, under a domain of their own.
    pub(super) inward: bool,
    pub(super) components: &'static [Component],
}

/// One service of a product, as an ingress sees it.
#[derive(Debug, PartialEq)]
pub(super) struct Component {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) port: Port,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Port {
    Name(&'static str),
    Number(u16),
}

const fn named(name: &'static str, path: &'static str, port: &'static str) -> Component {
    Component { name, path, port: Port::Name(port) }
}

const fn numbered(name: &'static str, path: &'static str, port: u16) -> Component {
    Component { name, path, port: Port::Number(port) }
}

const fn product(
    name: &'static str,
    team: &'static str,
    inward: bool,
    components: &'static [Component],
) -> Product {
    Product { name, team, inward, components }
}

const STORE: &[Component] = &[
    named("web", "/", "http"),
    named("api", "/api", "http"),
    numbered("cart", "/cart", 8080),
    named("catalog", "/products", "http"),
    numbered("checkout", "/checkout", 8080),
    named("assets", "/static", "http"),
    numbered("images", "/img", 8081),
    named("search", "/search", "http"),
    named("account", "/account", "http"),
    named("wishlist", "/wishlist", "http"),
    numbered("reviews", "/reviews", 3000),
    named("recommendations", "/recommend", "grpc-web"),
    numbered("giftcards", "/giftcards", 8080),
    named("mobile-bff", "/mobile", "http"),
];

const SERVICE: &[Component] = &[
    named("api", "/v1", "http"),
    named("web", "/", "http"),
    numbered("admin", "/admin", 8080),
    named("webhooks", "/hooks", "http"),
    named("graphql", "/graphql", "http"),
    numbered("events", "/events", 8443),
    named("reports", "/reports", "http"),
    named("callbacks", "/callbacks", "http"),
    numbered("worker-ui", "/jobs", 9292),
    named("docs", "/docs", "http"),
    numbered("uploads", "/uploads", 8080),
    named("export", "/export", "http"),
];

const SIGN_IN: &[Component] = &[
    named("login", "/", "http"),
    named("oauth2", "/oauth2", "http"),
    numbered("oidc", "/.well-known/openid-configuration", 8080),
    named("scim", "/scim/v2", "http"),
    named("sessions", "/sessions", "http"),
    named("mfa", "/mfa", "http"),
    numbered("directory", "/users", 8080),
    named("consent", "/consent", "http"),
    named("admin", "/admin", "http"),
];

const MEDIA: &[Component] = &[
    named("player", "/", "http"),
    named("thumbnails", "/thumbs", "http"),
    numbered("transcoder", "/jobs", 8088),
    named("live", "/live", "https"),
    named("uploads", "/uploads", "http"),
    named("subtitles", "/subtitles", "http"),
    numbered("origin", "/vod", 8080),
    named("rights", "/rights", "http"),
];

const TOOLS: &[Component] = &[
    numbered("grafana", "/", 3000),
    numbered("prometheus", "/", 9090),
    numbered("alertmanager", "/", 9093),
    numbered("tempo", "/tempo", 3200),
    named("loki", "/loki", "http-metrics"),
    numbered("uptime", "/", 3001),
    named("status", "/", "http"),
    numbered("profiler", "/pyro", 4040),
    named("oncall", "/", "http"),
    numbered("runbooks", "/", 8080),
];

const DELIVERY: &[Component] = &[
    named("argocd", "/", "https"),
    numbered("registry", "/v2", 5000),
    named("ci", "/", "http"),
    numbered("artifacts", "/artifactory", 8082),
    named("git", "/", "http"),
    named("chartmuseum", "/charts", "http"),
    numbered("sonar", "/", 9000),
    named("vault", "/", "https"),
    named("flags", "/", "http"),
];

const DATA: &[Component] = &[
    named("superset", "/", "http"),
    numbered("airflow", "/", 8080),
    numbered("kafka-ui", "/", 8080),
    named("jupyter", "/hub", "http"),
    numbered("trino", "/ui", 8443),
    named("catalog", "/", "http"),
    numbered("mlflow", "/", 5000),
    named("feature-store", "/features", "http"),
    named("lineage", "/", "http"),
];

/// In the order in which a cluster gets them: a small cluster has the first few.
pub(super) const PRODUCTS: &[Product] = &[
    product("shop", "storefront", false, STORE),
    product("billing", "payments", false, SERVICE),
    product("identity", "iam", false, SIGN_IN),
    product("observability", "sre", true, TOOLS),
    product("catalog", "merchandising", false, STORE),
    product("checkout", "payments", false, SERVICE),
    product("search", "discovery", false, SERVICE),
    product("media", "media-platform", false, MEDIA),
    product("delivery", "developer-experience", true, DELIVERY),
    product("logistics", "fulfilment", false, SERVICE),
    product("analytics", "data", true, DATA),
    product("support", "customer-care", false, SERVICE),
    product("partners", "integrations", false, SERVICE),
    product("marketing", "growth", false, STORE),
    product("notifications", "messaging", false, SERVICE),
    product("inventory", "fulfilment", false, SERVICE),
    product("pricing", "merchandising", false, SERVICE),
    product("loyalty", "growth", false, SERVICE),
    product("fraud", "risk", true, SERVICE),
    product("subscriptions", "payments", false, SERVICE),
    product("marketplace", "storefront", false, STORE),
    product("warehouse", "fulfilment", true, SERVICE),
    product("streaming", "media-platform", false, MEDIA),
    product("machine-learning", "data", true, DATA),
    product("invoicing", "finance", false, SERVICE),
    product("ledger", "finance", true, SERVICE),
    product("tracking", "fulfilment", false, SERVICE),
    product("returns", "customer-care", false, SERVICE),
    product("careers", "people", false, STORE),
    product("intranet", "people", true, DELIVERY),
    product("maps", "geo", false, SERVICE),
    product("translations", "localization", true, SERVICE),
];

/// Told apart when a product has several of the same component: where it runs, or which version it is.
pub(super) const VARIANTS: &[&str] =
    &["eu", "us", "ap", "v2", "v3", "mobile", "beta", "blue", "green", "edge", "b2b", "legacy"];

/// Customers with an entrance of their own.
pub(super) const TENANTS: &[&str] = &[
    "alder", "aspen", "birch", "cedar", "cypress", "elm", "fir", "hazel", "hemlock", "holly", "juniper",
    "larch", "laurel", "linden", "maple", "myrtle", "oak", "olive", "pine", "poplar", "rowan", "sequoia",
    "spruce", "sumac", "sycamore", "tamarack", "walnut", "willow", "yew", "zelkova",
];

/// Stands in for a product that has no components.
pub(super) const FRONT: Component = named("web", "/", "http");
