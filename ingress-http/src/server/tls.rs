//! Certificates: read from files, and read again when those change.
//!
//! Certificates are short-lived and renewed by programs, which replace the files: Kubernetes by turning a link, others one file
//! after the other. So contents are compared, every few seconds, which costs two small reads and holds for all of them. New
//! connections get the new certificate; those that are open are not touched. Files that can't be used are told of once, when they
//! are still the same at the next look (one file after the other does not fit for a moment), and the old certificate
//! goes on.

use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::stats::ServerStats;

/// How often the files are looked at, unless configured otherwise.
pub(super) const DEFAULT_RELOAD: Duration = Duration::from_secs(5);
/// Files larger than this hold something else.
const MAX_FILE: u64 = 1024 * 1024;

pub(super) type Acceptor = TlsAcceptor;

/// A certificate and its key, read from PEM files that may change at any time.
///
/// TLS 1.2 and 1.3, with ring; HTTP/2 and HTTP/1.1 by ALPN. Clients are not asked for certificates.
#[derive(Clone)]
pub struct Tls {
    files: Files,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Which contents were looked at last; not the contents, since one of them is a key.
type Print = u64;

#[derive(Debug)]
struct Current {
    key: RwLock<Arc<CertifiedKey>>,
    seen: Mutex<Seen>,
}

/// What the last look saw.
#[derive(Debug)]
struct Seen {
    /// Of the contents in use.
    used: Print,
    /// Of contents that can't be used, or what kept them from being read; and whether that was told.
    bad: Option<(Result<Print, String>, bool)>,
}

/// A certificate or key that can't be used. It tells which file and why, and nothing that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsError {
    file: PathBuf,
    reason: String,
}

impl TlsError {
    fn new(file: &Path, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), reason: reason.into() }
    }

    /// The file at fault.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.reason)
    }
}

impl std::error::Error for TlsError {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a certificate chain, the server's own first, and its private key (PKCS #8, SEC 1 or PKCS #1), both PEM. They may be one
    /// file. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// When a file can't be read, holds no certificate or no key, or the two don't belong together.
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        let provider = Arc::new(ring::default_provider());
        let contents = files.read()?;
        let current = Arc::new(Current {
            key: RwLock::new(Arc::new(files.parse(&contents, &provider)?)),
            seen: Mutex::new(Seen { used: contents.print(), bad: None }),
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(&files.certificate, error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, current, config: Arc::new(config) })
    }

    pub(super) fn acceptor(&self) -> Acceptor {
        self.config.clone().into()
    }

    /// Looks at the files again and again, for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it; what was read last stays in use.
    pub(super) async fn reload(&self, every: Duration, stats: &ServerStats) {
        loop {
            tokio::time::sleep(every).await;
            let this = self.clone();
            // Reading a file can take as long as its disk does.
            let looked = tokio::task::spawn_blocking(move || this.look()).await;
            match looked {
                Ok(Look::Same) => {}
                Ok(Look::Replaced) => {
                    stats.reloaded(true);
                    tracing::info!(certificate = %self.files.certificate.display(), "a new certificate serves from now on");
                }
                Ok(Look::Bad(error)) => {
                    stats.reloaded(false);
                    tracing::error!(%error, "the new certificate can't be used; the old one goes on");
                }
                // The runtime is going.
                Err(_) => return std::future::pending().await,
            }
        }
    }

    /// One look.
    fn look(&self) -> Look {
        let read = self.files.read();
        let print = match &read {
            Ok(contents) => Ok(contents.print()),
            Err(error) => Err(error.to_string()),
        };
        let mut seen = self.current.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if print == Ok(seen.used) {
            seen.bad = None;
            return Look::Same;
        }
        match &mut seen.bad {
            Some((bad, true)) if *bad == print => return Look::Same,
            Some((bad, told)) if *bad == print => *told = true,
            _ => seen.bad = Some((print.clone(), false)),
        }
        let certified = read.and_then(|contents| self.files.parse(&contents, self.config.crypto_provider()));
        match (certified, print) {
            (Ok(certified), Ok(print)) => {
                *self.current.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                *seen = Seen { used: print, bad: None };
                Look::Replaced
            }
            (Err(error), _) if matches!(seen.bad, Some((_, true))) => Look::Bad(error),
            _ => Look::Same,
        }
    }
}

enum Look {
    /// Nothing to tell.
    Same,
    Replaced,
    Bad(TlsError),
}

struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Contents {
    fn print(&self) -> Print {
        let mut hasher = DefaultHasher::new();
        for part in [&self.certificate, &self.key] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }
}

impl Files {
    fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn parse(&self, contents: &Contents, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&contents.certificate)
                .collect::<Result<_, _>>()
                .map_err(|error| TlsError::new(&self.certificate, reason(&error, "certificate")))?;
        if chain.is_empty() {
            return Err(TlsError::new(&self.certificate, "holds no certificate (PEM, `BEGIN CERTIFICATE`)"));
        }
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| TlsError::new(&self.key, reason(&error, "private key")))?;
        let key = provider.key_provider.load_private_key(key).map_err(|_| {
            TlsError::new(
                &self.key,
                "a private key that is broken or of an unknown kind; RSA, ECDSA or Ed25519 are known",
            )
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // Of some kinds of key nobody can tell.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::new(
                &self.key,
                format!("not the private key of the first certificate in {}", self.certificate.display()),
            )),
            Err(_) => Err(TlsError::new(&self.certificate, "the first certificate is broken")),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| TlsError::new(file, error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(TlsError::new(file, format!("larger than {MAX_FILE} bytes, so not PEM")));
    }
    Ok(bytes)
}

/// In words of our own: the parser's may quote a line of the file.
fn reason(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("holds no {what} in PEM"),
        pem::Error::MissingSectionEnd { .. } => "a PEM section does not end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a PEM section begins with a line that makes no sense".to_owned()
        }
        pem::Error::Base64Decode(_) => "a PEM section is not base64".to_owned(),
        _ => "not PEM".to_owned(),
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[cfg(test)]
mod tests;
