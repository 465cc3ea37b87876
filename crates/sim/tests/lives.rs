//! Every way a connection can open and close, told by the states both ends go through.

use std::time::Duration;

use estab_core::error::{ReadError, WriteError};
use estab_core::observe::StateName::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived,
    SynSent, TimeWait,
};
use estab_core::observe::{Cause, Initiator, LifeId, StateName};
use estab_core::{ConnectOptions, Flags, ListenerId, Shutdown, SocketId, SocketOptions};
use estab_device::Impairment;
use estab_sim::{SERVER, World};

const SECOND: Duration = Duration::from_secs(1);
const OPEN: [StateName; 3] = [Closed, SynSent, Established];
const ACCEPTED: [StateName; 3] = [Listen, SynReceived, Established];
const FIN_ACK: Flags = Flags::FIN.union(Flags::ACK);

struct Story {
    world: World,
    listener: ListenerId,
    client: SocketId,
    server: SocketId,
}

impl Story {
    fn begin() -> Self {
        Self::in_world(World::new(1))
    }

    fn in_world(mut world: World) -> Self {
        let listener = world.listen(80);
        let (client, server) = world.establish(listener, 80);
        Self {
            world,
            listener,
            client,
            server,
        }
    }

    fn wait(&mut self) {
        self.world.run_for(SECOND / 10);
    }

    fn client_closes(&mut self) {
        self.world
            .client
            .stack
            .close(self.world.now, self.client)
            .unwrap();
    }

    fn server_closes(&mut self) {
        self.world
            .server
            .stack
            .close(self.world.now, self.server)
            .unwrap();
    }

    /// Both paths, after the two that every handshake takes.
    fn paths(&self) -> (Vec<StateName>, Vec<StateName>) {
        let client = self.world.client.stack.observer().path(self.client.life());
        let server = self.world.server.stack.observer().path(self.server.life());
        assert_eq!(client[..3], OPEN);
        assert_eq!(server[..3], ACCEPTED);
        (client[3..].to_vec(), server[3..].to_vec())
    }

    /// Two minutes later nothing is left anywhere.
    fn nothing_is_left(&mut self) {
        self.world.run_for(120 * SECOND);
        for node in [&self.world.client, &self.world.server] {
            assert!(node.stack.is_empty(), "{:#?}", node.stack.statuses());
        }
    }

    /// The control bits both ends sent from the first FIN or RST on, in order.
    fn farewell(&self) -> Vec<(&'static str, Flags)> {
        let mut sent: Vec<_> = Vec::new();
        for (name, node) in [
            ("client", &self.world.client),
            ("server", &self.world.server),
        ] {
            let events = node.stack.observer().seen.iter();
            let own = events.filter(|seen| seen.direction == estab_core::observe::Direction::Sent);
            sent.extend(own.map(|seen| (seen.at, name, seen.flags - Flags::PSH)));
        }
        sent.sort_by_key(|(at, name, _)| (*at, *name));
        let first = sent
            .iter()
            .position(|(.., flags)| flags.intersects(Flags::FIN | Flags::RST));
        sent.drain(..first.unwrap_or(sent.len()));
        sent.into_iter()
            .map(|(_, name, flags)| (name, flags))
            .collect()
    }
}

fn wire() -> Impairment {
    Impairment {
        delay: Duration::from_millis(1),
        ..Impairment::default()
    }
}

#[test]
fn the_active_side_is_sure_first() {
    let mut world = World::new(1);
    world.listen(80);
    let client = world.connect(80);
    world.run_for(Duration::from_micros(2_500));
    let path = |world: &World, life: LifeId| world.server.stack.observer().path(life);
    assert_eq!(
        world.client.stack.status(client).unwrap().state,
        Established
    );
    let server = world
        .server
        .stack
        .observer()
        .transitions
        .last()
        .unwrap()
        .life;
    assert_eq!(
        path(&world, server),
        [Listen, SynReceived],
        "the third ACK is under way"
    );
    world.run_for(SECOND);
    assert_eq!(path(&world, server), ACCEPTED);
}

#[test]
fn four_segments_when_both_take_their_time() {
    let mut story = Story::begin();
    story.client_closes();
    story.wait();
    story.server_closes();
    story.wait();
    let (client, server) = story.paths();
    assert_eq!(client, [FinWait1, FinWait2, TimeWait]);
    assert_eq!(server, [CloseWait, LastAck, Closed]);
    assert_eq!(
        story.farewell(),
        [
            ("client", FIN_ACK),
            ("server", Flags::ACK),
            ("server", FIN_ACK),
            ("client", Flags::ACK)
        ]
    );
    story.nothing_is_left();
}

