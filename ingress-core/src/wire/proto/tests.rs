use super::*;
use crate::kind::NamespaceRecord;
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Object {
    #[prost(message, tag = 1)]
    metadata: Option<Meta>,
}

#[derive(Clone, PartialEq, Message)]
struct Meta {
    #[prost(string, tag = 1)]
    name: String,
    #[prost(string, tag = 6)]
    resource_version: String,
    #[prost(message, repeated, tag = 12)]
    annotations: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = 1)]
    key: String,
    #[prost(string, tag = 2)]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, tag = 1)]
    metadata: Option<ListMeta>,
    #[prost(message, repeated, tag = 2)]
    items: Vec<Object>,
}

#[derive(Clone, PartialEq, Message)]
struct ListMeta {
    #[prost(string, tag = 2)]
    resource_version: String,
    #[prost(string, tag = 3)]
    next: String,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = 3)]
    message: String,
    #[prost(message, tag = 5)]
    details: Option<Details>,
    #[prost(int32, tag = 6)]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(int32, tag = 5)]
    retry_after_seconds: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(bytes = "vec", tag = 2)]
    raw: Vec<u8>,
    #[prost(string, tag = 3)]
    content_encoding: String,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(string, tag = 1)]
    verb: String,
    #[prost(message, tag = 2)]
    object: Option<Raw>,
}

#[derive(Clone, PartialEq, Message)]
struct Raw {
    #[prost(bytes = "vec", tag = 1)]
    raw: Vec<u8>,
}

fn object(name: &str, revision: &str) -> Object {
    let metadata = Meta { name: name.into(), resource_version: revision.into(), annotations: vec![] };
    Object { metadata: Some(metadata) }
}

fn enveloped(message: &impl Message) -> Vec<u8> {
    let unknown = Unknown { raw: message.encode_to_vec(), ..Unknown::default() };
    [MAGIC, &unknown.encode_to_vec()].concat()
}

fn event(verb: &str, message: &impl Message) -> Result<WatchEvent<NamespaceRecord>, SourceError> {
    let object = Some(Raw { raw: enveloped(message) });
    decode_event(&Event { verb: verb.into(), object }.encode_to_vec())
}

