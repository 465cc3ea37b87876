//! Scripts and near-scripts by chance.

use std::net::IpAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::script::ast::*;

/// Tokens of the language in any order.
pub(super) fn soup() -> impl Strategy<Value = String> {
    const TOKENS: [&str; 64] = [
        "+0",
        "+",
        "0.1",
        "~",
        "*",
        "...",
        "<",
        ">",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "=",
        "|",
        ":",
        "!",
        "/",
        "-",
        ".",
        "S",
        "F.",
        "1:1001(1000)",
        "0:0(0)",
        "ack",
        "win",
        "urg",
        "1",
        "70000",
        "0x10",
        "mss",
        "nop",
        "sack",
        "TS",
        "val",
        "ecr",
        "wscale",
        "sackOK",
        "FO",
        "gen-30",
        "md5",
        "icmp",
        "unreachable",
        "mtu",
        "udp",
        "raw",
        "ect0",
        "tos",
        "ttl",
        "close",
        "-1",
        "EINTR",
        "\"a\"",
        "\"",
        "`b`",
        "%{ c }%",
        "--mtu",
        "#ifdef",
        "#else",
        "#endif",
        "/*",
        "\n",
    ];
    vec((select(&TOKENS[..]), any::<bool>()), 0..40).prop_map(|tokens| {
        let spaced =
            |(token, space): (&str, bool)| format!("{token}{}", if space { " " } else { "" });
        tokens.into_iter().map(spaced).collect()
    })
}

pub(super) fn any_script() -> impl Strategy<Value = Script> {
    let option = ("[a-z_]{1,9}", option::of("[ -!#-\\[\\]-~]{0,9}")).prop_filter_map(
        "needs a name of its own",
        |(name, value)| {
            (name != "define").then_some(ScriptOption {
                name,
                value,
                line: 0,
            })
        },
    );
    (
        vec(option, 0..3),
        option::of(command()),
        vec(event(), 1..6),
        option::of(command()),
    )
        .prop_map(|(options, init, events, cleanup)| Script {
            options,
            init,
            events,
            cleanup,
        })
}

fn command() -> impl Strategy<Value = Command> {
    "[a-z |>'\n]{0,12}".prop_map(|text| Command { text, line: 0 })
}

fn event() -> impl Strategy<Value = Event> {
    let packet = packet().prop_map(Action::Packet);
    let code = "[a-z]([a-z =\n]{0,9}[a-z])?".prop_map(|text| Action::Code(Code { text, line: 0 }));
    let action = prop_oneof![
        packet,
        call().prop_map(Action::Call),
        command().prop_map(Action::Command),
        code
    ];
    (action, time(), time(), 0..5).prop_map(|(mut action, a, b, kind)| {
        let (from, to) = (a.min(b), a.max(b));
        let outbound =
            matches!(&action, Action::Packet(packet) if packet.direction == Direction::Outbound);
        if let Action::Call(call) = &mut action {
            call.until = call.until.map(|_| to);
        }
        let when = match kind {
            0 => When::Absolute(from),
            1 if outbound => When::RelativeRange(from, to),
            2 if outbound => When::AbsoluteRange(from, to),
            3 if outbound => When::Any,
            _ => When::Relative(from),
        };
        Event {
            line: 0,
            text: String::new(),
            when,
            action,
        }
    })
}

fn time() -> impl Strategy<Value = Duration> {
    (0..100_u64, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds))
}

