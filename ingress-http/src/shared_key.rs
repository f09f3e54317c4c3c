//! A secret that replicas share.
//!
//! What one replica gives out and another one gets back (positions that are sealed, keys of a shared cache) is made with keys that are
//! derived from one secret, each with a name of its own, so that none of them tells anything of another one or of the secret. The same
//! secret may be that of [`CookieKey`](crate::auth::CookieKey), which is derived in yet another way.

use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::auth::{InvalidKey, read_secret};

/// The least that a secret may have, in bytes.
pub(crate) const MIN_SECRET: usize = 32;

/// A secret of at least 32 bytes that all replicas have, and nobody else.
#[derive(Clone)]
pub struct SharedKey([u8; 32]);

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(…)")
    }
}

impl SharedKey {
    /// A key that nobody else has, and that is gone with the process.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Makes the key of a secret of at least 32 bytes.
    ///
    /// # Errors
    ///
    /// When the secret is shorter.
    pub fn derive(secret: &[u8]) -> Result<Self, InvalidKey> {
        InvalidKey::unless_long(secret)?;
        Ok(Self(derived("ingress-http shared key", secret)))
    }

    /// The same, of what is in a file; white space around it doesn't count.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or has fewer than 32 bytes.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, InvalidKey> {
        read_secret(path.as_ref(), Self::derive)
    }

    /// The key for one purpose.
    pub(crate) fn of(&self, purpose: &str) -> [u8; 32] {
        derived(purpose, &self.0)
    }

    /// What seals things for one purpose.
    pub(crate) fn mac(&self, purpose: &str) -> Mac {
        Mac(derived(purpose, &self.of("seals")))
    }
}

/// Seals what is shown to others, and given back by them: HMAC-SHA256 (RFC 2104).
pub(crate) struct Mac([u8; 32]);

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac(…)")
    }
}

impl Mac {
    /// The seal of some parts, each with its length.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.padded(0x36);
        for part in parts {
            inner.update((part.len() as u64).to_be_bytes());
            inner.update(part);
        }
        let mut outer = self.padded(0x5c);
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    /// Whether this is the seal of these parts; finding out takes as long whatever it is.
    pub(crate) fn is_of(&self, seal: &[u8], parts: &[&[u8]]) -> bool {
        let ours = self.of(parts);
        let differs = ours.iter().zip(seal).fold(0, |differs, (one, other)| differs | (one ^ other));
        seal.len() == ours.len() && differs == 0
    }

    fn padded(&self, with: u8) -> Sha256 {
        let mut hash = Sha256::new();
        hash.update(self.0.map(|byte| byte ^ with));
        hash.update([with; 32]);
        hash
    }
}

/// What is derived is never shown to anybody, so that a hash is enough, without HMAC's guard against making it longer.
fn derived(purpose: &str, secret: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [purpose.as_bytes(), secret] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_a_key_of_its_own_that_all_replicas_have() {
        let secret = [7; MIN_SECRET];
        let (one, other) = (SharedKey::derive(&secret).unwrap(), SharedKey::derive(&secret).unwrap());
        assert_eq!(one.of("a"), other.of("a"));
        assert_ne!(one.of("a"), one.of("b"));
        assert_ne!(one.of("a"), SharedKey::derive(&[8; MIN_SECRET]).unwrap().of("a"));
        assert_ne!(SharedKey::random().of("a"), SharedKey::random().of("a"));
        assert!(SharedKey::derive(&secret[1..]).is_err());
        assert!(!format!("{one:?}").contains('7'));
    }

    #[test]
    fn a_seal_is_the_hmac_that_everybody_knows() {
        let mac = Mac([7; 32]);
        let hex: String = mac.of(&[b"hi"]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "3e3dcb6fc6085a7487558d100acb2be51595c49271fedaaca2a0a74c8f7ef0e6");
        assert!(mac.is_of(&mac.of(&[b"a", b"b"]), &[b"a", b"b"]));
        assert!(!mac.is_of(&mac.of(&[b"a", b"b"]), &[b"ab"]));
        assert!(!mac.is_of(b"", &[b"hi"]) && !mac.is_of(&mac.of(&[b"hi"])[..31], &[b"hi"]));
    }

    #[test]
    fn a_file_is_read_as_it_is_for_cookies() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, format!("{}\n", "x".repeat(32))).unwrap();
        assert_eq!(SharedKey::read(&file).unwrap().of("a"), SharedKey::derive(&[b'x'; 32]).unwrap().of("a"));
        let error = SharedKey::read(folder.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none: "), "{error}");
    }
}
