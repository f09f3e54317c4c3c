use super::*;
use crate::Kind;

const TOKEN: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
const KEY: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

fn one_record<K: Kind>(json: &str) -> K {
    let record = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
    assert_eq!(K::restore(&record.stored()).unwrap(), record);
    record
}

#[test]
fn a_request_says_for_which_certificate_it_is_and_how_far_it_came() {
    let json = r#"{"apiVersion":"cert-manager.io/v1","kind":"CertificateRequest","metadata":{"name":"shop-2","namespace":"shop",
        "labels":{"app":"shop"},"annotations":{"cert-manager.io/certificate-name":"shop","cert-manager.io/certificate-revision":"2",
          "cert-manager.io/private-key-secret-name":"shop-x7k2p"},
        "ownerReferences":[{"apiVersion":"cert-manager.io/v1","kind":"Certificate","name":"shop","uid":"u","controller":true}]},
        "spec":{"request":"bm90IGtlcHQ=","issuerRef":{"name":"letsencrypt"}},
        "status":{"certificate":"bm90IGtlcHQ=","conditions":[{"type":"Approved","status":"True","reason":"cert-manager.io"},
          {"type":"Ready","status":"False","reason":"Pending","message":"Waiting on order","lastTransitionTime":null}]}}"#;
    let record: CertificateRequest = one_record(json);
    assert_eq!((record.certificate(), record.revision()), (Some("shop"), 2));
    assert_eq!(record.condition("Ready").map(|ready| ready.reason.as_str()), Some("Pending"));
    let stored = record.stored();
    assert!(!stored.contains("bm90IGtlcHQ=") && !stored.contains("x7k2p"), "{stored}");

    let annotated = r#"{"metadata":{"name":"r","annotations":{"cert-manager.io/certificate-name":"shop"}},"status":null}"#;
    let record: CertificateRequest = one_record(annotated);
    assert_eq!((record.certificate(), record.revision()), (Some("shop"), 0), "its owner was lost");
    let other = r#"{"metadata":{"name":"r","ownerReferences":[{"apiVersion":"x.io/v1","kind":"Certificate","name":"shop"}]}}"#;
    assert_eq!(one_record::<CertificateRequest>(other).certificate(), None, "of another group");
}

#[test]
fn an_order_keeps_no_token() {
    let json = format!(
        r#"{{"metadata":{{"name":"shop-2-1","namespace":"shop","annotations":{{"a":"b"}},
            "ownerReferences":[{{"apiVersion":"cert-manager.io/v1","kind":"CertificateRequest","name":"shop-2","controller":true}}]}},
            "status":{{"state":"invalid","reason":"Failed: http://shop.example.com/.well-known/acme-challenge/{TOKEN}: 404",
              "authorizations":[{{"identifier":"shop.example.com","challenges":[{{"token":"{TOKEN}","type":"http-01"}}]}}]}}}}"#
    );
    let record: Order = one_record(&json);
    assert_eq!(record.request(), Some("shop-2"));
    assert_eq!(record.status.reason, "Failed: http://shop.example.com/.well-known/acme-challenge/[…]: 404");
    assert!(!record.stored().contains(TOKEN));
}

#[test]
fn a_challenge_keeps_neither_token_nor_key() {
    let challenge = |reason: &str| -> Challenge {
        let json = format!(
            r#"{{"metadata":{{"name":"shop-2-1-3","namespace":"shop","finalizers":["finalizer.acme.cert-manager.io"],
                "ownerReferences":[{{"apiVersion":"acme.cert-manager.io/v1","kind":"Order","name":"shop-2-1","controller":true}}]}},
                "spec":{{"dnsName":"shop.example.com","type":"HTTP-01","token":"{TOKEN}","key":"{KEY}","wildcard":false,
                  "url":"https://acme.example/chall/1","solver":{{"http01":{{"ingress":{{}}}}}}}},
                "status":{{"processing":true,"presented":true,"state":"pending","reason":{}}}}}"#,
            serde_json::Value::from(reason)
        );
        let record: Challenge = one_record(&json);
        let told = format!("{record:?} {}", record.stored());
        assert!(!told.contains(TOKEN) && !told.contains("9jg46WB3rR"), "{told}");
        record
    };
    let record = challenge(&format!(
        "did not get expected response when querying endpoint, expected {KEY:?} but got: nothing"
    ));
    assert_eq!((record.order(), record.spec.dns_name.as_str()), (Some("shop-2-1"), "shop.example.com"));
    assert_eq!(
        record.status.reason,
        "did not get expected response when querying endpoint, expected \"[…]\" but got: nothing"
    );
    let record = challenge(&format!("Get \"http://a/.well-known/acme-challenge/{TOKEN}\": no such host"));
    assert_eq!(record.status.reason, "Get \"http://a/.well-known/acme-challenge/[…]\": no such host");
    assert_eq!(challenge("").status.reason, "");
    let long = challenge(&format!("\u{1b}[31mbad\n{}é", "x".repeat(600)));
    assert!(long.status.reason.len() <= crate::kind::MESSAGE_BYTES, "{}", long.status.reason.len());
    assert!(long.status.reason.starts_with("[31mbad x"), "{}", long.status.reason);
}

#[test]
fn tokens_of_others_are_taken_out_as_well() {
    let mut text = format!("{WELL_KNOWN}a-B_9/x {WELL_KNOWN} {WELL_KNOWN}{TOKEN}");
    without_tokens(&mut text);
    assert_eq!(text, format!("{WELL_KNOWN}[…]/x {WELL_KNOWN} {WELL_KNOWN}[…]"));
}
