//! Streams between two hosts: data, closing, and what a call finds then.

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use common::{CLIENT, SERVER, connected, hosts, pattern};
use estab::TcpStream;
use estab::observe::StateName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn a_mebibyte_goes_each_way_at_once() {
    let (server, client) = hosts();
    let (asking, mut answering) = connected(&server, &client).await;
    let echo = tokio::spawn(async move {
        let (mut read, mut write) = answering.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let sent = pattern(1, MIB);
    let (mut read, mut write) = asking.into_split();
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        write.write_all(&copy).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut heard = Vec::new();
    read.read_to_end(&mut heard).await.unwrap();
    assert!(heard == sent);
    writing.await.unwrap();
    echo.await.unwrap();
}