#[test]
fn three_segments_when_the_fin_rides_on_the_ack() {
    let mut story = Story::in_world(World::with(1, wire(), |_, server| server.quick_acks = 0));
    story.client_closes();
    let Story { world, server, .. } = &mut story;
    // The server's application closes the moment it hears the end of file, while the ACK is delayed.
    let closed = world.run_until(SECOND, |world| {
        let mut buffer = [0; 1];
        let end = world.server.stack.read(world.now, *server, &mut buffer) == Ok(0);
        if end {
            world.server.stack.close(world.now, *server).unwrap();
        }
        end
    });
    assert!(closed);
    story.wait();
    assert_eq!(
        story.farewell(),
        [
            ("client", FIN_ACK),
            ("server", FIN_ACK),
            ("client", Flags::ACK)
        ]
    );
    story.nothing_is_left();
}

#[test]
fn closing_at_the_same_moment_passes_closing() {
    let mut story = Story::begin();
    story.client_closes();
    story.server_closes();
    story.wait();
    let (client, server) = story.paths();
    assert_eq!(client, [FinWait1, Closing, TimeWait]);
    assert_eq!(server, [FinWait1, Closing, TimeWait]);
    story.nothing_is_left();
}

#[test]
fn data_flows_on_after_half_a_close() {
    let mut story = Story::begin();
    let Story {
        world,
        client,
        server,
        ..
    } = &mut story;
    world
        .client
        .stack
        .shutdown(world.now, *client, Shutdown::Write)
        .unwrap();
    world.run_for(SECOND);
    assert_eq!(
        world.client.stack.write(world.now, *client, b"x"),
        Err(WriteError::Closed)
    );
    assert_eq!(
        world.server.stack.read(world.now, *server, &mut [0; 8]),
        Ok(0)
    );
    for _ in 0..20 {
        assert_eq!(
            world.server.stack.write(world.now, *server, b"still here"),
            Ok(10)
        );
        world.run_for(SECOND);
        let mut buffer = [0; 64];
        assert_eq!(
            world.client.stack.read(world.now, *client, &mut buffer),
            Ok(10)
        );
        assert_eq!(&buffer[..10], b"still here");
    }
    world.server.stack.close(world.now, *server).unwrap();
    world.run_for(SECOND);
    assert_eq!(
        world.client.stack.read(world.now, *client, &mut [0; 8]),
        Ok(0)
    );
    story.client_closes();
    story.nothing_is_left();
    let (client, server) = story.paths();
    assert_eq!(client, [FinWait1, FinWait2, TimeWait, Closed]);
    assert_eq!(server, [CloseWait, LastAck, Closed]);
}

#[test]
fn each_lost_segment_of_the_handshake_is_repaired() {
    let syn_ack = Flags::SYN | Flags::ACK;
    for (from_client, flags) in [(true, Flags::SYN), (false, syn_ack), (true, Flags::ACK)] {
        let mut world = World::new(1);
        let node = if from_client {
            &mut world.client
        } else {
            &mut world.server
        };
        node.lose_first(flags);
        let begun = world.now;
        let mut story = Story::in_world(world);
        let took = story.world.now - begun;
        assert!(
            took >= SECOND && took < 2 * SECOND,
            "{flags:?}: by a timer, after {took:?}"
        );
        story.client_closes();
        story.wait();
        story.server_closes();
        story.nothing_is_left();
        story.paths();
    }
}

#[test]
fn a_lost_third_ack_is_repaired_by_data() {
    let mut world = World::new(1);
    world.client.lose_first(Flags::ACK);
    let listener = world.listen(80);
    let client = world.connect(80);
    world.run_for(Duration::from_millis(5));
    assert_eq!(world.server.stack.half_open(), 1);
    world
        .client
        .stack
        .write(world.now, client, b"hello")
        .unwrap();
    world
        .client
        .stack
        .shutdown(world.now, client, Shutdown::Write)
        .unwrap();
    world.run_for(Duration::from_millis(5));
    let server = world
        .server
        .stack
        .accept(world.now, listener)
        .unwrap()
        .expect("established");
    let path = world.server.stack.observer().path(server.life());
    assert_eq!(path, [Listen, SynReceived, Established, CloseWait]);
    let mut buffer = [0; 16];
    assert_eq!(
        world.server.stack.read(world.now, server, &mut buffer),
        Ok(5)
    );
    assert_eq!(
        world.server.stack.read(world.now, server, &mut buffer),
        Ok(0)
    );
}

