//! The names a script may write, with Linux's numbers. FreeBSD's own names have numbers of ours, above any
//! that Linux uses.

use super::Errno;

macro_rules! symbols {
    ($($name:ident = $value:expr;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            #[allow(non_upper_case_globals, reason = "the spelling is Linux's")]
            pub const $name: i32 = $value;
        )*

        /// The constants, by name.
        const TABLE: &[(&str, i32)] = &[$((stringify!($name), $value),)*];
    };
}

/// The number of a name: `AF_INET`, `SO_RCVBUF`, `EAGAIN`, …
#[must_use]
pub fn symbol(name: &str) -> Option<i64> {
    let known = TABLE.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, value)| i64::from(*value))
        .or_else(|| Errno::named(name).map(|errno| i64::from(errno.0)))
}

symbols! {
    // Families, kinds, protocols.
    AF_UNSPEC = 0;
    AF_INET = 2;
    AF_INET6 = 10;
    PF_INET = 2;
    PF_INET6 = 10;
    SOCK_STREAM = 1;
    SOCK_DGRAM = 2;
    SOCK_RAW = 3;
    SOCK_NONBLOCK = 0o4000;
    SOCK_CLOEXEC = 0o2_000_000;
    IPPROTO_IP = 0;
    IPPROTO_ICMP = 1;
    IPPROTO_TCP = 6;
    IPPROTO_UDP = 17;
    IPPROTO_IPV6 = 41;
    IPPROTO_ICMPV6 = 58;
    IPPROTO_SCTP = 132;
    IPPROTO_MPTCP = 262;
    INADDR_ANY = 0;
    SOL_SOCKET = 1;
    SOL_IP = 0;
    SOL_TCP = 6;
    SOL_UDP = 17;
    SOL_IPV6 = 41;
    SOMAXCONN = 4096;
    // Options of every socket.
    SO_DEBUG = 1;
    SO_REUSEADDR = 2;
    SO_TYPE = 3;
    SO_ERROR = 4;
    SO_DONTROUTE = 5;
    SO_BROADCAST = 6;
    SO_SNDBUF = 7;
    SO_RCVBUF = 8;
    SO_KEEPALIVE = 9;
    SO_OOBINLINE = 10;
    SO_NO_CHECK = 11;
    SO_PRIORITY = 12;
    SO_LINGER = 13;
    SO_BSDCOMPAT = 14;
    SO_REUSEPORT = 15;
    SO_PASSCRED = 16;
    SO_PEERCRED = 17;
    SO_RCVLOWAT = 18;
    SO_SNDLOWAT = 19;
    SO_RCVTIMEO = 20;
    SO_SNDTIMEO = 21;
    SO_BINDTODEVICE = 25;
    SO_TIMESTAMP = 29;
    SO_ACCEPTCONN = 30;
    SO_SNDBUFFORCE = 32;
    SO_RCVBUFFORCE = 33;
    SO_MARK = 36;
    SO_TIMESTAMPING = 37;
    SO_PROTOCOL = 38;
    SO_DOMAIN = 39;
    SO_BUSY_POLL = 46;
    SO_MAX_PACING_RATE = 47;
    SO_INCOMING_CPU = 49;
    SO_INCOMING_NAPI_ID = 56;
    SO_COOKIE = 57;
    SO_ZEROCOPY = 60;
    SO_TXREHASH = 74;
    // Options of TCP.
    TCP_NODELAY = 1;
    TCP_MAXSEG = 2;
    TCP_CORK = 3;
    TCP_KEEPIDLE = 4;
    TCP_KEEPINTVL = 5;
    TCP_KEEPCNT = 6;
    TCP_SYNCNT = 7;
    TCP_LINGER2 = 8;
    TCP_DEFER_ACCEPT = 9;
    TCP_WINDOW_CLAMP = 10;
    TCP_INFO = 11;
    TCP_QUICKACK = 12;
    TCP_CONGESTION = 13;
    TCP_MD5SIG = 14;
    TCP_THIN_LINEAR_TIMEOUTS = 16;
    TCP_THIN_DUPACK = 17;
    TCP_USER_TIMEOUT = 18;
    TCP_REPAIR = 19;
    TCP_FASTOPEN = 23;
    TCP_TIMESTAMP = 24;
    TCP_NOTSENT_LOWAT = 25;
    TCP_CC_INFO = 26;
    TCP_SAVE_SYN = 27;
    TCP_SAVED_SYN = 28;
    TCP_FASTOPEN_CONNECT = 30;
    TCP_ULP = 31;
    TCP_MD5SIG_EXT = 32;
    TCP_FASTOPEN_KEY = 33;
    TCP_FASTOPEN_NO_COOKIE = 34;
    TCP_ZEROCOPY_RECEIVE = 35;
    TCP_INQ = 36;
    TCP_CM_INQ = 36;
    TCP_TX_DELAY = 37;
    // FreeBSD's alone.
    TCP_NOPUSH = 0x1_0001;
    TCP_NOOPT = 0x1_0002;
    TCP_KEEPINIT = 0x1_0003;
    TCP_FUNCTION_BLK = 0x1_0004;
    TCP_REMOTE_UDP_ENCAPS_PORT = 0x1_0005;
    TCP_DELACK = 0x1_0006;
    TCP_LOG = 0x1_0007;
    TCP_RACK_PACE_RATE_SS = 0x1_0010;
    TCP_RACK_PACE_MAX_SEG = 0x1_0011;
    TCP_RACK_PACE_ALWAYS = 0x1_0012;
    TCP_MAXUNACKTIME = 0x1_0013;
    SO_NOSIGPIPE = 0x1_0020;
    SO_REUSEPORT_LB = 0x1_0021;
    SO_USELOOPBACK = 0x1_0022;
    IPV6_USE_MIN_MTU = 0x1_0030;
    // Options of IP.
    IP_TOS = 1;
    IP_TTL = 2;
    IP_OPTIONS = 4;
    IP_RECVOPTS = 6;
    IP_PKTINFO = 8;
    IP_MTU_DISCOVER = 10;
    IP_RECVERR = 11;
    IP_RECVTTL = 12;
    IP_RECVTOS = 13;
    IP_MTU = 14;
    IP_FREEBIND = 15;
    IP_TRANSPARENT = 19;
    IP_MINTTL = 21;
    IP_BIND_ADDRESS_NO_PORT = 24;
    IP_PMTUDISC_DONT = 0;
    IP_PMTUDISC_WANT = 1;
    IP_PMTUDISC_DO = 2;
    IP_PMTUDISC_PROBE = 3;
    IP_PMTUDISC_INTERFACE = 4;
    IP_PMTUDISC_OMIT = 5;
    IPV6_UNICAST_HOPS = 16;
    IPV6_MTU_DISCOVER = 23;
    IPV6_MTU = 24;
    IPV6_RECVERR = 25;
    IPV6_V6ONLY = 26;
    IPV6_HOPLIMIT = 52;
    IPV6_RECVTCLASS = 66;
    IPV6_TCLASS = 67;
    IPV6_MINHOPCOUNT = 73;
    IPTOS_LOWDELAY = 0x10;
    IPTOS_THROUGHPUT = 0x08;
    IPTOS_RELIABILITY = 0x04;
    IPTOS_MINCOST = 0x02;
    IPTOS_DSCP_CS0 = 0x00;
    IPTOS_DSCP_CS1 = 0x20;
    IPTOS_DSCP_CS2 = 0x40;
    IPTOS_DSCP_CS3 = 0x60;
    IPTOS_DSCP_CS4 = 0x80;
    IPTOS_DSCP_CS5 = 0xa0;
    IPTOS_DSCP_CS6 = 0xc0;
    IPTOS_DSCP_CS7 = 0xe0;
    IPTOS_DSCP_EF = 0xb8;
    // Flags of send and receive.
    MSG_OOB = 0x1;
    MSG_PEEK = 0x2;
    MSG_DONTROUTE = 0x4;
    MSG_CTRUNC = 0x8;
    MSG_TRUNC = 0x20;
    MSG_DONTWAIT = 0x40;
    MSG_EOR = 0x80;
    MSG_WAITALL = 0x100;
    MSG_FIN = 0x200;
    MSG_SYN = 0x400;
    MSG_RST = 0x1000;
    MSG_ERRQUEUE = 0x2000;
    MSG_NOSIGNAL = 0x4000;
    MSG_MORE = 0x8000;
    MSG_ZEROCOPY = 0x400_0000;
    MSG_FASTOPEN = 0x2000_0000;
    MSG_CMSG_CLOEXEC = 0x4000_0000;
    // fcntl and open.
    F_DUPFD = 0;
    F_GETFD = 1;
    F_SETFD = 2;
    F_GETFL = 3;
    F_SETFL = 4;
    F_SETOWN = 8;
    F_GETOWN = 9;
    F_DUPFD_CLOEXEC = 1030;
    FD_CLOEXEC = 1;
    O_RDONLY = 0;
    O_WRONLY = 1;
    O_RDWR = 2;
    O_CREAT = 0o100;
    O_EXCL = 0o200;
    O_TRUNC = 0o1000;
    O_APPEND = 0o2000;
    O_NONBLOCK = 0o4000;
    O_NDELAY = 0o4000;
    O_ASYNC = 0o20000;
    O_DIRECT = 0o40000;
    O_NOATIME = 0o1_000_000;
    O_CLOEXEC = 0o2_000_000;
    // poll.
    POLLIN = 0x1;
    POLLPRI = 0x2;
    POLLOUT = 0x4;
    POLLERR = 0x8;
    POLLHUP = 0x10;
    POLLNVAL = 0x20;
    POLLRDNORM = 0x40;
    POLLRDBAND = 0x80;
    POLLWRNORM = 0x100;
    POLLWRBAND = 0x200;
    POLLMSG = 0x400;
    POLLRDHUP = 0x2000;
    POLLINIT = 0;
    // shutdown.
    SHUT_RD = 0;
    SHUT_WR = 1;
    SHUT_RDWR = 2;
    // ioctl.
    SIOCATMARK = 0x8905;
    FIONREAD = 0x541b;
    SIOCINQ = 0x541b;
    TIOCINQ = 0x541b;
    TIOCOUTQ = 0x5411;
    SIOCOUTQ = 0x5411;
    FIONWRITE = 0x5411;
    FIONBIO = 0x5421;
    SIOCOUTQNSD = 0x894b;
    FIONSPACE = 0x1_0040;
    // The states of TCP_INFO.
    TCP_ESTABLISHED = 1;
    TCP_SYN_SENT = 2;
    TCP_SYN_RECV = 3;
    TCP_FIN_WAIT1 = 4;
    TCP_FIN_WAIT2 = 5;
    TCP_TIME_WAIT = 6;
    TCP_CLOSE = 7;
    TCP_CLOSE_WAIT = 8;
    TCP_LAST_ACK = 9;
    TCP_LISTEN = 10;
    TCP_CLOSING = 11;
    TCP_CA_Open = 0;
    TCP_CA_Disorder = 1;
    TCP_CA_CWR = 2;
    TCP_CA_Recovery = 3;
    TCP_CA_Loss = 4;
    TCPI_OPT_TIMESTAMPS = 1;
    TCPI_OPT_SACK = 2;
    TCPI_OPT_WSCALE = 4;
    TCPI_OPT_ECN = 8;
    TCPI_OPT_ECN_SEEN = 16;
    TCPI_OPT_SYN_DATA = 32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_numbers_of_linux() {
        assert_eq!(symbol("SO_RCVBUF"), Some(8));
        assert_eq!(symbol("O_NONBLOCK"), Some(2048));
        assert_eq!(symbol("SIOCOUTQNSD"), Some(0x894b));
        assert_eq!(symbol("EWOULDBLOCK"), Some(11));
        assert_eq!(symbol("TCP_CA_Recovery"), Some(3));
        assert_eq!(symbol("NO_SUCH_NAME"), None);
    }

    #[test]
    fn no_name_stands_twice() {
        for (place, (name, _)) in TABLE.iter().enumerate() {
            let first = TABLE.iter().position(|(other, _)| other == name);
            assert_eq!(first, Some(place), "{name}");
            assert!(Errno::named(name).is_none(), "{name}");
        }
    }
}
