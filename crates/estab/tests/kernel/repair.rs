//! One segment is lost; a timer repairs it.

use estab::observe::Direction::{Received, Sent};
use estab::observe::StateName::{CloseWait, Closed, Established, FinWait2, TimeWait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{ACK, FIN, Lost, SYN, play_losing};

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

#[test]
fn our_fin() {
    play_losing("our_fin", Some(Lost(Sent, FIN | ACK)), async |scene| {
        let (_listener, ours, kernel) = scene.passive().await;
        let life = ours.life();
        drop(ours);
        scene.until(life, FinWait2, Some("CLOSE-WAIT")).await;
        drop(kernel);
        scene.until(life, TimeWait, None).await;
    });
}

#[test]
fn the_kernels_fin() {
    play_losing(
        "the_kernels_fin",
        Some(Lost(Received, FIN | ACK)),
        async |scene| {
            let (_listener, ours, kernel) = scene.passive().await;
            let life = ours.life();
            drop(kernel);
            scene.until(life, CloseWait, Some("FIN-WAIT-2")).await;
            drop(ours);
            scene.until(life, Closed, Some("TIME-WAIT")).await;
        },
    );
}

#[test]
fn our_last_fin() {
    play_losing("our_last_fin", Some(Lost(Sent, FIN | ACK)), async |scene| {
        let (_listener, ours, kernel) = scene.passive().await;
        let life = ours.life();
        drop(kernel);
        scene.until(life, CloseWait, Some("FIN-WAIT-2")).await;
        drop(ours);
        scene.until(life, Closed, Some("TIME-WAIT")).await;
    });
}

/// The last ACK of a close, lost once by the wire's other rule: the ACK that follows a FIN.
fn last_ack(name: &str, ours_closes_first: bool) {
    let direction = if ours_closes_first { Sent } else { Received };
    let lost = Lost(direction, crate::scene::LAST_ACK);
    play_losing(name, Some(lost), async |scene| {
        let (_listener, ours, kernel) = scene.passive().await;
        let life = ours.life();
        if ours_closes_first {
            drop(ours);
            scene.until(life, FinWait2, Some("CLOSE-WAIT")).await;
            drop(kernel);
            // The kernel repeats its FIN from LAST-ACK; TIME-WAIT acknowledges it again.
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
fn our_last_ack() {
    last_ack("our_last_ack", true);
}

#[test]
fn the_kernels_last_ack() {
    last_ack("the_kernels_last_ack", false);
}