#[test]
fn every_verb_is_understood() {
    let WatchEvent::Applied(added) = event("ADDED", &object("shop", "7")).unwrap() else { panic!("applied") };
    assert_eq!((added.name(), added.resource_version()), ("shop", "7"));
    assert!(matches!(event("MODIFIED", &object("shop", "7")), Ok(WatchEvent::Applied(_))));
    let gone = Tombstone::new(None, "shop", Revision::new("7"));
    assert_eq!(event("DELETED", &object("shop", "7")).unwrap(), WatchEvent::Deleted(gone));
    assert_eq!(event("BOOKMARK", &object("", "7")).unwrap(), WatchEvent::Bookmark(Revision::new("7")));
    let mut end = object("", "7");
    let annotation = Entry { key: INITIAL_EVENTS_END.into(), value: "true".into() };
    end.metadata.as_mut().unwrap().annotations.push(annotation);
    assert_eq!(event("BOOKMARK", &end).unwrap(), WatchEvent::Synced(Revision::new("7")));
    assert_eq!(event("HELLO", &end).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(event("ADDED", &object("", "7")).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(event("DELETED", &object("x", "")).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(event("DELETED", &object("", "7")).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn errors_are_those_they_say_in_a_stream_and_as_a_body() {
    let details = Some(Details { retry_after_seconds: 5 });
    let slow = Status { message: "slow down".into(), details, code: 429 };
    let error = event("ERROR", &slow).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::TooManyRequests, "slow down"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    let details = Some(Details { retry_after_seconds: -1 });
    assert_eq!(event("ERROR", &Status { details, ..slow.clone() }).unwrap_err().retry_after(), None);
    let expired = Status { code: 410, ..Status::default() };
    assert_eq!(event("ERROR", &expired).unwrap_err().kind(), ErrorKind::Expired);
    let body = crate::wire::json::decode_status(&enveloped(&slow), Some(429));
    assert_eq!((body.kind(), body.message()), (ErrorKind::TooManyRequests, "slow down"));
}

#[test]
fn lists_give_items_revision_and_the_next_page() {
    let metadata = Some(ListMeta { resource_version: "9".into(), next: "t".into() });
    let list = List { metadata, items: vec![object("a", "1"), object("b", "")] };
    let page: Page<NamespaceRecord> = decode_list(&enveloped(&list)).unwrap();
    let names: Vec<&str> = page.items.iter().map(Kind::name).collect();
    assert_eq!(
        (names, page.revision.as_str(), page.continue_token.as_deref()),
        (vec!["a", "b"], "9", Some("t"))
    );
    let unnamed = List { items: vec![object("", "1")], ..list.clone() };
    let unmarked = List { metadata: None, ..list.clone() };
    for bad in [&enveloped(&unnamed)[..], &enveloped(&unmarked), b"{}", b"k8s\0\x12\x7f", b"k8s\0\xff", b""] {
        let error = decode_list::<NamespaceRecord>(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().starts_with("Namespace: list"), "{error}");
    }
    let encoded = Unknown { raw: list.encode_to_vec(), content_encoding: "zstd".into() };
    assert!(decode_list::<NamespaceRecord>(&[MAGIC, &encoded.encode_to_vec()].concat()).is_err());
}

#[test]
fn errors_name_the_place() {
    let mut body = enveloped(&List { metadata: None, items: vec![object("abc", "1")] });
    let at = body.windows(3).position(|window| window == b"abc").unwrap();
    body[at] = 0xff;
    let error = decode_list::<NamespaceRecord>(&body).unwrap_err();
    assert!(error.message().contains("not UTF-8 at byte"), "{error}");
    let offset: usize = error.message().rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(offset, at);
}

proptest! {
    /// However a stream is cut into chunks, the frames are those of the whole.
    #[test]
    fn chunk_boundaries_do_not_matter(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..12),
        rest in proptest::collection::vec(any::<u8>(), 0..3),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
    ) {
        let mut text: Vec<u8> = Vec::new();
        for frame in &frames {
            text.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            text.extend(frame);
        }
        text.extend(&rest);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut seen = Vec::new();
        let mut cutter = Frames::new(40);
        let mut begin = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            cutter.feed(&text[begin..cut], |frame| { seen.push(frame.to_vec()); Ok(()) }).unwrap();
            begin = cut;
        }
        prop_assert_eq!(seen, frames);
        prop_assert_eq!(cutter.is_truncated(), !rest.is_empty());
    }

    #[test]
    fn nonsense_is_a_typed_error(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Err(error) = decode_event::<NamespaceRecord>(&bytes) {
            prop_assert_eq!(error.kind(), ErrorKind::Malformed);
        }
        prop_assert_eq!(decode_list::<NamespaceRecord>(&bytes).unwrap_err().kind(), ErrorKind::Malformed);
        let mut enveloped = MAGIC.to_vec();
        enveloped.extend(&bytes);
        if let Err(error) = decode_list::<NamespaceRecord>(&enveloped) {
            prop_assert_eq!(error.kind(), ErrorKind::Malformed);
        }
    }
}

#[test]
fn a_frame_above_the_bound_is_malformed_however_it_comes() {
    for chunks in
        [vec![&[0, 0, 0, 5][..]], vec![&[0, 0][..], &[0, 5]], vec![&[0xff, 0xff, 0xff, 0xff, 1][..]]]
    {
        let mut frames = Frames::new(4);
        let result = chunks.iter().try_for_each(|chunk| frames.feed(chunk, |_| Ok(())));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Malformed, "{chunks:?}");
    }
}
