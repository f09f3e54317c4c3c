use super::*;
use crate::fleet::frame;

const EPOCH: u64 = 7;

/// A log as a naive model: each entry's number and the hash of all up to it.
#[derive(Clone, Default)]
struct Model {
    entries: Vec<(u64, u64)>,
    trimmed: u64,
}

impl Model {
    fn end(&self) -> (u64, u64) {
        self.entries.last().copied().unwrap_or((100, EPOCH))
    }

    fn append(&mut self, what: u64) {
        let (seq, chain) = self.end();
        self.entries.push((seq + 10, chain.wrapping_mul(31).wrapping_add(what)));
    }

    fn with(appends: impl IntoIterator<Item = u64>) -> Self {
        let mut model = Self { entries: Vec::new(), trimmed: 100 };
        appends.into_iter().for_each(|what| model.append(what));
        model
    }

    fn links(&self, after: u64) -> Option<Vec<Link>> {
        let before = std::iter::once(EPOCH).chain(self.entries.iter().map(|(_, chain)| *chain));
        let links = self.entries.iter().zip(before).filter(|((seq, _), _)| *seq > after.max(self.trimmed));
        Some(links.map(|(&(seq, after), before)| Link { before, after, entry: entry(seq) }).collect())
    }

    fn place(&self, at: usize) -> Place {
        let (seq, chain) = self.entries[at];
        Place { epoch: EPOCH, seq, chain }
    }

    fn check(&self, reader: &mut Reader) -> Found {
        let (seq, chain) = self.end();
        let end = End { place: Place { epoch: EPOCH, seq, chain }, trimmed: self.trimmed };
        reader.check(Some(&end), self.links(reader.seq))
    }

    fn read(&self, reader: &Reader) -> Found {
        reader.read(self.links(reader.seq))
    }
}

fn entry(last: u64) -> Entry {
    Entry { shard: "c#0".parse().unwrap(), term: 1, first: last - 2, last, data: Some(Bytes::from("x")) }
}

fn reader(seq: u64) -> Reader {
    Reader { epoch: EPOCH, seq, chain: None, anchors: BTreeMap::new() }
}

impl Found {
    fn seqs(self) -> Result<(Vec<u64>, Option<Reader>), Lost> {
        match self {
            Self::Entries(entries, reader) => {
                Ok((entries.into_iter().map(|entry| entry.last).collect(), Some(reader)))
            }
            Self::Nothing => Ok((Vec::new(), None)),
            Self::Lost(lost) => Err(lost),
        }
    }
}

#[test]
fn whoever_reads_from_the_beginning_reads_everything() {
    let mut log = Model::with([1, 2]);
    let (seqs, at) = log.check(&mut reader(100)).seqs().unwrap();
    assert_eq!(seqs, [110, 120]);
    let mut at = at.unwrap();
    log.append(3);
    let (seqs, next) = log.read(&at).seqs().unwrap();
    assert_eq!(seqs, [130]);
    at = next.unwrap();
    assert_eq!(log.check(&mut at).seqs().unwrap().0, [] as [u64; 0]);
}

#[test]
fn what_a_failover_took_back_is_noticed_wherever_the_log_goes() {
    let before = Model::with([1, 2, 3]);
    let mut at = before.check(&mut reader(100)).seqs().unwrap().1.unwrap();
    // Shorter, as long as before, and longer again: no number tells.
    let mut after = Model::with([1, 2]);
    assert_eq!(after.check(&mut at).seqs().unwrap_err(), Lost::TookBack);
    after.append(4);
    assert_eq!(after.check(&mut at).seqs().unwrap_err(), Lost::TookBack);
    after.append(5);
    assert_eq!(after.check(&mut at).seqs().unwrap_err(), Lost::TookBack);
    assert_eq!(after.read(&at).seqs().unwrap_err(), Lost::TookBack);
}

