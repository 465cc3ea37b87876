//! What an estab host offers: HTTP on 80, echo on 7, discard on 9, chargen on 19, over IPv4 and IPv6.

mod bytes;
mod chargen;
mod http;
mod page;
mod sha256;

use std::future::Future;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::args::ListeningArgs;
use estab::{Host, TcpListener, TcpSocket, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

/// How much is read at once.
const BUFFER: usize = 64 * 1024;

/// Begins to offer everything, in tasks that end with the runtime.
///
/// # Errors
/// A port cannot be listened on.
pub(crate) async fn start(
    host: &Host,
    files: Option<PathBuf>,
    listening: ListeningArgs,
) -> io::Result<()> {
    let bind = |port| listen(host, port, listening);
    each(bind(7)?, echo);
    each(bind(9)?, discard);
    each(bind(19)?, chargen::generate);
    let router = http::router(host.clone(), files);
    each(bind(80)?, move |stream| http::serve(stream, router.clone()));
    Ok(())
}

fn listen(host: &Host, port: u16, listening: ListeningArgs) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v6(host);
    socket.bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))?;
    socket.set_accept_policy(listening.accept_policy);
    socket.set_syn_backlog(listening.syn_backlog);
    socket.listen(listening.backlog)
}

/// Serves each connection of a listener in a task of its own.
fn each<F, S>(listener: TcpListener, service: F)
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = io::Result<()>> + Send + 'static,
{
    tokio::spawn(async move {
        // Only the end of the host ends a listener.
        while let Ok((stream, _peer)) = listener.accept().await {
            // Each of them writes whole answers: nothing is gained by waiting for an ACK (RFC 9293 §3.7.4).
            let _unless_it_has_ended = stream.set_nodelay(true);
            let served = service(stream);
            // How a connection ended is told by its life.
            tokio::spawn(async move { served.await.unwrap_or_default() });
        }
    });
}

/// Sends everything back, and a FIN after the peer's (RFC 862).
async fn echo(stream: impl AsyncRead + AsyncWrite + Send) -> io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    tokio::io::copy_buf(&mut BufReader::with_capacity(BUFFER, reader), &mut writer).await?;
    writer.shutdown().await
}

/// Reads everything and sends nothing (RFC 863).
async fn discard(stream: impl AsyncRead + AsyncWrite + Send) -> io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    tokio::io::copy_buf(&mut reader, &mut tokio::io::sink()).await?;
    writer.shutdown().await
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn echo_sends_back_what_came_then_the_end() {
        let (mut client, server) = tokio::io::duplex(64);
        let service = tokio::spawn(echo(server));
        let sent = vec![7; 1000];
        let (mut reader, mut writer) = tokio::io::split(&mut client);
        let mut back = Vec::new();
        let (written, read) = tokio::join!(
            async {
                writer.write_all(&sent).await?;
                writer.shutdown().await
            },
            reader.read_to_end(&mut back)
        );
        written.unwrap();
        assert_eq!(read.unwrap(), 1000);
        assert_eq!(back, sent);
        service.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn discard_reads_to_the_end_and_says_nothing() {
        let (mut client, server) = tokio::io::duplex(64);
        let service = tokio::spawn(discard(server));
        client.write_all(&[7; 1000]).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        service.await.unwrap().unwrap();
    }
}
