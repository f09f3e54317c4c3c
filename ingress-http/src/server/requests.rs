//! From a request as hyper has it to the router, and back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use tower::Service as _;

use super::body::{RequestBody, ResponseBody};
use super::options::{MAX_HEADERS, MAX_URI};
use super::shared::Shared;
use super::streams::Spawner;
use crate::transport::Transport;

/// What one connection's requests are served by.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    pub(super) transport: Transport,
    pub(super) shared: Arc<Shared>,
    /// Of HTTP/2.
    pub(super) spawner: Option<Spawner>,
}

type Answer = Result<Response<ResponseBody>, Infallible>;

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    /// Boxed, since hyper keeps the room of the largest future as long as the connection lives.
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = self.shared.requested(self.spawner.is_some());
        let untaken = self.spawner.as_ref().map(Spawner::expect);
        if let Some(status) = refusal(&request) {
            let body = ResponseBody::new(Body::empty(), untaken, busy);
            let answer = status.into_response().map(|_| body);
            return Box::pin(std::future::ready(Ok(answer)));
        }
        let mut request = request.map(|body| {
            if http_body::Body::is_end_stream(&body) {
                return Body::empty();
            }
            Body::new(RequestBody::new(body, self.shared.clone()))
        });
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.transport);
        // A router is always ready, as axum says.
        let answer = self.router.clone().call(request);
        Box::pin(async move {
            let Ok(answer) = answer.await;
            Ok(answer.map(|body| ResponseBody::new(body, untaken, busy)))
        })
    }
}

/// What is refused before anybody looks at it. HTTP/1.1 heads of more headers than that are refused by hyper.
fn refusal<B>(request: &Request<B>) -> Option<StatusCode> {
    if request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > MAX_URI) {
        Some(StatusCode::URI_TOO_LONG)
    } else if request.headers().len() > MAX_HEADERS {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        None
    }
}
