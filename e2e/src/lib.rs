//! Real servers and real clients for end-to-end tests.
//!
//! Everything here drives programs as a person would: a `kube-apiserver` and an `etcd` on loopback with TLS,
//! RBAC and an audit log; the `dashboard` binary with a kubeconfig; an HTTP client that reads the stream and
//! folds it into a model, checking the stream's promises on every event. There are no mocks, because the
//! question these tests answer is whether the whole thing works against what people really run.
//!
//! A test is a [`scenario`](lab::scenario): it gets a [`Lab`](lab::Lab), the folder that holds all data and
//! logs, and when it fails the ends of those logs are printed. Processes are stopped by the handle that
//! started them, also when a test fails half-way, and nothing waits by sleeping for a fixed time: see
//! [`wait`].
//!
//! The servers themselves are built by `e2e/servers/build` unless `KUBEBUILDER_ASSETS` names a folder with
//! both. Where a test asks whether a cluster is judged rightly, the rest of one runs beside them:
//! [`controllers`], and [`envoy_gateway`] for Gateway API.

pub mod access;
pub mod addresses;
pub mod apiserver;
pub mod assets;
pub mod audit;
pub mod certificates;
pub mod cluster;
pub mod controllers;
pub mod dashboard;
pub mod definitions;
pub mod envoy_gateway;
pub mod etcd;
pub mod fault;
pub mod fixtures;
pub mod fleet;
pub mod gate;
pub mod judge;
pub mod kubeconfig;
pub mod lab;
pub mod manifest;
pub mod objects;
pub mod pki;
pub mod ports;
pub mod process;
pub mod provider;
pub mod pulse;
pub mod redis;
pub mod rest;
pub mod scenarios;
pub mod sse;
pub mod stage;
pub mod wait;
