//! Stacks that do wrong what estab does right: the runner must notice.

use std::time::Duration;

use estab_sim::script::run::run;
use estab_sim::script::{CallId, Outcome, Sent, Setting, Subject, parse};
use estab_sim::sockets::{Call, Fd, TcpInfo};

use super::*;

/// estab behind somebody who changes what it sends.
struct Forger<F>(Bench, F);

impl<F: FnMut(&mut Vec<u8>)> Subject for Forger<F> {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn next_packet(&mut self, until: Duration) -> Option<Sent> {
        let mut sent = self.0.next_packet(until)?;
        self.1(&mut sent.packet);
        Some(sent)
    }

    fn wait(&mut self, until: Duration) {
        self.0.wait(until);
    }

    fn inject(&mut self, packet: &[u8]) {
        self.0.inject(packet);
    }

    fn call(&mut self, call: Call) -> CallId {
        self.0.call(call)
    }

    fn outcome(&mut self, id: CallId) -> Option<Outcome> {
        self.0.outcome(id)
    }

    fn tcp_info(&mut self, fd: Fd) -> Option<TcpInfo> {
        self.0.tcp_info(fd)
    }

    fn sysctl(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.0.sysctl(name, value)
    }

    fn setting(&self, name: &str) -> Setting {
        self.0.setting(name)
    }

    fn states(&mut self) -> Vec<(String, u16)> {
        self.0.states()
    }

    fn drop_state(&mut self, state: &str) {
        self.0.drop_state(state);
    }
}

fn forged(text: &str, forge: impl FnMut(&mut Vec<u8>)) -> Report {
    let script = parse(text, &Settings::default()).expect("a script");
    let config = Config::default();
    run(&script, &config, &mut Forger(bench(&config), forge))
}

/// Gives an IPv4 packet with TCP its checksums again.
fn mend(packet: &mut [u8]) {
    let sum = |bytes: &[u8], mut sum: u32| {
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    };
    packet[10..12].fill(0);
    let ip = sum(&packet[..20], 0);
    packet[10..12].copy_from_slice(&ip.to_be_bytes());
    packet[36..38].fill(0);
    let len = (packet.len() - 20) as u32;
    let pseudo = packet[12..20]
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let start = pseudo.sum::<u32>() + 6 + len;
    let tcp = sum(&packet[20..], start);
    packet[36..38].copy_from_slice(&tcp.to_be_bytes());
}

const TRANSFER: &str = "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n";

#[test]
fn a_packet_as_estab_sends_it_passes_behind_the_forger_too() {
    assert_passed(&forged(&server(TRANSFER), |_| ()));
    assert_passed(&forged(&server(TRANSFER), |packet| mend(packet)));
}

#[test]
fn a_wrong_checksum_is_noticed() {
    for (place, said) in [
        (11, "its IPv4 header checksum is wrong"),
        (37, "its TCP checksum is wrong"),
    ] {
        let report = forged(&server(TRANSFER), |packet| packet[place] ^= 1);
        assert_failed(&report, 6, &["the stack sent a packet that is wrong", said]);
    }
}

#[test]
fn a_wrong_byte_in_the_stream_is_noticed() {
    let report = forged(&server(TRANSFER), |packet| {
        if packet.len() == 140 {
            packet[40 + 30] ^= 1;
            mend(packet);
        }
    });
    assert_failed(
        &report,
        12,
        &["payload: byte 30 is not the one that was written there"],
    );
}

#[test]
fn a_reserved_bit_is_noticed() {
    let report = forged(&server(TRANSFER), |packet| {
        packet[32] |= 2;
        mend(packet);
    });
    assert_failed(&report, 6, &["reserved bits: expected 0, was 1"]);
}

#[test]
fn a_packet_to_nowhere_is_noticed() {
    let report = forged(&server(TRANSFER), |packet| {
        if packet.len() == 140 {
            packet[23] ^= 1;
            mend(packet);
        }
    });
    assert_failed(&report, 12, &["of no connection"]);
}
