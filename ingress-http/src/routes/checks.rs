//! `GET /api/checks`: what is checked. It tells of no cluster, so whoever may ask at all may know it.

use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use ingress_core::diagnose::CHECKS;
use serde::Serialize;

use crate::params::Params;
use crate::problem::Problem;
use crate::respond;

pub(crate) async fn checks(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Params::none(query.as_deref())?;
    let check = |check: &ingress_core::diagnose::Check| Check {
        code: check.code,
        severity: check.severity.as_str(),
        title: check.title,
    };
    respond::json(StatusCode::OK, &Answer { items: CHECKS.iter().map(check).collect() })
}

#[derive(Serialize)]
struct Answer {
    items: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    code: &'static str,
    severity: &'static str,
    title: &'static str,
}
