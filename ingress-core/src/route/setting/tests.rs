use super::*;

#[test]
fn a_fact_has_its_name_in_json() {
    let facts = [
        Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/v2".into())) },
        Fact::TlsRedirect { on: true, status: Some(308), port: None },
        Fact::MaxBodySize { bytes: None },
        Fact::Timeout { of: TimeoutOf::BackendRequest, milliseconds: Some(2000) },
        Fact::BackendProtocol { protocol: Protocol::H2c },
        Fact::RegularExpressions { on: true },
        Fact::Unparsable { expected: "a number".into() },
    ];
    for fact in facts {
        let json = serde_json::to_value(&fact).unwrap();
        assert_eq!(json["name"], fact.name(), "{json}");
    }
    let rewrite = Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/v2".into())) };
    assert_eq!(
        serde_json::to_string(&rewrite).unwrap(),
        r#"{"name":"rewrite","host":null,"path":{"change":"prefix","to":"/v2"}}"#
    );
}
