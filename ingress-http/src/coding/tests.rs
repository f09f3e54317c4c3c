use std::io::{Read as _, Write as _};

use proptest::prelude::*;

use super::*;

const CODED: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

fn chosen(values: &[&str]) -> Result<&'static str, u16> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
    }
    Coding::negotiate(&headers).map(Coding::name).map_err(|problem| problem.kind().status())
}

#[test]
fn the_client_chooses_and_we_choose_among_what_it_likes_as_much() {
    for (values, coding) in [
        (&[] as &[&str], "identity"),
        (&[""], "identity"),
        (&["gzip, deflate, br, zstd"], "br"),
        (&["gzip, deflate"], "gzip"),
        (&["GZIP"], "gzip"),
        (&["x-gzip"], "gzip"),
        (&["zstd"], "zstd"),
        (&["zstd, gzip"], "gzip"),
        (&["zstd, gzip;q=0.9"], "zstd"),
        (&["br;q=0.5, gzip;q=0.7", "zstd;q=0.1"], "gzip"),
        (&["br;q=0, *"], "gzip"),
        (&["*"], "br"),
        (&["*;q=0, identity"], "identity"),
        (&["deflate, compress"], "identity"),
        (&["gzip;q=0"], "identity"),
        (&["identity;q=1, gzip;q=0.5"], "identity"),
        (&["identity;q=0.5, gzip;q=1"], "gzip"),
        (&["identity;q=0, gzip;q=0.001"], "gzip"),
    ] {
        assert_eq!(chosen(values), Ok(coding), "{values:?}");
    }
    for values in
        [["identity;q=0"], ["*;q=0"], ["deflate, *;q=0"], ["identity;q=0, br;q=0, gzip;q=0, zstd;q=0"]]
    {
        assert_eq!(chosen(&values), Err(406), "{values:?}");
    }
}

/// Decodes as bytes arrive.
enum Decoder {
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
    Brotli(Box<brotli_decoder::Incremental>),
    Zstd(::zstd::stream::write::Decoder<'static, Vec<u8>>),
}

/// The crate's own writer keeps what does not fill its buffer, so this asks the decoder beneath.
mod brotli_decoder {
    use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

    type Alloc = brotli::enc::StandardAlloc;

    pub(super) struct Incremental {
        state: BrotliState<Alloc, Alloc, Alloc>,
        total: usize,
        pub(super) decoded: Vec<u8>,
    }

    impl Incremental {
        pub(super) fn new() -> Self {
            let state = BrotliState::new(Alloc::default(), Alloc::default(), Alloc::default());
            Self { state, total: 0, decoded: Vec::new() }
        }

        /// Whether that was the end.
        pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
            let (mut left, mut at) = (bytes.len(), 0);
            loop {
                let mut output = vec![0; 1 << 16];
                let (mut room, mut written) = (output.len(), 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut at,
                    bytes,
                    &mut room,
                    &mut written,
                    &mut output,
                    &mut self.total,
                    &mut self.state,
                );
                self.decoded.extend_from_slice(&output[..written]);
                match result {
                    BrotliResult::NeedsMoreOutput => {}
                    // What did not fit is still to come.
                    BrotliResult::NeedsMoreInput if room == 0 => {}
                    BrotliResult::NeedsMoreInput => return false,
                    BrotliResult::ResultSuccess => return true,
                    BrotliResult::ResultFailure => panic!("no brotli"),
                }
            }
        }
    }
}

impl Decoder {
    fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))),
            Coding::Brotli => Self::Brotli(Box::new(brotli_decoder::Incremental::new())),
            _ => Self::Zstd(::zstd::stream::write::Decoder::new(Vec::new()).unwrap()),
        }
    }

    /// Everything that can be known after these bytes.
    fn feed(&mut self, bytes: &[u8]) -> &[u8] {
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                decoder.get_ref()
            }
            Self::Brotli(decoder) => {
                decoder.feed(bytes);
                &decoder.decoded
            }
            Self::Zstd(decoder) => {
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                decoder.get_ref()
            }
        }
    }
}

