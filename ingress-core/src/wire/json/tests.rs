use super::*;
use crate::kind::{Ingress, NamespaceRecord};
use proptest::prelude::*;

fn lines(chunks: &[&[u8]], max: usize) -> Result<(Vec<Vec<u8>>, bool), SourceError> {
    let mut lines = Lines::new(max);
    let mut seen = Vec::new();
    for chunk in chunks {
        lines.feed(chunk, |line| {
            seen.push(line.to_vec());
            Ok(())
        })?;
    }
    Ok((seen, lines.is_truncated()))
}

proptest! {
    /// However a stream is cut into chunks, the lines are those of the whole.
    #[test]
    fn chunk_boundaries_do_not_matter(
        text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
        cuts in proptest::collection::vec(0..200_usize, 0..20),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut begin = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            chunks.push(&text[begin..cut]);
            begin = cut;
        }
        let (seen, truncated) = lines(&chunks, 1000).unwrap();
        let mut expected: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let rest = expected.pop().unwrap();
        expected.retain(|line| !line.is_empty());
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(truncated, !rest.is_empty());
    }

    /// Whatever comes, decoding answers with a value or a typed error that quotes nothing of it.
    #[test]
    fn nonsense_is_a_typed_error(line in ".{0,60}") {
        match decode_event::<Ingress>(line.as_bytes()) {
            Ok(_) => prop_assert!(line.contains("metadata")),
            Err(error) => prop_assert!(error.message().len() < 200),
        }
        let error = decode_list::<Ingress>(line.as_bytes()).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

#[test]
fn a_line_above_the_bound_is_malformed_however_it_comes() {
    for chunks in [vec![&b"12345\n"[..]], vec![&b"123"[..], b"45\n"], vec![&b"123"[..], b"45"]] {
        assert_eq!(lines(&chunks, 4).unwrap_err().kind(), ErrorKind::Malformed, "{chunks:?}");
        assert!(lines(&chunks, 5).is_ok(), "{chunks:?}");
    }
}

const OBJECT: &str = r#"{"kind":"Namespace","metadata":{"name":"shop","resourceVersion":"7","uid":"u"}}"#;

fn event(verb: &str, object: &str) -> Result<WatchEvent<NamespaceRecord>, SourceError> {
    let quick = decode_event(format!(r#"{{"type":"{verb}","object":{object}}}"#).as_bytes());
    let spaced = decode_event(format!(r#" {{ "object" : {object} , "type" : "{verb}" }} "#).as_bytes());
    match (&quick, &spaced) {
        (Ok(quick), Ok(spaced)) => assert_eq!(quick, spaced),
        (Err(quick), Err(spaced)) => assert_eq!(quick.kind(), spaced.kind()),
        _ => panic!("{quick:?} but {spaced:?}"),
    }
    quick
}

#[test]
fn every_verb_is_understood_in_either_order() {
    let WatchEvent::Applied(added) = event("ADDED", OBJECT).unwrap() else { panic!("applied") };
    assert_eq!(added.name(), "shop");
    assert!(matches!(event("MODIFIED", OBJECT), Ok(WatchEvent::Applied(_))));
    let gone = Tombstone::new(None, "shop", Revision::new("7"));
    assert_eq!(event("DELETED", OBJECT).unwrap(), WatchEvent::Deleted(gone));
    assert_eq!(event("BOOKMARK", OBJECT).unwrap(), WatchEvent::Bookmark(Revision::new("7")));
    assert_eq!(event("HELLO", OBJECT).unwrap_err().kind(), ErrorKind::Malformed);
    let more = format!(r#"{{"type":"ADDED","object":{OBJECT},"more":1}}"#);
    let escaped = format!(r#"{{"type":"ADD\u0045D","object":{OBJECT}}}"#);
    for line in [more, escaped] {
        assert_eq!(decode_event(line.as_bytes()).unwrap(), WatchEvent::Applied(added.clone()), "{line}");
    }
}

#[test]
fn a_deletion_without_a_name_is_malformed() {
    let error = event("DELETED", r#"{"metadata":{"resourceVersion":"7"}}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let error = event("DELETED", r#"{"metadata":{"resourceVersion":"7","name":null}}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn an_error_event_is_the_error_it_says() {
    let error = |status: &str| event("ERROR", status).unwrap_err();
    let expired = error(r#"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#);
    assert_eq!((expired.kind(), expired.message()), (ErrorKind::Expired, "too old"));
    assert_eq!(error(r#"{"code":500,"message":"etcd"}"#).kind(), ErrorKind::ServerError);
    assert_eq!(error("{}").kind(), ErrorKind::ServerError);
    for odd in [r#"{"code":410,"message":null}"#, r#"{"code":410,"details":{"retryAfterSeconds":-1}}"#] {
        let error = error(odd);
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Expired, None), "{odd}");
    }
    let slow = error(r#"{"code":429,"details":{"retryAfterSeconds":5}}"#);
    assert_eq!((slow.kind(), slow.retry_after()), (ErrorKind::TooManyRequests, Some(Duration::from_secs(5))));
}

#[test]
fn a_status_without_a_body_still_has_its_kind() {
    let error = decode_status(b"<html>Bad gateway</html>", Some(502));
    assert_eq!((error.kind(), error.message()), (ErrorKind::ServerError, "the API server answered 502"));
    let forbidden = decode_status(br#"{"code":403,"message":"user x cannot list"}"#, Some(403));
    assert_eq!((forbidden.kind(), forbidden.message()), (ErrorKind::Forbidden, "user x cannot list"));
}

#[test]
fn errors_name_kind_and_place_and_quote_nothing() {
    let message = |object: &str| event("ADDED", object).unwrap_err().message().to_owned();
    let typed = message(r#"{"metadata":{"name":["s3cret"]}}"#);
    assert!(typed.starts_with("Namespace: object has a field of another type"), "{typed}");
    assert!(typed.contains("line 1, column ") && !typed.contains("s3cret"), "{typed}");
    assert!(message(r#"{"metadata":{"name":"x"}}"#).contains("without metadata.name or resourceVersion"));
    let cut = decode_event::<NamespaceRecord>(br#"{"type":"ADDED","object":{"metadata":{"na}"#).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::Malformed);
    assert!(decode_event::<NamespaceRecord>(br#"{"type":"ADDED","object":{}x}"#).is_err());
}

#[test]
fn lists_give_items_revision_and_the_next_page() {
    let page: Page<NamespaceRecord> = decode_list(
        format!(r#"{{"kind":"NamespaceList","metadata":{{"resourceVersion":"9","continue":"t0"}},"items":[{OBJECT}]}}"#)
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!((page.revision.as_str(), page.continue_token.as_deref()), ("9", Some("t0")));
    let last: Page<NamespaceRecord> =
        decode_list(br#"{"items":null,"metadata":{"resourceVersion":"9","continue":""}}"#).unwrap();
    assert!(last.items.is_empty() && last.continue_token.is_none());
    for bad in [
        r#"{"items":[]}"#,
        r#"{"metadata":{"resourceVersion":"9"},"items":[{}]}"#,
        r#"{"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"x"#,
        "[]",
    ] {
        let error = decode_list::<NamespaceRecord>(bad.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{bad}");
        assert!(error.message().starts_with("Namespace: list"), "{error}");
    }
}