#[test]
fn a_lost_fin_and_a_lost_last_ack_are_repaired_by_timers() {
    for (by_client, flags) in [(true, FIN_ACK), (false, FIN_ACK), (true, Flags::ACK)] {
        let mut story = Story::begin();
        story.client_closes();
        if by_client && flags == FIN_ACK {
            story.world.client.lose_first(flags);
        }
        story.world.run_for(2 * SECOND);
        let node = if by_client {
            &mut story.world.client
        } else {
            &mut story.world.server
        };
        node.lose_first(flags);
        story.server_closes();
        story.world.run_for(5 * SECOND);
        let (client, server) = story.paths();
        assert_eq!(client, [FinWait1, FinWait2, TimeWait]);
        assert_eq!(server, [CloseWait, LastAck, Closed]);
        story.nothing_is_left();
    }
}

#[test]
fn an_abort_is_told_to_the_peer() {
    let mut story = Story::begin();
    story
        .world
        .client
        .stack
        .abort(story.world.now, story.client)
        .unwrap();
    story.wait();
    let (client, server) = story.paths();
    assert_eq!((client, server), (vec![Closed], vec![Closed]));
    let Story { world, server, .. } = &mut story;
    let ended = Err(ReadError::Ended(Cause::Reset));
    assert_eq!(
        world.server.stack.read(world.now, *server, &mut [0; 8]),
        ended
    );
    assert_eq!(
        world.server.stack.read(world.now, *server, &mut [0; 8]),
        Ok(0),
        "told once"
    );
    let write = world.server.stack.write(world.now, *server, b"x");
    assert_eq!(write, Err(WriteError::Closed));
    story.server_closes();
    story.nothing_is_left();
}

#[test]
fn a_close_with_unread_data_resets() {
    let mut story = Story::begin();
    story
        .world
        .server
        .stack
        .write(story.world.now, story.server, b"never read")
        .unwrap();
    story.wait();
    story.client_closes();
    story.wait();
    let (client, server) = story.paths();
    assert_eq!((client, server), (vec![Closed], vec![Closed]));
    let cause = story
        .world
        .client
        .stack
        .observer()
        .transitions
        .last()
        .unwrap()
        .cause;
    assert_eq!(cause, Cause::CloseUnread);
}

#[test]
fn data_received_before_a_reset_is_still_read() {
    let mut story = Story::begin();
    let Story {
        world,
        client,
        server,
        ..
    } = &mut story;
    world
        .client
        .stack
        .write(world.now, *client, b"last words")
        .unwrap();
    world.run_for(SECOND);
    world.client.stack.abort(world.now, *client).unwrap();
    world.run_for(SECOND);
    let mut buffer = [0; 64];
    assert_eq!(
        world.server.stack.read(world.now, *server, &mut buffer),
        Ok(10)
    );
    let ended = Err(ReadError::Ended(Cause::Reset));
    assert_eq!(
        world.server.stack.read(world.now, *server, &mut buffer),
        ended
    );
}

#[test]
fn connecting_where_nobody_listens_is_refused() {
    let mut world = World::new(1);
    let client = world.connect(81);
    world.run_for(SECOND);
    let status = world.client.stack.status(client).unwrap();
    assert_eq!(
        (status.state, status.ended),
        (Closed, Some(Cause::ResetInSynSent))
    );
}

#[test]
fn connecting_into_silence_ends_after_127_seconds() {
    let mut world = World::new(1);
    world.client.lose(|_, _| true);
    let client = world.connect(80);
    world.run_for(126 * SECOND);
    assert_eq!(world.client.stack.status(client).unwrap().state, SynSent);
    world.run_for(2 * SECOND);
    let status = world.client.stack.status(client).unwrap();
    assert_eq!(
        (status.state, status.ended),
        (Closed, Some(Cause::SynRetries))
    );
}

