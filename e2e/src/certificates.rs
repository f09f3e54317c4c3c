//! Certificates for the Secrets of tests, valid relative to the day on which the test runs.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ingress_core::clock::wall_now;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server's certificate, as a manifest asks for it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Wanted {
    /// The names that it is for.
    pub names: Vec<String>,
    /// From when it is valid, in days from now.
    pub from: i32,
    /// Until when, in days from now.
    pub until: i32,
}

impl Wanted {
    /// The `data` of a TLS Secret that holds it, self-signed, with its key.
    ///
    /// # Errors
    ///
    /// When a name is none.
    pub fn data(&self) -> Result<Value> {
        let mut params = CertificateParams::new(self.names.clone())?;
        let name = self.names.first().context("a certificate for nobody")?;
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.not_before = days_from_now(self.from).into();
        params.not_after = days_from_now(self.until).into();
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(json!({
            "tls.crt": STANDARD.encode(certificate.pem()),
            "tls.key": STANDARD.encode(key.serialize_pem()),
        }))
    }
}

fn days_from_now(days: i32) -> SystemTime {
    let now = SystemTime::from(wall_now());
    let far = DAY * days.unsigned_abs();
    if days < 0 { now - far } else { now + far }
}
