//! Opening: both roles, both at once, refused.

use std::io::ErrorKind;

use estab::TcpStream;
use estab::observe::StateName::{Closed, Established, Listen, SynReceived, SynSent};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{Family, play};

#[test]
fn the_kernel_connects() {
    play("the_kernel_connects", async |scene| {
        let (_listener, ours, kernel) = scene.passive().await;
        scene.until(ours.life(), Established, Some("ESTAB")).await;
        assert_eq!(scene.path(ours.life()), [Listen, SynReceived, Established]);
        assert_eq!(ours.peer_addr().unwrap(), kernel.local_addr().unwrap());
        let info = ours.tcp_info().unwrap();
        assert!(info.timestamps && info.sack, "Linux offers both");
        drop(kernel);
    });
}

#[test]
fn estab_connects() {
    play("estab_connects", async |scene| {
        let (_listener, mut ours, mut kernel) = scene.active().await;
        assert_eq!(scene.path(ours.life()), [Closed, SynSent, Established]);
        ours.write_all(b"to the kernel").await.unwrap();
        let mut buffer = [0; 13];
        kernel.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"to the kernel");
        scene.until(ours.life(), Established, Some("ESTAB")).await;
    });
}

#[test]
fn both_connect_at_once() {
    play("both_connect_at_once", async |scene| {
        let domain = if scene.family == Family::V4 {
            Domain::IPV4
        } else {
            Domain::IPV6
        };
        let kernel = Socket::new(domain, Type::STREAM, None).unwrap();
        kernel.set_nonblocking(true).unwrap();
        kernel.bind(&scene.kernel(7002).into()).unwrap();
        // The kernel's SYN lies in the TUN's queue while ours goes out.
        let _ = kernel.connect(&scene.estab(7001).into());
        let socket = scene.socket();
        socket.bind(scene.estab(7001)).unwrap();
        let mut ours = socket.connect(scene.kernel(7002)).await.unwrap();
        assert_eq!(
            scene.path(ours.life()),
            [Closed, SynSent, SynReceived, Established]
        );
        scene.until(ours.life(), Established, Some("ESTAB")).await;
        let mut kernel = tokio::net::TcpStream::from_std(kernel.into()).unwrap();
        kernel.write_all(b"one connection").await.unwrap();
        let mut buffer = [0; 14];
        ours.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"one connection");
    });
}

#[test]
fn a_closed_port_refuses_either_side() {
    play("a_closed_port_refuses_either_side", async |scene| {
        let ours = TcpStream::connect(&scene.host, scene.kernel(9))
            .await
            .unwrap_err();
        assert_eq!(ours.kind(), ErrorKind::ConnectionRefused);
        let kernel = tokio::net::TcpStream::connect(scene.estab(9))
            .await
            .unwrap_err();
        assert_eq!(kernel.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(scene.kernel_state(), None);
        assert!(scene.statuses().is_empty());
    });
}