/// The whole, by decoders that check what comes at the end.
fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn std::io::Read> = match coding {
        Coding::Identity => Box::new(bytes),
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        Coding::Brotli => Box::new(::brotli::Decompressor::new(bytes, 4096)),
        Coding::Zstd => Box::new(::zstd::stream::read::Decoder::new(bytes).unwrap()),
    };
    let mut text = Vec::new();
    reader.read_to_end(&mut text).unwrap();
    text
}

#[test]
fn an_empty_body_is_one() {
    for coding in CODED {
        assert_eq!(decoded(coding, &Coder::new(coding).finish()), b"", "{coding:?}");
    }
}

#[test]
fn what_many_are_sent_is_compressed_once() {
    let shared = Shared::new(Bytes::from("much of the same ".repeat(1000)));
    let plain = shared.cost();
    for coding in CODED {
        let before = shared.cost();
        let (mut one, mut other) = (Coder::new(coding), Coder::new(coding));
        one.code(Chunk::Own(b"one".to_vec()));
        other.code(Chunk::Own(b"other".to_vec()));
        let (one, other) = (one.code(Chunk::Lent(shared.clone())), other.code(Chunk::Lent(shared.clone())));
        assert_eq!(one.as_ptr(), other.as_ptr(), "{coding:?}");
        assert!(one.len() < plain / 10 && shared.cost() == before + one.len(), "{coding:?}");
    }
}

fn piece() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let text = prop_oneof![
        3 => ": heartbeat\n\n|id: [a-f]{0,2}:[0-9]{1,9}\n",
        2 => "[a-z\"{}:,]{1,3000}",
        2 => (1..5_usize, 1..40_000_usize).prop_map(|(of, times)| "abcde"[..of].repeat(times)),
        1 => "(\\PC){1,400}",
    ];
    (text.prop_map(String::into_bytes), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever stands beside whatever, all that was sent can be read at once, and the whole is whole.
    #[test]
    fn everything_can_be_decoded_as_soon_as_it_has_arrived(
        pieces in proptest::collection::vec(piece(), 1..12),
        again in 0..12_usize,
    ) {
        let shared: Vec<(Shared, bool)> =
            pieces.into_iter().map(|(text, lent)| (Shared::new(text.into()), lent)).collect();
        for coding in CODED {
            let (mut coder, mut decoder) = (Coder::new(coding), Decoder::new(coding));
            let (mut plain, mut all) = (Vec::new(), Vec::new());
            // A piece that comes again is coded as it was, whatever came in between.
            for (piece, lent) in shared.iter().chain(shared.get(again)) {
                let own = || Chunk::Own(piece.plain().to_vec());
                let bytes = coder.code(if *lent { Chunk::Lent(piece.clone()) } else { own() });
                plain.extend_from_slice(piece.plain());
                all.extend_from_slice(&bytes);
                let decoded = decoder.feed(&bytes);
                prop_assert!(decoded == plain, "{coding:?}: {} of {} bytes", decoded.len(), plain.len());
            }
            all.extend_from_slice(&coder.finish());
            prop_assert!(decoded(coding, &all) == plain, "{coding:?}");
        }
    }

    /// The ways to store hold for any length.
    #[test]
    fn what_is_stored_comes_back(length in prop_oneof![1..700_usize, 65_530..65_540_usize, 131_000..131_100_usize]) {
        let text: Vec<u8> = (0..length).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
        for (coding, stored) in
            [(Coding::Gzip, gzip::stored(&text)), (Coding::Brotli, super::brotli::stored(&text)), (Coding::Zstd, super::zstd::stored(&text))]
        {
            let end = coding.end(crc32fast::hash(&text), u32::try_from(length).unwrap());
            let all = [coding.begin(), &stored, &end].concat();
            prop_assert!(decoded(coding, &all) == text, "{coding:?}");
        }
    }
}
