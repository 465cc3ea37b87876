//! Closing: from either end, both at once, by halves, by reset.

use std::io::ErrorKind;
use std::time::Duration;

use estab::observe::StateName::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived,
    TimeWait,
};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::scene::play;

const A_WHILE: Duration = Duration::from_millis(100);

#[test]
fn the_kernel_closes_first() {
    play("the_kernel_closes_first", async |scene| {
        let (_listener, mut ours, kernel) = scene.passive().await;
        let life = ours.life();
        drop(kernel);
        scene.until(life, CloseWait, Some("FIN-WAIT-2")).await;
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
        let status = scene.statuses().remove(0);
        assert!(status.end_of_file_delivered && status.unread == 0);
        drop(ours);
        scene.until(life, Closed, Some("TIME-WAIT")).await;
        let path = [Listen, SynReceived, Established, CloseWait, LastAck, Closed];
        assert_eq!(scene.path(life), path);
    });
}

#[test]
fn estab_closes_first() {
    play("estab_closes_first", async |scene| {
        let (_listener, ours, mut kernel) = scene.passive().await;
        let life = ours.life();
        drop(ours);
        scene.until(life, FinWait2, Some("CLOSE-WAIT")).await;
        assert_eq!(kernel.read(&mut [0; 8]).await.unwrap(), 0);
        drop(kernel);
        scene.until(life, TimeWait, None).await;
        scene.until(life, Closed, None).await;
        let path = [
            Listen,
            SynReceived,
            Established,
            FinWait1,
            FinWait2,
            TimeWait,
            Closed,
        ];
        assert_eq!(scene.path(life), path);
    });
}

#[test]
fn both_close_at_once() {
    play("both_close_at_once", async |scene| {
        let (_listener, ours, kernel) = scene.active().await;
        let life = ours.life();
        // The kernel's FIN lies in the TUN's queue while ours goes out.
        drop(kernel);
        drop(ours);
        scene.until(life, TimeWait, Some("TIME-WAIT")).await;
        assert_eq!(scene.path(life)[3..], [FinWait1, Closing, TimeWait]);
    });
}

#[test]
fn data_flows_after_half_a_close_from_either_side() {
    play("data_flows_after_half_a_close", async |scene| {
        for ours_first in [true, false] {
            let (_listener, mut ours, mut kernel) = scene.active().await;
            let life = ours.life();
            let mut text = String::new();
            if ours_first {
                ours.shutdown(std::net::Shutdown::Write).unwrap();
                scene.until(life, FinWait2, Some("CLOSE-WAIT")).await;
                assert_eq!(kernel.read(&mut [0; 8]).await.unwrap(), 0);
                kernel.write_all(b"the kernel goes on").await.unwrap();
                drop(kernel);
                ours.read_to_string(&mut text).await.unwrap();
                assert_eq!(text, "the kernel goes on");
                scene.until(life, TimeWait, None).await;
            } else {
                kernel.shutdown().await.unwrap();
                scene.until(life, CloseWait, Some("FIN-WAIT-2")).await;
                assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
                ours.write_all(b"estab goes on").await.unwrap();
                drop(ours);
                kernel.read_to_string(&mut text).await.unwrap();
                assert_eq!(text, "estab goes on");
                scene.until(life, Closed, Some("TIME-WAIT")).await;
            }
        }
    });
}

#[test]
fn a_reset_from_the_kernel() {
    play("a_reset_from_the_kernel", async |scene| {
        let (_listener, mut ours, mut kernel) = scene.passive().await;
        kernel.write_all(b"last words").await.unwrap();
        sleep(A_WHILE).await;
        SockRef::from(&kernel)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(kernel);
        scene.until(ours.life(), Closed, None).await;
        let mut buffer = [0; 10];
        ours.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"last words");
        let error = ours.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_linger_of_zero_and_an_abort_reset_the_kernel() {
    play(
        "a_linger_of_zero_and_an_abort_reset_the_kernel",
        async |scene| {
            for abort in [true, false] {
                let (_listener, ours, mut kernel) = scene.active().await;
                let life = ours.life();
                if abort {
                    ours.abort();
                } else {
                    ours.set_linger(Some(Duration::ZERO)).unwrap();
                }
                drop(ours);
                let error = kernel.read(&mut [0; 8]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                scene.until(life, Closed, None).await;
                assert_eq!(scene.path(life)[2..], [Established, Closed]);
            }
        },
    );
}

#[test]
fn closing_with_data_unread_resets_either_side() {
    play(
        "closing_with_data_unread_resets_either_side",
        async |scene| {
            let (listener, ours, mut kernel) = scene.passive().await;
            kernel.write_all(b"never read").await.unwrap();
            sleep(A_WHILE).await;
            let life = ours.life();
            drop(ours);
            let error = kernel.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            scene.until(life, Closed, None).await;
            drop(listener);

            let (_listener, mut ours, kernel) = scene.passive().await;
            ours.write_all(b"never read").await.unwrap();
            sleep(A_WHILE).await;
            drop(kernel);
            let error = ours.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            scene.until(ours.life(), Closed, None).await;
        },
    );
}

#[test]
fn a_server_restarts_over_time_wait() {
    play("a_server_restarts_over_time_wait", async |scene| {
        let (listener, ours, kernel) = scene.passive().await;
        let life = ours.life();
        drop(ours);
        scene.until(life, FinWait2, Some("CLOSE-WAIT")).await;
        drop(kernel);
        scene.until(life, TimeWait, None).await;
        drop(listener);
        let again = || scene.socket();
        let error = again().bind(scene.estab(80)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let socket = again();
        socket.set_reuse_address(true).unwrap();
        socket.bind(scene.estab(80)).unwrap();
        let listener = socket.listen(16).unwrap();
        let twice = again();
        twice.set_reuse_address(true).unwrap();
        assert_eq!(
            twice.bind(scene.estab(80)).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        let kernel = tokio::net::TcpStream::connect(scene.estab(80));
        let (accepted, kernel) = tokio::join!(listener.accept(), kernel);
        accepted.unwrap();
        kernel.unwrap();
    });
}
