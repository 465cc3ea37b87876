//! `GET /bytes/N?seed=S`: the same bytes for the same seed, today and in every version to come.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood 2014), written out here because a library may change its stream.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

/// The bytes made at once.
const CHUNK: u64 = 64 * 1024;

#[derive(Deserialize)]
pub(super) struct Options {
    #[serde(default)]
    seed: u64,
}

pub(super) async fn get(
    count: Result<Path<u64>, PathRejection>,
    options: Result<Query<Options>, QueryRejection>,
) -> Response {
    let (Ok(Path(count)), Ok(Query(options))) = (count, options) else {
        let usage = "GET /bytes/N?seed=S: N and S are numbers from 0 to 18446744073709551615\n";
        return (StatusCode::BAD_REQUEST, usage).into_response();
    };
    let chunks = chunks(options.seed, count).map(Ok::<_, Infallible>);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, count.to_string()),
    ];
    (headers, Body::from_stream(stream::iter(chunks))).into_response()
}

/// The first `count` bytes of a seed's stream, in pieces.
fn chunks(seed: u64, count: u64) -> impl Iterator<Item = Bytes> {
    let mut state = seed;
    let mut left = count;
    std::iter::from_fn(move || {
        let length = left.min(CHUNK) as usize;
        left -= length as u64;
        let mut bytes = Vec::with_capacity(length + 7);
        while bytes.len() < length {
            bytes.extend_from_slice(&next(&mut state).to_le_bytes());
        }
        bytes.truncate(length);
        (length > 0).then(|| bytes.into())
    })
}

/// SplitMix64's next number.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u64, count: u64) -> Vec<u8> {
        chunks(seed, count).flatten().collect()
    }

    #[test]
    fn the_stream_is_splitmix64s() {
        // The first numbers of the reference implementation for the seed 1234567.
        let mut state = 1_234_567;
        let numbers: Vec<_> = (0..5).map(|_| next(&mut state)).collect();
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_whatever_their_number() {
        let long = stream(7, 200_000);
        assert_eq!(long.len(), 200_000);
        for count in [0, 1, 7, 8, 65_535, 65_536, 65_537, 199_999] {
            assert_eq!(stream(7, count), long[..count as usize]);
        }
        assert_ne!(stream(8, 100), long[..100]);
    }

    #[test]
    fn no_number_of_bytes_is_made_in_advance() {
        assert_eq!(chunks(0, u64::MAX).next().unwrap().len(), CHUNK as usize);
    }
}
