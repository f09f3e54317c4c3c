//! The keys and certificates of one cluster, made anew for every test.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::lab::Lab;

/// Paths of the files that the API server and its clients are given.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pki {
    /// The authority that signs everything here.
    pub ca: PathBuf,
    /// The API server's certificate for `127.0.0.1` and `localhost`.
    pub serving_certificate: PathBuf,
    /// Its key.
    pub serving_key: PathBuf,
    /// A client certificate of `e2e-admin` in the group `system:masters`, which RBAC cannot limit.
    pub admin_certificate: PathBuf,
    /// Its key.
    pub admin_key: PathBuf,
    /// What checks service account tokens.
    pub accounts_public: PathBuf,
    /// What signs service account tokens.
    pub accounts_key: PathBuf,
}

/// The user of [`Pki::admin_certificate`], as the audit log names it.
pub const ADMIN: &str = "e2e-admin";

impl Pki {
    /// Makes all keys and writes them into the lab.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn create(lab: &Lab) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("e2e-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().context("making the authority's key")?;
        let ca = params.self_signed(&key).context("signing the authority")?.pem();
        let issuer = Issuer::new(params, key);

        let mut serving = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        serving.distinguished_name = name("kube-apiserver", None);
        serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (serving_certificate, serving_key) = signed(&serving, &issuer)?;

        let mut admin = CertificateParams::default();
        admin.distinguished_name = name(ADMIN, Some("system:masters"));
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (admin_certificate, admin_key) = signed(&admin, &issuer)?;

        let accounts = KeyPair::generate().context("making the service account key")?;
        Ok(Self {
            ca: lab.write("ca.crt", &ca)?,
            serving_certificate: lab.write("apiserver.crt", &serving_certificate)?,
            serving_key: lab.write("apiserver.key", &serving_key)?,
            admin_certificate: lab.write("admin.crt", &admin_certificate)?,
            admin_key: lab.write("admin.key", &admin_key)?,
            accounts_public: lab.write("service-accounts.pub", &accounts.public_key_pem())?,
            accounts_key: lab.write("service-accounts.key", &accounts.serialize_pem())?,
        })
    }
}

fn name(common: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    name
}

fn signed(params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String)> {
    let key = KeyPair::generate().context("making a key")?;
    let certificate = params.signed_by(&key, issuer).context("signing a certificate")?;
    Ok((certificate.pem(), key.serialize_pem()))
}