fn packet() -> impl Strategy<Value = Packet> {
    let ports = || option::of(any::<(u16, u16)>());
    let tcp = tcp().prop_map(Body::Tcp);
    let udp = any::<u16>().prop_map(Body::Udp);
    let body = prop_oneof![4 => tcp, 1 => udp, 1 => icmp().prop_map(Body::Icmp)];
    (any::<bool>(), ip(), ports(), ports(), body).prop_map(|(inbound, ip, ports, udp, mut body)| {
        let open = |option: &TcpOption| {
            matches!(
                option,
                TcpOption::Timestamps { val: None, .. } | TcpOption::Timestamps { ecr: None, .. }
            )
        };
        let mut left_open = matches!(ip.tos, Some(Tos::Ect01 | Tos::DscpEct01(_)));
        if let Body::Tcp(tcp) = &mut body {
            left_open |= tcp.any_ack || tcp.win.is_none();
            left_open |= matches!(tcp.seq, Sequence::Any { .. });
            left_open |= tcp
                .options
                .as_ref()
                .is_none_or(|options| options.iter().any(open));
        }
        let quotes_segment =
            matches!(&body, Body::Icmp(icmp) if icmp.quoted.is_some() && !icmp.quotes_udp);
        let inbound = inbound && !left_open;
        Packet {
            direction: if inbound {
                Direction::Inbound
            } else {
                Direction::Outbound
            },
            ip,
            ports: ports.filter(|_| !matches!(body, Body::Icmp(_))),
            udp: udp.filter(|_| matches!(body, Body::Tcp(_)) || quotes_segment),
            body,
        }
    })
}

fn ip() -> impl Strategy<Value = IpFields> {
    let tos = prop_oneof![
        (0..4_u8).prop_map(Tos::Ecn),
        Just(Tos::Ect01),
        any::<u8>().prop_map(Tos::Byte),
        (0..64_u8).prop_map(Tos::Dscp),
        (0..64_u8).prop_map(Tos::DscpEct01),
    ];
    (
        option::of(tos),
        option::of(any::<u8>()),
        option::of(0..=0xf_ffff_u32),
    )
        .prop_map(|(tos, ttl, flow_label)| IpFields {
            tos,
            ttl,
            flow_label,
        })
}

fn tcp() -> impl Strategy<Value = Tcp> {
    let seq = prop_oneof![
        (any::<u32>(), any::<u16>()).prop_map(|(start, len)| Sequence::At { start, len }),
        any::<u16>().prop_map(|len| Sequence::Any { len }),
    ];
    let numbers = (
        option::of(any::<u32>()),
        any::<bool>(),
        option::of(any::<u16>()),
        option::of(any::<u16>()),
    );
    (flags(), seq, numbers, option::of(options()), any::<bool>()).prop_map(
        |(flags, seq, (ack, any, win, urg), options, live)| Tcp {
            flags,
            seq,
            ack,
            any_ack: any && ack.is_none(),
            win,
            urg,
            options,
            unmapped_seq: live && matches!(seq, Sequence::At { .. }),
        },
    )
}

fn flags() -> impl Strategy<Value = TcpFlags> {
    (any::<[bool; 9]>(), option::of(0..8_u8)).prop_map(
        |([fin, syn, rst, psh, ack, urg, ece, cwr, ae], ace)| TcpFlags {
            fin,
            syn,
            rst,
            psh,
            ack,
            urg,
            ece,
            cwr,
            ae,
            // A digit stands for three of the bits, and cannot stand alone.
            ace: ace.filter(|_| !(ece || cwr || ae) && (ack || syn || fin || rst || psh || urg)),
        },
    )
}

/// Options that fit, padded as they must be.
fn options() -> impl Strategy<Value = Vec<TcpOption>> {
    let option = prop_oneof![
        any::<u16>().prop_map(TcpOption::Mss),
        Just(TcpOption::Nop),
        Just(TcpOption::Eol),
        Just(TcpOption::SackPermitted),
        any::<u8>().prop_map(TcpOption::WindowScale),
        vec(any::<(u32, u32)>(), 1..2).prop_map(TcpOption::Sack),
        any::<(Option<u32>, Option<u32>)>()
            .prop_map(|(val, ecr)| TcpOption::Timestamps { val, ecr }),
        (any::<bool>(), vec(any::<u8>(), 0..6)).prop_map(|(experimental, cookie)| {
            TcpOption::FastOpen {
                experimental,
                cookie,
            }
        }),
        (any::<u8>(), vec(any::<u8>(), 0..6))
            .prop_map(|(kind, data)| TcpOption::Other { kind, data }),
    ];
    let list = vec(option, 0..4).prop_map(|mut options| {
        let length: usize = options.iter().map(super::super::options::length).sum();
        options.extend(vec![TcpOption::Nop; (4 - length % 4) % 4]);
        options
    });
    let alone = prop_oneof![
        Just(TcpOption::Md5("valid".to_owned())),
        "[0-9a-f]{8}".prop_map(TcpOption::Md5),
    ];
    let raw = vec(any::<[u8; 4]>(), 1..4).prop_map(|words| vec![TcpOption::Raw(words.concat())]);
    let md5 = alone.prop_map(|md5| vec![TcpOption::Nop, TcpOption::Nop, md5]);
    prop_oneof![8 => list, 1 => raw, 1 => md5].prop_filter("they fit", |options| {
        let length: usize = options.iter().map(super::super::options::length).sum();
        length <= 40 && length.is_multiple_of(4)
    })
}

