//! Both byte streams arrive equal, whatever the wire does, and every connection ends.

use std::time::Duration;

use estab_device::Impairment;
use estab_sim::{Application, Plan, World};

/// Runs a whole conversation; answers how long it took.
fn converse(world: &mut World, client_bytes: usize, server_bytes: usize) -> Duration {
    let begun = world.now;
    let listener = world.listen(80);
    let (client, server) = world.establish(listener, 80);
    let ours = Plan {
        bytes: client_bytes,
        seed: 1,
        piece: 3000,
    };
    let theirs = Plan {
        bytes: server_bytes,
        seed: 2,
        piece: 5000,
    };
    let mut near = Application::new(client, ours, theirs);
    let mut far = Application::new(server, theirs, ours);
    let done = world.run_until(Duration::from_secs(3600), |world| {
        near.poll(&mut world.client, world.now);
        far.poll(&mut world.server, world.now);
        near.is_done() && far.is_done()
    });
    assert!(
        done,
        "stalled: {near:?} {far:?}\n{:#?}\n{:#?}",
        world.client.stack.statuses(),
        world.server.stack.statuses()
    );
    assert!(
        near.failed.is_none() && far.failed.is_none(),
        "{near:?} {far:?}"
    );
    let took = world.now - begun;
    world
        .client
        .stack
        .close(world.now, client)
        .expect("the socket is held");
    world
        .server
        .stack
        .close(world.now, server)
        .expect("the socket is held");
    world.run_for(Duration::from_secs(900));
    for node in [&world.client, &world.server] {
        assert!(node.stack.is_empty(), "{:#?}", node.stack.statuses());
        assert_eq!(node.stack.slots(), 0);
    }
    took
}

#[test]
fn a_megabyte_each_way_over_a_perfect_wire() {
    let mut world = World::new(1);
    let took = converse(&mut world, 1 << 20, 1 << 20);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(world.client.stack.counters().retrans_segs, 0);
    assert_eq!(world.server.stack.counters().retrans_segs, 0);
}

#[test]
fn nothing_at_all_each_way() {
    converse(&mut World::new(2), 0, 0);
}

#[test]
fn thousands_of_seeds_with_loss_reordering_duplication_and_corruption() {
    for seed in 0..2000 {
        let impairment = Impairment {
            loss: 0.05,
            duplicate: 0.02,
            reorder: 0.10,
            corrupt: 0.01,
            delay: Duration::from_millis(5),
            jitter: Duration::from_millis(2),
            ..Impairment::default()
        };
        let mut world = World::with(seed, impairment, |_, _| {});
        let bytes = (seed as usize * 7919) % 60_000;
        converse(&mut world, bytes, 60_000 - bytes);
    }
}

#[test]
fn a_third_of_everything_lost() {
    for seed in 0..40 {
        let impairment = Impairment {
            loss: 0.33,
            delay: Duration::from_millis(3),
            ..Impairment::default()
        };
        let mut world = World::with(seed, impairment, |client, server| {
            client.syn_retries = 15;
            server.syn_ack_retries = 9;
            for config in [client, server] {
                config.orphan_retries = 15;
                config.rto.max = Duration::from_secs(10);
            }
        });
        converse(&mut world, 30_000, 30_000);
    }
}

#[test]
fn eight_megabytes_over_a_bad_wire_in_reasonable_time() {
    let impairment = Impairment {
        loss: 0.05,
        duplicate: 0.02,
        reorder: 0.10,
        corrupt: 0.01,
        delay: Duration::from_millis(5),
        ..Impairment::default()
    };
    let mut world = World::with(3, impairment, |_, _| {});
    let took = converse(&mut world, 8 << 20, 8 << 20);
    assert!(took < Duration::from_secs(100), "{took:?}");
}

#[test]
fn every_combination_of_options_at_either_end() {
    for bits in 0..64_u32 {
        let has = |bit: u32| bits & (1 << bit) != 0;
        let impairment = Impairment {
            loss: 0.02,
            reorder: 0.05,
            ..Impairment::default()
        };
        let mut world = World::with(u64::from(bits), impairment, |client, server| {
            client.timestamps = has(0);
            client.window_scaling = has(1);
            client.sack = has(2);
            server.timestamps = has(3);
            server.window_scaling = has(4);
            server.sack = has(5);
        });
        converse(&mut world, 200_000, 100_000);
    }
}

#[test]
fn links_of_every_size() {
    for mtu in [576, 1280, 1500, 9000, 65_535] {
        let impairment = Impairment {
            delay: Duration::from_millis(1),
            ..Impairment::default()
        };
        let mut world = World::with(5, impairment, |client, server| {
            client.mtu = mtu;
            server.mtu = 65_535;
        });
        let took = converse(&mut world, 3 << 20, 3 << 20);
        assert!(took < Duration::from_secs(2), "MTU {mtu}: {took:?}");
    }
}

#[test]
fn clocks_past_two_to_the_32_milliseconds_and_sequence_wrap() {
    // ISNs follow the clock (RFC 6528), so starting at many moments starts all around the circle.
    for step in 0..64_u64 {
        let millis = (1_u64 << 32) - 300 + step * 268_435_456 / 1000;
        let impairment = Impairment {
            loss: 0.03,
            ..Impairment::default()
        };
        let now = estab_core::Instant::from_millis(millis);
        let mut world = World::at(now, step, impairment, |_, _| {});
        converse(&mut world, 120_000, 120_000);
    }
}

#[test]
fn a_sequence_number_wraps_in_the_middle_of_a_stream() {
    let mut wrapped = 0;
    for seed in 0..400 {
        let mut world = World::with(seed, Impairment::default(), |_, _| {});
        let listener = world.listen(80);
        let (client, server) = world.establish(listener, 80);
        let status = world.client.stack.status(client).unwrap();
        if status.snd_nxt.0 < u32::MAX - (48 << 20) {
            continue;
        }
        wrapped += 1;
        let ours = Plan {
            bytes: 50 << 20,
            seed: 1,
            piece: 60_000,
        };
        let theirs = Plan {
            bytes: 0,
            seed: 2,
            piece: 60_000,
        };
        let mut near = Application::new(client, ours, theirs);
        let mut far = Application::new(server, theirs, ours);
        let done = world.run_until(Duration::from_secs(600), |world| {
            near.poll(&mut world.client, world.now);
            far.poll(&mut world.server, world.now);
            near.is_done() && far.is_done()
        });
        assert!(done && far.failed.is_none());
    }
    assert!(wrapped > 0);
}
