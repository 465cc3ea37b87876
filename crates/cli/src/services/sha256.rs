//! `PUT /sha256`: the hex digest of the body, which may be of any size.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

pub(super) async fn put(body: Body) -> Response {
    let mut hash = Sha256::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(bytes) => hash.update(&bytes),
            Err(error) => {
                let message = format!("the body broke off: {error}\n");
                return (StatusCode::BAD_REQUEST, message).into_response();
            }
        }
    }
    let mut digest: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    digest.push('\n');
    digest.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_digest_is_that_of_the_body() {
        let response = put(Body::from("abc")).await;
        let digest = axum::body::to_bytes(response.into_body(), 100)
            .await
            .unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";
        assert_eq!(digest, expected);
    }
}
