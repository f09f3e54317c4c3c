//! How the provider is asked: one request and one answer, both with bounds.
//!
//! Not a general HTTP client. Redirects are not followed: an identity provider's API has none, and who can make one would choose what
//! is asked from within this network. Plain HTTP goes to loopback addresses only. Proxies are those of the environment
//! (`HTTPS_PROXY`, `NO_PROXY`), as for clusters. Each request has a connection of its own: they come a few per sign-in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use openidconnect::url::{Host, Url};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long an answer may take, as a whole.
const DEADLINE: Duration = Duration::from_secs(10);
/// How large an answer may be.
const MAX_BODY: usize = 1 << 20;
/// How many questions there may be at a time; the others wait.
const AT_ONCE: usize = 16;

/// Asks the provider.
pub(super) struct Http {
    tls: ClientConfig,
    proxies: Matcher,
    places: Semaphore,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum HttpError {
    /// The URL is neither `https` nor on loopback.
    NotAllowed,
    /// No connection, or it broke; what the library says about that.
    Failed(String),
    TooSlow,
    TooLarge,
    /// The provider can't answer now (429 or 5xx).
    Status(u16),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("its URL is neither https nor on loopback"),
            Self::Failed(why) => write!(f, "it can't be reached: {why}"),
            Self::TooSlow => write!(f, "it did not answer within {} s", DEADLINE.as_secs()),
            Self::TooLarge => write!(f, "its answer is larger than {MAX_BODY} bytes"),
            Self::Status(status) => write!(f, "it answered {status}"),
        }
    }
}

impl std::error::Error for HttpError {}

/// Whether a URL may be asked: `https`, or on this very machine.
pub(super) fn is_allowed(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.has_host() && (url.scheme() == "https" || url.scheme() == "http" && is_loopback)
}

impl Http {
    /// Believes the system's authorities, and those in a PEM text.
    pub(super) fn new(authorities: Option<&[u8]>) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut extra = Vec::new();
        if let Some(pem) = authorities {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                extra.push(certificate.map_err(|_| "holds a certificate that can't be read")?);
            }
            if extra.is_empty() {
                return Err("holds no certificate".into());
            }
        }
        let verifier =
            Verifier::new_with_extra_roots(extra, provider.clone()).map_err(|error| error.to_string())?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { tls, proxies: Matcher::from_env(), places: Semaphore::new(AT_ONCE) })
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url =
            Url::parse(&request.uri().to_string()).ok().filter(is_allowed).ok_or(HttpError::NotAllowed)?;
        // Closed never.
        let _place = self.places.acquire().await.map_err(|_| HttpError::TooSlow)?;
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let proxy = self.proxies.intercept(request.uri()).filter(|_| url.scheme() == "https");
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let tls =
            HttpsConnectorBuilder::new().with_tls_config(self.tls.clone()).https_or_http().enable_http1();
        let sent = match proxy {
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), http);
                if let Some(secret) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(secret.clone());
                }
                let client = Client::builder(TokioExecutor::new()).build(tls.wrap_connector(tunnel));
                client.request(request).await
            }
            None => {
                let client = Client::builder(TokioExecutor::new()).build(tls.wrap_connector(http));
                client.request(request).await
            }
        };
        let (parts, body) = sent.map_err(|error| HttpError::Failed(chain(&error)))?.into_parts();
        if parts.status.is_server_error() || parts.status.as_u16() == 429 {
            return Err(HttpError::Status(parts.status.as_u16()));
        }
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                HttpError::TooLarge
            } else {
                HttpError::Failed(chain(&*error))
            }
        })?;
        Ok(HttpResponse::from_parts(parts, body.to_bytes().to_vec()))
    }
}

/// An error with its causes: of connections and TLS, which quote nothing that was sent.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = BoxFuture<'c, Result<HttpResponse, HttpError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let asked =
            async move { timeout(DEADLINE, self.ask(request)).await.unwrap_or(Err(HttpError::TooSlow)) };
        asked.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback() {
        for url in
            ["https://id.example/x", "http://127.0.0.1:5556/dex", "http://[::1]/", "http://localhost:1/"]
        {
            assert!(is_allowed(&Url::parse(url).unwrap()), "{url}");
        }
        for url in [
            "http://id.example/",
            "http://169.254.169.254/",
            "http://localhost.evil.example/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "data:,x",
        ] {
            assert!(!is_allowed(&Url::parse(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn authorities_must_be_certificates() {
        assert!(Http::new(None).is_ok());
        assert_eq!(Http::new(Some(b"nothing")).err().unwrap(), "holds no certificate");
    }
}
