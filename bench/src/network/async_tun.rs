//! A TUN as tokio's readers and writers have it, one packet a call, for stacks that want one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use estab_core::Instant as Now;
use estab_device::{Device as _, Tun};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// See the module.
pub(crate) struct AsyncTun {
    tun: Tun,
    packet: Vec<u8>,
}

impl AsyncTun {
    pub(crate) const fn new(tun: Tun) -> Self {
        Self {
            tun,
            packet: Vec::new(),
        }
    }
}

impl AsyncRead for AsyncTun {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { tun, packet } = self.get_mut();
        loop {
            match tun.receive(Now::ZERO, packet) {
                Ok(()) => {
                    into.put_slice(packet);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(tun.poll_readable(cx))?
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for AsyncTun {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        packet: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut().tun.transmit(Now::ZERO, packet) {
            Ok(()) => Poll::Ready(Ok(packet.len())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
