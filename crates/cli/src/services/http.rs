//! HTTP on port 80, by axum over estab's own sockets.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, put};
use estab::{Host, TcpStream};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tower_http::services::fs::{Backend, ServeDir, TokioBackend};

use super::{bytes, page, sha256};

/// What there is to ask for. With a directory, its files come last, and its `index.html` takes the place of the page.
pub(super) fn router(host: Host, files: Option<PathBuf>) -> Router {
    let has_index = files.as_deref().is_some_and(has_index);
    let mut router = Router::new()
        .route("/connections", get(connections))
        .route("/metrics", get(metrics))
        .route("/sha256", put(sha256::put).post(sha256::put))
        .route("/bytes/{count}", get(bytes::get));
    if !has_index {
        router = router.route("/", get(connections));
    }
    if let Some(directory) = files {
        router = router.fallback_service(ServeDir::with_backend(directory, RegularFiles));
    }
    router.with_state(host)
}

/// The file system without what is neither a file nor a directory: to open a FIFO would wait for who writes to it.
#[derive(Clone)]
struct RegularFiles;

type Answer<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl Backend for RegularFiles {
    type File = <TokioBackend as Backend>::File;
    type Metadata = <TokioBackend as Backend>::Metadata;
    type OpenFuture = Answer<Self::File>;
    type MetadataFuture = Answer<Self::Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let metadata = self.metadata(path.clone());
        Box::pin(async move {
            metadata.await?;
            TokioBackend.open(path).await
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        Box::pin(async move {
            let metadata = TokioBackend.metadata(path).await?;
            if metadata.is_file() || metadata.is_dir() {
                Ok(metadata)
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        })
    }
}

fn has_index(directory: &Path) -> bool {
    directory.join("index.html").is_file()
}

/// Serves one connection, request after request.
///
/// By hyper directly, because `axum::serve` cannot be told that a peer may finish its side before it is answered, as
/// `printf … | nc -N` does.
pub(super) async fn serve(stream: TcpStream, router: Router) -> io::Result<()> {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    connection.await.map_err(io::Error::other)
}

async fn metrics(State(host): State<Host>) -> Response {
    let kind = [(header::CONTENT_TYPE, estab::metrics::CONTENT_TYPE)];
    (kind, host.metrics()).into_response()
}

async fn connections(State(host): State<Host>) -> Response {
    let page = page::render(host.statuses(), host.listeners(), host.clock().now());
    // What it shows is over in a moment.
    ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response()
}
