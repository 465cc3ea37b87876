//! One segment is lost; a timer repairs it.

use estab::observe::Direction::{Received, Sent};
use estab::observe::StateName::{CloseWait, Closed, Established, FinWait2, TimeWait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{ACK, FIN, LAST_ACK, Lost, SYN, play_losing};

/// Opens in both roles, says something, and closes from both ends.
fn whole_life(name: &str, lost: Lost, active: bool) {
    play_losing(name, Some(lost), async |scene| {
        let (ours, kernel) = if active {
            let (_, ours, kernel) = scene.active().await;
            (ours, kernel)
        } else {
            let (_, ours, kernel) = scene.passive().await;
            (ours, kernel)
        };
        let (mut ours, mut kernel) = (ours, kernel);
        scene.until(ours.life(), Established, Some("ESTAB")).await;
        kernel.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 5];
        ours.read_exact(&mut buffer).await.unwrap();
        ours.write_all(&buffer).await.unwrap();
        kernel.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"hello");
        assert!(scene.has_lost());
    });
}

#[test]
fn the_kernels_syn() {
    whole_life("the_kernels_syn", Lost(Received, SYN), false);
}

#[test]
fn our_syn() {
    whole_life("our_syn", Lost(Sent, SYN), true);
}

#[test]
fn our_syn_ack() {
    whole_life("our_syn_ack", Lost(Sent, SYN | ACK), false);
}

#[test]
fn the_kernels_syn_ack() {
    whole_life("the_kernels_syn_ack", Lost(Received, SYN | ACK), true);
}

#[test]
fn the_kernels_third_ack() {
    // Nobody says anything: only our SYN-ACK, sent again, can draw another ACK.
    play_losing(
        "the_kernels_third_ack",
        Some(Lost(Received, ACK)),
        async |scene| {
            let listener = scene.listen(80).await;
            let _kernel = tokio::net::TcpStream::connect(scene.estab(80))
                .await
                .unwrap();
            assert_eq!(scene.statuses()[0].state.rfc(), "SYN-RECEIVED");
            let (ours, _) = listener.accept().await.unwrap();
            scene.until(ours.life(), Established, Some("ESTAB")).await;
        },
    );
}

#[test]
fn our_third_ack() {
    play_losing("our_third_ack", Some(Lost(Sent, ACK)), async |scene| {
        let (_listener, ours, _kernel) = scene.active().await;
        scene.until(ours.life(), Established, Some("ESTAB")).await;
    });
}

/// Closes from one end, then from the other, while a segment of the close is lost.
fn whole_close(name: &str, lost: Lost, ours_closes_first: bool) {
    play_losing(name, Some(lost), async |scene| {
        let (_listener, ours, kernel) = scene.passive().await;
        let life = ours.life();
        if ours_closes_first {
            drop(ours);
            scene.until(life, FinWait2, Some("CLOSE-WAIT")).await;
            drop(kernel);
            scene.until(life, TimeWait, None).await;
        } else {
            drop(kernel);
            scene.until(life, CloseWait, Some("FIN-WAIT-2")).await;
            drop(ours);
            scene.until(life, Closed, Some("TIME-WAIT")).await;
        }
    });
}

#[test]
fn our_fin() {
    whole_close("our_fin", Lost(Sent, FIN | ACK), true);
}

#[test]
fn the_kernels_fin() {
    whole_close("the_kernels_fin", Lost(Received, FIN | ACK), false);
}

#[test]
fn our_last_fin() {
    whole_close("our_last_fin", Lost(Sent, FIN | ACK), false);
}

/// The kernel repeats its FIN from LAST-ACK; TIME-WAIT acknowledges it again.
#[test]
fn our_last_ack() {
    whole_close("our_last_ack", Lost(Sent, LAST_ACK), true);
}

#[test]
fn the_kernels_last_ack() {
    whole_close("the_kernels_last_ack", Lost(Received, LAST_ACK), false);
}
