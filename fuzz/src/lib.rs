//! What the fuzz targets check, and the naive oracles that they check it against.
//!
//! A target is one `check(data)`: it reads its case from the bytes, runs the engine on it, and compares the answer with that of
//! an oracle, written to be obviously right and as slow as it likes. The targets under `targets/` hand libFuzzer's bytes
//! on and do nothing else.
//!
//! | target | engine | oracle |
//! |---|---|---|
//! | `json_frames` | `wire::json::Lines` | split at line ends |
//! | `protobuf_frames` | `wire::proto::Frames` | cut by length prefixes |
//! | `json_record` | `wire::json` | [`facts`], read from a `serde_json::Value`, and k8s-openapi's types |
//! | `protobuf_record` | `wire::proto` | [`facts`], read from k8s-openapi's types and prost's messages, and `wire::json` |
//! | `merge` | `Writer`, `Store`, `Deltas` | an ordered map and a list of everything that ever changed |
//! | `classify` | `decode_status`, `classify` | [`status`], a table |
//! | `selector` | `GET /api/ingresses?label=` | requirements split at commas |
//! | `manifests` | `Manifests`, `Inventory::take`, `diagnose_all` | an ordinary JSON parser, and each route judged by itself |
//! | `routes` | the reader of Traefik's rules, the model of routes, `Matcher` | syntax trees, evaluated as they are |
//! | `envelope` | `ingress_cache::envelope` | fields by their offsets, and a checksum bit by bit |

pub mod classify;
pub mod envelope;
pub mod facts;
mod frames;
pub mod json_frames;
pub mod json_record;
pub mod manifests;
pub mod merge;
pub mod message;
pub mod protobuf_frames;
pub mod protobuf_record;
pub mod routes;
pub mod selector;
pub mod status;
