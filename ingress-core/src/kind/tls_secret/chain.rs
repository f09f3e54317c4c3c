//! The certificates in a PEM file, and what they say.
//!
//! Only blocks that are labelled `CERTIFICATE` are decoded, as a TLS server does; a private key that somebody put into the same file is
//! passed over with its line breaks.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::clock::Timestamp;
use crate::kind::Time;

/// How many certificates of one secret are read. Browsers give up at a tenth of it.
pub const CHAIN: usize = 32;

/// What a certificate says of itself. Whether it is to be trusted is another question.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TlsCertificate {
    /// For whom it is, as one line: `CN=shop.example.com, O=Shop`.
    pub subject: String,
    /// From whom it is.
    pub issuer: String,
    /// The host names that it is for, as written; `*.` at the beginning stands for one label.
    pub dns_names: Vec<String>,
    /// The IP addresses that it is for.
    pub ip_addresses: Vec<String>,
    /// From when on it is valid.
    pub not_before: Time,
    /// Until when it is valid.
    pub not_after: Time,
    /// The SHA-256 of the whole certificate, in hexadecimal.
    pub sha256: String,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// `RSA`, `EC`, `Ed25519`, or the identifier of another kind of key.
    pub key_algorithm: String,
    /// How many bits the key has; 0 where that is not known.
    pub key_bits: u32,
    /// How it is signed, such as `ecdsa-with-SHA256`, or the identifier of another way.
    pub signature_algorithm: String,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// The identifier of its own key, in hexadecimal; empty where it has none.
    pub subject_key_id: String,
    /// The identifier of the key that signed it, in hexadecimal; empty where it has none.
    pub authority_key_id: String,
}

/// The certificates that could be read, and the first thing that was wrong.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) certificates: Vec<TlsCertificate>,
    pub(super) problem: Option<String>,
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

impl Chain {
    pub(super) fn broken(problem: &str) -> Self {
        Self { certificates: Vec::new(), problem: Some(problem.to_owned()) }
    }

    /// Reads what a PEM file holds.
    pub(super) fn read(pem: &[u8]) -> Self {
        let mut chain = Self::default();
        let mut blocks = 0;
        // The text of the certificate whose block is being read.
        let mut open: Option<Vec<u8>> = None;
        for line in pem.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii) {
            if line == BEGIN {
                chain.note(open.is_some(), blocks, "ends early");
                blocks += 1;
                if blocks > CHAIN {
                    chain.problem.get_or_insert(format!("tls.crt holds more than {CHAIN} certificates"));
                    return chain;
                }
                open = Some(Vec::new());
            } else if line == END {
                if let Some(text) = open.take() {
                    match certificate(&text) {
                        Ok(certificate) => chain.certificates.push(certificate),
                        Err(what) => chain.note(true, blocks, what),
                    }
                }
            } else if line.starts_with(b"-----") {
                // Another block, such as a key: its text is not touched.
                chain.note(open.take().is_some(), blocks, "ends early");
            } else if let Some(text) = &mut open {
                text.extend_from_slice(line);
            }
        }
        chain.note(open.is_some(), blocks, "ends early");
        if blocks == 0 {
            chain.problem = Some("tls.crt holds no certificate".to_owned());
        }
        chain
    }

    fn note(&mut self, wrong: bool, number: usize, what: &str) {
        if wrong {
            self.problem.get_or_insert_with(|| format!("certificate {number} of tls.crt {what}"));
        }
    }
}

fn certificate(base64: &[u8]) -> Result<TlsCertificate, &'static str> {
    let der = STANDARD.decode(base64).map_err(|_| "is not base64")?;
    let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| "can't be read")?;
    if !rest.is_empty() {
        return Err("is followed by something else");
    }
    let (key_algorithm, key_bits) = key(parsed.public_key());
    let mut certificate = TlsCertificate {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        not_before: time(parsed.validity().not_before),
        not_after: time(parsed.validity().not_after),
        sha256: hex(&Sha256::digest(&der)),
        serial: hex(parsed.raw_serial()),
        key_algorithm,
        key_bits,
        signature_algorithm: name(&parsed.signature_algorithm.algorithm),
        is_ca: parsed.is_ca(),
        ..TlsCertificate::default()
    };
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                names.general_names.iter().for_each(|name| certificate.add_name(name));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => certificate.subject_key_id = hex(id.0),
            ParsedExtension::AuthorityKeyIdentifier(authority) => {
                certificate.authority_key_id =
                    authority.key_identifier.as_ref().map(|id| hex(id.0)).unwrap_or_default();
            }
            _ => {}
        }
    }
    Ok(certificate)
}

impl TlsCertificate {
    fn add_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
                let v6 = <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
                self.ip_addresses.extend(v4.or(v6).ok());
            }
            _ => {}
        }
    }
}

/// RFC 5280 writes "no end" as the last second of the year 9999, which is a little more than a [`Timestamp`] holds.
fn time(time: ASN1Time) -> Time {
    let seconds = time.timestamp();
    let end = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(end).into()
}

fn key(key: &SubjectPublicKeyInfo<'_>) -> (String, u32) {
    let algorithm = &key.algorithm.algorithm;
    let bits = |bits: usize| u32::try_from(bits).unwrap_or_default();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => ("RSA".to_owned(), bits(length(rsa.modulus))),
        Ok(PublicKey::EC(point)) => ("EC".to_owned(), bits(point.key_size())),
        _ => match algorithm.to_id_string().as_str() {
            "1.3.101.112" => ("Ed25519".to_owned(), 256),
            "1.3.101.113" => ("Ed448".to_owned(), 456),
            _ => (name(algorithm), 0),
        },
    }
}

/// How many bits a number has that is written in bytes.
fn length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    8 * (number.len() - zeros) - first
}

/// The usual name of an identifier, else the identifier.
fn name(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Text grows without fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}
