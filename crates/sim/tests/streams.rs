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
    world.run_for(Duration::from_secs(200));
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
