//! `GET /openapi.json`: this API, described for programs (OpenAPI 3.1).
//!
//! What is served is written by hand and borrows (`wire`), so its description can't be derived from it. `schema` mirrors every JSON
//! type, `paths` every path; both are read by nothing but `utoipa`. Tests hold them against the router: every route is in here
//! and the other way round, and real answers fit their schemas without anything left over.
//!
//! The document is the same for the life of the process, and is made when it is first asked for.

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use utoipa::OpenApi as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};

use crate::metrics::http_side::Route;
use crate::params::Params;
use crate::problem::{Problem, ProblemType};
use crate::respond;

mod paths;
mod schema;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The names of the ways to authenticate.
const BEARER: &str = "bearer";
const COOKIE: &str = "session";
const PROBLEM: &str = "application/problem+json";

static DOCUMENT: LazyLock<Result<Bytes, serde_json::Error>> =
    LazyLock::new(|| serde_json::to_vec(&document()).map(Bytes::from));

pub(crate) async fn openapi(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Params::none(query.as_deref())?;
    match &*DOCUMENT {
        Ok(document) => Ok(respond::answer(StatusCode::OK, JSON, document.clone())),
        Err(error) => {
            tracing::error!(%error, "the description can't be written");
            Err(Problem::new(ProblemType::Internal, "the description can't be written"))
        }
    }
}

fn document() -> OpenApi {
    let mut document = paths::Api::openapi();
    document
        .paths
        .paths
        .retain(|path, _| Route::ALL.into_iter().any(|route| is_served(route) && route.template() == path));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let cookie = ApiKeyValue::with_description("ingress-session", "That of `POST /auth/session`");
    components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten() {
            describe_everywhere(path, operation);
        }
    }
    document
}

/// Whether this build has a route.
fn is_served(route: Route) -> bool {
    route != Route::Other
        && (cfg!(feature = "ui") || route != Route::Page)
        && (cfg!(feature = "oidc") || ![Route::Login, Route::Callback].contains(&route))
}

/// What every path answers, because of what every request passes.
fn describe_everywhere(path: &str, operation: &mut Operation) {
    let is_one_of = |routes: &[Route]| routes.iter().any(|route| route.template() == path);
    if !is_one_of(&[Route::Livez, Route::Readyz, Route::Session, Route::Page]) {
        let description = "A parameter is unknown, repeated, beyond its bound or makes no sense";
        problem(operation, ProblemType::BadParameter, description);
    }
    let is_open = is_one_of(&[
        Route::Livez,
        Route::Readyz,
        Route::Session,
        Route::Login,
        Route::Callback,
        Route::OpenApi,
        Route::Page,
    ]);
    let signs_in = is_one_of(&[Route::Login, Route::Callback])
        || operation.operation_id.as_deref() == Some("begin_session");
    if signs_in || !is_open {
        problem(operation, ProblemType::Unauthenticated, "It is not known who asks");
        problem(operation, ProblemType::AccessUnknown, "Nobody can tell who asks, or what they may see");
    }
    if !is_open {
        problem(operation, ProblemType::Forbidden, "Whoever asks may not see this");
        // Where nobody has to authenticate, neither is needed.
        let ways = [BEARER, COOKIE].map(|name| SecurityRequirement::new(name, std::iter::empty::<String>()));
        operation.security = Some(ways.into_iter().chain([SecurityRequirement::default()]).collect());
    }
    if !is_one_of(&[Route::Livez, Route::Readyz]) {
        // Also where only failed authentications are limited.
        problem(operation, ProblemType::TooManyRequests, "The client asks too often");
    }
    problem(operation, ProblemType::ContentTooLarge, "The request has a body that is too large");
    bare(operation, ProblemType::UriTooLong, "The path and query are too long");
    problem(operation, ProblemType::MisdirectedRequest, "The Host is none of those that are answered for");
    bare(operation, ProblemType::HeadersTooLarge, "The headers are too many or too large");
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let id = HeaderBuilder::new().schema(Some(text)).description(Some("Names the request")).build();
            response.headers.insert("X-Request-Id".to_owned(), id.into());
        }
    }
}

/// Describes a problem, besides what is already described of its status.
fn problem(operation: &mut Operation, kind: ProblemType, description: &str) {
    let status = kind.status().to_string();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    match operation.responses.responses.get_mut(&status) {
        Some(RefOr::T(response)) => {
            response.description = format!("{}; {description}", response.description);
            response.content.insert(PROBLEM.to_owned(), content.into());
        }
        _ => {
            let response = ResponseBuilder::new().description(description).content(PROBLEM, content);
            operation.responses.responses.insert(status, response.build().into());
        }
    }
}

/// The same of what the server may refuse before this router is asked: then it is a status and nothing else.
fn bare(operation: &mut Operation, kind: ProblemType, description: &str) {
    let response =
        ResponseBuilder::new().description(format!("{description}; a problem document, or nothing"));
    operation.responses.responses.insert(kind.status().to_string(), response.build().into());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_the_other_way_round() {
        let described: BTreeSet<String> = document().paths.paths.into_keys().collect();
        let served = Route::ALL.into_iter().filter(|route| is_served(*route));
        assert_eq!(described, served.map(|route| route.template().to_owned()).collect());
    }
}
