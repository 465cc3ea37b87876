//! Small scripts that between them use the whole language.

use super::Seeds;

/// Each in the dialect it is for, some in both.
pub(super) fn all() -> Seeds {
    let mut seeds = Seeds::new();
    for (number, script) in SCRIPTS.iter().enumerate() {
        for how in [0_u8, 3] {
            let bytes = [&[how], script.as_bytes()].concat();
            seeds.insert(format!("script-{number:02}-{how}"), bytes);
        }
    }
    seeds
}

const SCRIPTS: &[&str] = &[
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n",
    "+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>\n\
     +0 > S. 0:0(0) ack 1 <...>\n+.1 < . 1:1(0) ack 1 win 257\n",
    "0.000 > P. 1:1001(1000) ack 1\n0.1~0.3 > F. 1001:1001(0) ack 1\n* > R. 1:1(0) ack 2 win 0\n",
    "+0~+.2 > . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 200>\n",
    "+0 < SEW 0:0(0) win 1 <mss 536,nop,wscale 14,nop,nop,TS val 1 ecr 0>\n+0 > SE. 0:0(0) ack 1\n",
    "+0 < . 1:1(0) ack 1 win 0 <nop,nop,sack 1001:2001 3001:4001>\n",
    "+0 < [ect0] P. 1:11(10) ack 1 win 100\n+0 > [ce] . 1:1(0) ack 11\n+0 < (tos 0x10, ttl 64) - 1:1(0)\n",
    "+0 < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]\n+0 < icmp unreachable host_unreachable [1:1(0)]\n",
    "--ip_version=ipv6\n+0 < icmp packet_too_big mtu 1280 [1:1001(1000)]\n",
    "--tolerance_usecs=10000\n--local_ip=192.0.2.1\n--mtu=1500\n--tcp_ts_tick_usecs=1000\n+0 close(3) = 0\n",
    "`../common/defaults.sh`\n+0 close(3) = 0\n`true`\n",
    "+0 `sysctl -q net.ipv4.tcp_timestamps=0`\n+.5 %{ assert tcpi_state == TCP_CLOSE }%\n",
    "+0...0.2 connect(3, ..., ...) = 0\n+0 read(3, ..., 1000) = -1 ECONNRESET (Connection reset by peer)\n",
    "+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0\n\
     +0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)\n",
    "+0 bind(3, {sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr(\"192.0.2.1\")}, 16) = 0\n",
    "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 1000) = 1\n",
    "+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 1000}, {..., 500}], msg_flags=0}, 0) = 1500\n",
    "#ifdef FreeBSD\n+0 close(3) = 0\n#else\n+0 close(4) = 0 // a comment\n#endif\n+0 close(5) = 0\n",
    "+0 write(4, \"a\\tb\\x41\\n\", 4) = 4\n+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n",
    "+0 < S 0:0(0) win 65535 <FO abcdef0123456789,nop,nop>\n+0 > S. 0:0(0) ack 1 <mss 1460,FOEXP,nop,nop,nop,eol>\n",
    "+0 < R 1:1(0)\n+0 > . ...(0) ack 1\n+0 < . 5:5(0)! ack 1 win 9 urg 1\n",
    "+0 < udp (100)\n+0 > (hlim 1, class 2) icmp echo_request id 1 [raw (8)]\n",
    "+0 ioctl(4, SIOCINQ, [1000]) = 0\n+0 accept(3, ..., ...) = 4\n+0 shutdown(4, SHUT_WR) = 0\n",
    "no script at all \"\n",
    "+0 < S 0:0(0) win",
];