fn icmp() -> impl Strategy<Value = Icmp> {
    let kinds = select(vec![
        ("unreachable", Some("frag_needed"), true),
        ("unreachable", Some("no_route"), false),
        ("packet_too_big", None, true),
        ("redirect", None, false),
        ("type_3", Some("code_4"), true),
    ]);
    let quoted = prop_oneof![
        Just((None, false, None)),
        any::<(u32, u16)>().prop_map(|quoted| (Some(quoted), false, None)),
        any::<u16>().prop_map(|length| (Some((0, length)), true, None)),
        any::<u16>().prop_map(|length| (None, false, Some(length))),
    ];
    (kinds, 1..0xffff_u32, option::of(any::<u16>()), quoted).prop_map(
        |((kind, code, has_mtu), mtu, id, (quoted, quotes_udp, raw))| Icmp {
            kind: kind.to_owned(),
            code: code.map(str::to_owned),
            mtu: has_mtu.then_some(mtu),
            quoted,
            quotes_udp,
            raw,
            id,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let name = "[a-z]{1,9}";
    let errno = option::of("E[A-Z]{1,9}");
    let note = option::of("[A-Z][a-z]{1,5}( [a-z]{1,5}){0,3}");
    (
        option::of(time()),
        name,
        vec(expression(), 0..4),
        expression(),
        errno,
        note,
    )
        .prop_map(|(until, name, arguments, result, errno, note)| Call {
            until,
            name,
            arguments,
            result,
            errno,
            note,
        })
}

/// Operands of `|` are single ones: the language has no brackets for more.
fn expression() -> impl Strategy<Value = Expression> {
    let address = any::<IpAddr>().prop_map(Expression::Address);
    let single = prop_oneof![
        Just(Expression::Ellipsis),
        any::<i64>().prop_map(Expression::Integer),
        vec(any::<u8>(), 0..9).prop_map(Expression::String),
        "[A-Z]{2,9}".prop_map(Expression::Word),
        any::<u16>().prop_map(Expression::Port),
        address,
        (-1.0e9..1.0e9).prop_map(Expression::Float),
    ];
    single.prop_recursive(4, 16, 4, |inner| {
        let word = || "[A-Z]{2,9}".prop_map(Expression::Word);
        let not = word().prop_map(|word| Expression::Not(Box::new(word)));
        let or = (word(), prop_oneof![word(), not.boxed()]);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Expression::List),
            vec(field(inner.clone()), 0..4).prop_map(Expression::Record),
            or.prop_map(|(left, right)| Expression::Or(Box::new(left), Box::new(right))),
            inner.prop_map(|value| Expression::List(vec![Expression::Assign(
                "a".to_owned(),
                Box::new(value)
            )])),
        ]
    })
}

fn field(inner: impl Strategy<Value = Expression> + Clone) -> impl Strategy<Value = Field> {
    let name = option::of(("[a-z]{2,9}", option::of(inner.clone())));
    (name, inner).prop_map(|(name, value)| {
        let (name, argument) = name.map_or((None, None), |(name, argument)| (Some(name), argument));
        Field {
            name,
            argument,
            value,
        }
    })
}
