//! ipstack and tcp_ip, wired to a TUN as their examples do.

use ::ipstack::{IpStack, IpStackConfig, IpStackStream};
use estab_device::Tun;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::async_tun::AsyncTun;
use super::{Stop, Told, runtime, serve, until_over};

const MTU: u16 = 1500;

/// Packets that tcp_ip hands over at once.
const BATCH: usize = 64;

pub(in super::super) fn ipstack(tun: Tun, stop: &Stop, told: &Told) -> anyhow::Result<()> {
    // Dropping one of its streams blocks the thread until another has ended it: it wants several.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut config = IpStackConfig::default();
        config.mtu(MTU)?.packet_information(false);
        let mut stack = IpStack::new(config, AsyncTun::new(tun));
        tokio::spawn(async move {
            while let Ok(stream) = stack.accept().await {
                if let IpStackStream::Tcp(stream) = stream {
                    let port = stream.peer_addr().port();
                    tokio::spawn(serve(stream, port));
                }
            }
        });
        until_over(stop, told).await;
        anyhow::Ok(())
    })?;
    // What it still waits for is not waited for.
    runtime.shutdown_background();
    Ok(())
}

pub(in super::super) fn tcp_ip(tun: Tun, stop: &Stop, told: &Told) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let config = ::tcp_ip::IpStackConfig::builder().mtu(MTU).build();
        let (stack, into, mut out) = ::tcp_ip::ip_stack(config)?;
        let mut listener = ::tcp_ip::tcp::TcpListener::bind_all(stack).await?;
        let (mut arriving, mut leaving) = tokio::io::split(AsyncTun::new(tun));
        tokio::spawn(async move {
            let mut packet = [0; MTU as usize];
            while let Ok(count) = arriving.read(&mut packet).await {
                let _refused = into.send_ip_packet(&packet[..count]).await;
            }
        });
        tokio::spawn(async move {
            let mut packets = vec![[0_u8; MTU as usize]; BATCH];
            let mut sizes = [0; BATCH];
            while let Ok(count) = out.recv_ip_packet(&mut packets, &mut sizes).await {
                for (packet, &size) in packets[..count].iter().zip(&sizes) {
                    let _lost = leaving.write(&packet[..size]).await;
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(address) = stream.local_addr() else {
                    continue;
                };
                tokio::spawn(serve(stream, address.port()));
            }
        });
        until_over(stop, told).await;
        Ok(())
    })
}
