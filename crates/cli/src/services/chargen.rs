//! The character generator (RFC 864): lines of 72 of the 95 printing characters, each begun one further.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

/// ASCII's printing characters, from the space on.
const CHARACTERS: usize = 95;
/// The characters of a line, without its end.
const LINE: usize = 72;

/// Sends the pattern until the peer is gone; what it sends is thrown away.
pub(super) async fn generate(stream: impl AsyncRead + AsyncWrite + Send) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let pattern = pattern();
    let endless = async {
        loop {
            writer.write_all(&pattern).await?;
        }
    };
    let thrown_away = async {
        tokio::io::copy(&mut reader, &mut tokio::io::sink()).await?;
        // The end of what it says is not the end of what it hears.
        std::future::pending::<io::Result<()>>().await
    };
    tokio::select! {
        end = endless => end,
        end = thrown_away => end,
    }
}

/// One whole round, after which the pattern begins again.
fn pattern() -> Vec<u8> {
    let character = |at: usize| b' ' + (at % CHARACTERS) as u8;
    let line = |first| (first..first + LINE).map(character).chain(*b"\r\n");
    (0..CHARACTERS).flat_map(line).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[test]
    fn the_pattern_is_that_of_the_rfc() {
        let pattern = String::from_utf8(pattern()).unwrap();
        let lines: Vec<_> = pattern.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 95);
        assert!(lines.iter().all(|line| line.len() == 72));
        assert!(lines[0].starts_with(" !\"#$%&'()*+,-./0123456789:;<=>?@ABC"));
        assert!(lines[0].ends_with("ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg"));
        assert!(lines[1].starts_with("!\"#") && lines[1].ends_with("fgh"));
        assert!(lines[94].starts_with("~ !"));
    }

    #[tokio::test]
    async fn it_goes_on_after_the_peers_end_until_the_peer_is_gone() {
        let (mut client, server) = tokio::io::duplex(100);
        let service = tokio::spawn(generate(server));
        client.write_all(b"ignored").await.unwrap();
        client.shutdown().await.unwrap();
        let mut bytes = vec![0; 20_000];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes[..7030], pattern());
        assert_eq!(bytes[..7030], bytes[7030..14_060]);
        drop(client);
        assert!(service.await.unwrap().is_err());
    }
}
