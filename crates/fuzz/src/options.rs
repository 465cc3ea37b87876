//! `options`: any bytes in the option space of a segment. etherparse reads well-formed options alike, written back
//! they fit and say the same, and connections in every stage of opening and use bear them.
//!
//! The first byte: bit 0 SYN, bit 1 ACK, bits 2 to 4 the settings of the stack, bit 5 IPv6. Then the options.

use estab_core::{Checksum, Flags, Options, SackBlock, SackBlocks, SeqNumber, Timestamps, fuzzing};
use etherparse::{TcpHeader, TcpOptionElement, TcpOptions};

use crate::headers;
use crate::world::World;

/// The option space of the longest header.
const SPACE: usize = 40;

/// The target.
pub fn run(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else {
        return;
    };
    let bytes = &bytes[..bytes.len().min(SPACE)];
    let mut flags = Flags::empty();
    flags.set(Flags::SYN, how & 1 != 0);
    flags.set(Flags::ACK, how & 2 != 0);
    compare_with_etherparse(flags, bytes);
    meet_a_stack([*how >> 2, *how >> 5, 0, 0], bytes);
}

fn compare_with_etherparse(flags: Flags, bytes: &[u8]) {
    let mut header = TcpHeader::new(20_000, 80, 1, 1000);
    header.syn = flags.contains(Flags::SYN);
    header.ack = flags.contains(Flags::ACK);
    header.options = TcpOptions::try_from_slice(bytes).expect("they fit");
    let packet = packet_of(&mut header);
    let segment = fuzzing::parse(&packet, Checksum::Unknown)
        .expect("options do not make a segment unusable")
        .expect("it is a segment");
    if let Some(expected) = decoded(&header) {
        assert_eq!(segment.options, expected, "{bytes:x?}");
    }
    assert!(segment.options.sack.len() <= 4);
    assert!(segment.options.window_scale.is_none_or(|shift| shift <= 14));
    headers::write_back(&segment);
}

/// The packet of a segment without data.
fn packet_of(header: &mut TcpHeader) -> Vec<u8> {
    let (source, destination) = ([198, 18, 0, 2], [198, 18, 0, 1]);
    header.checksum = header
        .calc_checksum_ipv4_raw(source, destination, &[])
        .expect("it is short");
    let length = header.header_len_u16();
    let protocol = etherparse::ip_number::TCP;
    let mut ip = etherparse::Ipv4Header::new(length, 64, protocol, source, destination)
        .expect("it is short");
    ip.header_checksum = ip.calc_header_checksum();
    [&ip.to_bytes()[..], &header.to_bytes()].concat()
}

/// The options as etherparse reads them, if it finds nothing wrong with them.
fn decoded(header: &TcpHeader) -> Option<Options> {
    let mut options = Options::default();
    for element in header.options_iterator() {
        match element.ok()? {
            TcpOptionElement::Noop => {}
            TcpOptionElement::Timestamp(value, echo) => {
                options.timestamps = Some(Timestamps { value, echo });
            }
            TcpOptionElement::SelectiveAcknowledgement(first, rest) => {
                options.sack = SackBlocks::default();
                for (left, right) in [Some(first)].into_iter().chain(rest).flatten() {
                    let (left, right) = (SeqNumber(left), SeqNumber(right));
                    options.sack.push(SackBlock { left, right });
                }
            }
            // What only a SYN may say.
            _ if !header.syn => {}
            TcpOptionElement::MaximumSegmentSize(mss) => options.mss = Some(mss),
            TcpOptionElement::WindowScale(shift) => options.window_scale = Some(shift.min(14)),
            TcpOptionElement::SelectiveAcknowledgementPermitted => options.sack_permitted = true,
        }
    }
    Some(options)
}

/// A SYN, the ACK that follows, and data, all with these options; what was written waits to be acknowledged.
fn meet_a_stack(settings: [u8; 4], bytes: &[u8]) {
    let mut world = World::new(settings);
    world.raw_options = Some(bytes.to_vec());
    for step in SCENE {
        world.step(&step.into());
    }
    world.end(true);
}

/// One to be accepted, one to be connected; see `world::step` for the bytes.
const SCENE: [[u8; 8]; 9] = [
    [0, 0x80, 0x02, 0, 0, 0, 0, 255], // SYN
    [0, 0, 0x10, 0, 0, 0, 0, 255],    // its ACK
    [8, 0, 0, 0, 0, 0, 0, 0],         // accept
    [10, 0, 0, 0, 0, 200, 0, 0],      // write
    [0, 0, 0x18, 0, 0, 9, 1, 255],    // data, acknowledging nothing new
    [7, 0, 0, 0, 0, 0, 0, 0],         // connect
    [0, 1, 0x12, 0, 0, 0, 0, 255],    // SYN,ACK
    [10, 1, 0, 0, 0, 200, 0, 0],      // write
    [0, 1, 0x18, 0, 0, 9, 1, 255],    // data
];