#[test]
fn a_reader_without_a_past_knows_by_its_anchors() {
    let old = Model::with([1, 2, 3]);
    let new = Model::with([1, 2, 4, 5]);
    for at in 0..3 {
        for anchor in at..3 {
            let mut reader = reader(old.place(at).seq);
            reader.anchor(old.place(anchor)).unwrap();
            assert!(old.check(&mut reader.clone()).seqs().is_ok());
            let found = new.check(&mut reader).seqs();
            assert_eq!(found.is_err(), anchor == 2, "from {at}, anchored at {anchor}");
        }
    }
    let mut reader = reader(110);
    reader.anchor(old.place(2)).unwrap();
    assert_eq!(reader.anchor(new.place(2)).unwrap_err(), Lost::TookBack);
    let other = Place { epoch: 8, ..old.place(1) };
    assert_eq!(reader.anchor(other).unwrap_err(), Lost::Epoch);
}

#[test]
fn what_was_trimmed_before_it_was_read_is_lost() {
    let mut log = Model::with([1, 2, 3, 4]);
    let at = log.check(&mut reader(100)).seqs().unwrap().1.unwrap();
    for what in 5..9 {
        log.append(what);
    }
    log.trimmed = 140;
    assert_eq!(log.check(&mut at.clone()).seqs().unwrap().0, [150, 160, 170, 180], "just in time");
    log.trimmed = 150;
    assert_eq!(log.check(&mut at.clone()).seqs().unwrap_err(), Lost::Trimmed);
    // Without meta, the chain tells.
    assert_eq!(log.read(&at).seqs().unwrap_err(), Lost::TookBack);
}

#[test]
fn an_evicted_stream_is_told_from_a_quiet_one() {
    let log = Model::with([1, 2]);
    let mut at = log.check(&mut reader(100)).seqs().unwrap().1.unwrap();
    let end = End { place: log.place(1), trimmed: 100 };
    assert!(matches!(at.check(Some(&end), Some(Vec::new())), Found::Nothing));
    assert!(matches!(reader(110).check(Some(&end), Some(Vec::new())), Found::Lost(Lost::Evicted)));
    assert!(matches!(at.check(None, Some(Vec::new())), Found::Lost(Lost::Epoch)));
    let other = End { place: Place { epoch: 9, ..log.place(1) }, trimmed: 100 };
    assert!(matches!(at.check(Some(&other), Some(Vec::new())), Found::Lost(Lost::Epoch)));
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn raw(id: &str, fields: &[(&str, &[u8])]) -> Value {
    let fields =
        fields.iter().flat_map(|(name, value)| [text(name), Value::BulkString(value.to_vec())]).collect();
    Value::Array(vec![text(id), Value::Array(fields)])
}

#[test]
fn entries_are_read_from_both_versions_of_the_protocol() {
    let frame = frame::seal(b"hello");
    let fields: [(&str, &[u8]); 7] = [
        ("s", b"c#0"),
        ("t", b"4"),
        ("f", b"18"),
        ("p", b"0000000000000001"),
        ("x", b"0000000000000002"),
        ("b", b"10"),
        ("d", &frame),
    ];
    let one = || Value::Array(vec![raw("20-0", &fields)]);
    let old = Value::Array(vec![Value::Array(vec![text("log"), one()])]);
    let new = Value::Map(vec![(text("log"), one())]);
    for answer in [old, new] {
        let links = entries_of_stream(answer).unwrap();
        let expected = Entry { term: 4, first: 18, data: Some(Bytes::from("hello")), ..entry(20) };
        assert_eq!((links[0].before, links[0].after, &links[0].entry), (1, 2, &expected));
        assert_eq!(links[0].entry.count(), 3);
    }
    assert!(entries_of_stream(Value::Nil).unwrap().is_empty());

    // An announcement has no data; anything else that is off makes the whole answer worthless.
    let mut empty = fields;
    empty[6].1 = b"";
    assert_eq!(link(raw("20-0", &empty)).unwrap().entry.data, None);
    let mut flipped = frame.to_vec();
    flipped[7] ^= 1;
    for (at, value) in [(0, &b"c"[..]), (1, b"x"), (2, b"21"), (3, b"1"), (4, b""), (6, b"hi"), (6, &flipped)]
    {
        let mut odd = fields;
        odd[at].1 = value;
        assert!(link(raw("20-0", &odd)).is_none(), "{at}");
    }
    for id in ["20-1", "20", "x-0", ""] {
        assert!(link(raw(id, &fields)).is_none(), "{id}");
    }
    assert!(link(raw("20-0", &fields[..6])).is_none());
}
