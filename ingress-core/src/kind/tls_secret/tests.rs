use std::collections::BTreeMap;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd,
};

use super::*;
use crate::clock::Timestamp;

/// `core.v1.Secret` in protobuf, as far as it is of interest here, in no order.
#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(message, required, tag = "1")]
    metadata: Metadata,
    #[prost(btree_map = "string, bytes", tag = "2")]
    data: BTreeMap<String, Vec<u8>>,
    #[prost(string, tag = "3")]
    r#type: String,
}

fn metadata() -> Metadata {
    let mut metadata = Metadata {
        name: "shop-tls".into(),
        namespace: "shop".into(),
        uid: "u".into(),
        resource_version: "7".into(),
        creation_timestamp: Some(Time { seconds: 1_767_225_600, nanos: 0 }),
        finalizers: vec!["hold".into()],
        ..Metadata::default()
    };
    metadata.labels.insert("app".into(), "shop".into());
    metadata.annotations.insert("cert-manager.io/issuer-name".into(), "letsencrypt".into());
    metadata
        .owner_references
        .push(OwnerReference { kind: "Certificate".into(), ..OwnerReference::default() });
    metadata
}

/// The record of a secret with this data, which both forms of it and its stored form give.
fn secret(data: &[(&str, &[u8])], annotations: &[(&str, &str)]) -> TlsSecret {
    let mut metadata = metadata();
    for (key, value) in annotations {
        metadata.annotations.insert((*key).to_owned(), (*value).to_owned());
    }
    let encoded: BTreeMap<_, _> = data.iter().map(|(key, value)| (*key, STANDARD.encode(value))).collect();
    let json =
        serde_json::json!({"metadata": metadata, "type": "kubernetes.io/tls", "data": encoded}).to_string();
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
    let message = Message { metadata, data, r#type: "kubernetes.io/tls".into() };
    let record = TlsSecret::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap();
    let protobuf = prost::Message::encode_to_vec(&message);
    assert_eq!(TlsSecret::decode_protobuf(&protobuf).unwrap(), record);
    assert_eq!(TlsSecret::restore(&record.stored()).unwrap(), record);
    record
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned(), "*.example.com".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names.push(SanType::IpAddress("10.0.0.1".parse().unwrap()));
    params.subject_alt_names.push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 4, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

/// A chain of two certificates, and the key of the first.
fn chain() -> (String, KeyPair) {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Test CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.not_after = date_time_ymd(9999, 12, 31);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params("shop.example.com").signed_by(&key, &ca).unwrap();
    (format!("# shop\n{}{}", own.pem(), ca.pem()), key)
}

#[test]
fn what_certificates_say_is_kept() {
    let (pem, key) = chain();
    let record = secret(&[("tls.key", key.serialize_pem().as_bytes()), (TLS_CRT, pem.as_bytes())], &[]);
    assert_eq!((record.problem.as_deref(), record.keys.join(" ")), (None, "tls.crt tls.key".to_owned()));
    assert_eq!(record.metadata, metadata());
    let [own, ca] = record.certificates.as_slice() else { panic!("there are two") };
    assert_eq!(record.certificate(), Some(own));
    assert_eq!(own.dns_names, ["shop.example.com", "*.example.com"]);
    assert_eq!(own.ip_addresses, ["10.0.0.1", "2001:db8::1"]);
    assert_eq!(own.not_before.to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(own.not_after.to_string(), "2026-04-01T00:00:00Z");
    assert!(own.subject.contains("CN=shop.example.com"), "{}", own.subject);
    assert_eq!(own.issuer, ca.subject);
    assert_eq!((own.key_algorithm.as_str(), own.key_bits, own.is_ca), ("EC", 256, false));
    assert_eq!(own.signature_algorithm, "ecdsa-with-SHA256");
    assert_eq!(own.authority_key_id, ca.subject_key_id);
    assert_eq!((own.sha256.len(), own.serial.is_empty(), ca.is_ca), (64, false, true));
    assert_eq!(ca.not_after, Timestamp::MAX.into(), "no end");
}

/// Runs of a key's text, of which none may be anywhere.
fn pieces(key: &str) -> Vec<String> {
    let text: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let encoded = STANDARD.encode(key);
    let runs = |text: &str| {
        text.as_bytes().chunks(12).map(|run| String::from_utf8_lossy(run).into_owned()).collect()
    };
    let (plain, encoded): (Vec<String>, Vec<String>) = (runs(&text), runs(&encoded));
    plain.into_iter().chain(encoded).filter(|run| run.len() == 12).collect()
}

#[test]
fn nothing_of_a_private_key_is_kept() {
    let (pem, key) = chain();
    let key = key.serialize_pem();
    // Where keys turn up: as the key, under other names, in an applied copy, in another annotation, beside the certificate.
    let both = format!("{key}{pem}{key}");
    let data = [("tls.key", key.as_bytes()), ("backup", key.as_bytes()), (TLS_CRT, both.as_bytes())];
    let annotations = [
        (super::super::LAST_APPLIED, key.as_str()),
        ("example.com/copy", key.as_str()),
        ("reflector.example.com/data", &STANDARD.encode(&key)),
    ];
    let record = secret(&data, &annotations);
    assert_eq!((record.certificates.len(), record.problem.as_deref()), (2, None));
    let shown =
        format!("{record:?} {record:#?} {} {}", record.stored(), serde_json::to_string(&record).unwrap());
    for piece in pieces(&key) {
        assert!(!shown.contains(&piece));
    }
    assert_eq!(record.metadata.annotations.len(), 1);
}

#[test]
fn what_is_wrong_is_said_without_quoting_it() {
    let (pem, key) = chain();
    let key = key.serialize_pem();
    let of = |pem: &[u8]| secret(&[(TLS_CRT, pem)], &[]);
    let problem = |pem: &[u8]| of(pem).problem.unwrap();
    assert_eq!(problem(b""), "tls.crt holds no certificate");
    assert_eq!(problem(key.as_bytes()), "tls.crt holds no certificate");
    assert_eq!(problem(b"\xff\xfe\0"), "tls.crt holds no certificate");
    assert_eq!(problem(pem.get(..300).unwrap().as_bytes()), "certificate 1 of tls.crt ends early");
    assert_eq!(
        problem(b"-----BEGIN CERTIFICATE-----\ns3cret!\n-----END CERTIFICATE-----"),
        "certificate 1 of tls.crt is not base64"
    );
    assert_eq!(
        problem(b"-----BEGIN CERTIFICATE-----\nczNjcmV0\n-----END CERTIFICATE-----"),
        "certificate 1 of tls.crt can't be read"
    );
    let half = of(format!("{pem}-----BEGIN CERTIFICATE-----\n{key}").as_bytes());
    assert_eq!(half.problem.unwrap(), "certificate 3 of tls.crt ends early");
    assert_eq!(half.certificates.len(), 2);
    assert_eq!(secret(&[("tls.key", key.as_bytes())], &[]).problem.unwrap(), "there is no tls.crt");
    let many = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".repeat(CHAIN + 1);
    assert!(of(many.as_bytes()).problem.is_some());
}

#[test]
fn manifests_may_have_their_certificate_as_it_is() {
    let decode = |json: &str| TlsSecret::decode_json(&mut serde_json::Deserializer::from_str(json));
    let (pem, _) = chain();
    let json = serde_json::json!({"metadata": {"name": "x"}, "stringData": {TLS_CRT: pem}}).to_string();
    assert_eq!(decode(&json).unwrap().certificates.len(), 2);
    let mut broken: String = STANDARD.encode(&pem);
    broken.insert(64, '\n');
    let json = serde_json::json!({"metadata": {"name": "x"}, "data": {TLS_CRT: broken}}).to_string();
    assert_eq!(decode(&json).unwrap().certificates.len(), 2);
    let bare = decode(r#"{"metadata":{"name":"x","annotations":null},"type":null,"data":null}"#).unwrap();
    assert_eq!((bare.keys.len(), bare.problem.as_deref()), (0, Some("there is no tls.crt")));
    let not_base64 = decode(r#"{"metadata":{"name":"x"},"data":{"tls.crt":"%%%"}}"#).unwrap();
    assert_eq!(not_base64.problem.as_deref(), Some("tls.crt is not base64"));
    for wrong in
        [r#"{"data":"s3cret"}"#, r#"{"metadata":{"annotations":"s3cret"}}"#, r#"{"data":["s3cret"]}"#]
    {
        assert!(!decode(wrong).unwrap_err().to_string().contains("s3cret"));
    }
}

proptest! {
    #[test]
    fn garbage_is_no_certificate_and_no_panic(bytes: Vec<u8>, at in 0_usize..2000, byte: u8) {
        let block = |der: &[u8]| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
        Chain::read(&bytes);
        prop_assert!(Chain::read(block(&bytes).as_bytes()).certificates.is_empty());
        // One byte of a good one that is another: whatever it says then, it is said without a panic.
        thread_local!(static GOOD: Vec<u8> = {
            let key = KeyPair::generate().unwrap();
            params("shop.example.com").self_signed(&key).unwrap().der().to_vec()
        });
        let mut der = GOOD.with(Clone::clone);
        if let Some(there) = der.get_mut(at) {
            *there = byte;
        }
        Chain::read(block(&der).as_bytes());
        TlsSecret::decode_protobuf(&bytes).ok();
    }
}