#[test]
fn both_may_open_at_once() {
    let mut world = World::new(1);
    let options = |port| {
        let local = Some(std::net::SocketAddr::new("0.0.0.0".parse().unwrap(), port));
        ConnectOptions {
            local,
            socket: SocketOptions::default(),
        }
    };
    let now = world.now;
    let near = world
        .client
        .stack
        .connect(now, SERVER.v4(7001), options(7002))
        .unwrap();
    let far = world
        .server
        .stack
        .connect(now, estab_sim::CLIENT.v4(7002), options(7001))
        .unwrap();
    world.run_for(SECOND);
    let expected = [Closed, SynSent, SynReceived, Established];
    assert_eq!(world.client.stack.observer().path(near.life()), expected);
    assert_eq!(world.server.stack.observer().path(far.life()), expected);
    world
        .client
        .stack
        .write(world.now, near, b"one connection, not two")
        .unwrap();
    world.run_for(SECOND);
    assert_eq!(
        world.server.stack.read(world.now, far, &mut [0; 64]),
        Ok(23)
    );
    assert_eq!(world.client.stack.counters().tcp_timeouts, 0);
}

#[test]
fn a_restarted_server_meets_time_wait() {
    let mut story = Story::begin();
    story.server_closes();
    story.wait();
    story.client_closes();
    story.wait();
    let Story {
        world, listener, ..
    } = &mut story;
    world
        .server
        .stack
        .close_listener(world.now, *listener)
        .unwrap();
    assert_eq!(world.server.stack.time_waits(), 1);
    let mut options = estab_core::ListenOptions::new(SERVER.v4(80));
    let held = estab_core::error::ListenError::PortHeld {
        time_wait: 1,
        live: 0,
    };
    assert_eq!(world.server.stack.listen(world.now, options), Err(held));
    options.socket.reuse_address = true;
    world.listen_with(options);
    let twice = world.server.stack.listen(world.now, options);
    assert_eq!(twice, Err(estab_core::error::ListenError::AddressInUse));
}

#[test]
fn the_first_closer_is_remembered() {
    let mut story = Story::begin();
    story.client_closes();
    story.wait();
    let status = story.world.server.stack.status(story.server).unwrap();
    assert_eq!(status.first_closer, Some(Initiator::Peer));
    assert_eq!(status.state, CloseWait);
    assert!(!status.end_of_file_delivered);
    story
        .world
        .server
        .stack
        .read(story.world.now, story.server, &mut [0; 8])
        .unwrap();
    let status = story.world.server.stack.status(story.server).unwrap();
    assert!(status.end_of_file_delivered);
}

#[test]
fn a_peer_that_never_reads_is_probed_and_the_stream_goes_on() {
    let mut story = Story::begin();
    let Story {
        world,
        client,
        server,
        ..
    } = &mut story;
    let mut written = 0;
    for _ in 0..400 {
        written += world
            .client
            .stack
            .write(world.now, *client, &[7; 4096])
            .unwrap_or(0);
        world.run_for(SECOND);
    }
    let status = world.client.stack.status(*client).unwrap();
    assert_eq!((status.state, status.snd_wnd), (Established, 0));
    assert!(world.client.stack.counters().tcp_win_probe > 3);
    // The window update is lost: only a probe can find the window open again.
    let mut buffer = vec![0; 1 << 20];
    world.server.lose_first(Flags::ACK);
    let mut read = world
        .server
        .stack
        .read(world.now, *server, &mut buffer)
        .unwrap();
    world.run_for(300 * SECOND);
    while let Ok(more @ 1..) = world.server.stack.read(world.now, *server, &mut buffer) {
        read += more;
        world.run_for(SECOND);
    }
    assert_eq!(read, written);
}

#[test]
fn every_piece_of_news_is_told() {
    use estab_core::{Event, Readiness};
    let mut story = Story::begin();
    let Story {
        world,
        client,
        server,
        ..
    } = &mut story;
    let mut news = 0;
    while world.server.stack.next_event().is_some() {}
    for _ in 0..5 {
        world
            .client
            .stack
            .write(world.now, *client, b"news")
            .unwrap();
        world.run_for(SECOND);
        while let Some(event) = world.server.stack.next_event() {
            if let Event::Ready(id, readiness) = event {
                news += u32::from(id == *server && readiness.contains(Readiness::READABLE));
            }
        }
        world
            .server
            .stack
            .read(world.now, *server, &mut [0; 8])
            .unwrap();
    }
    assert_eq!(news, 5);
}
