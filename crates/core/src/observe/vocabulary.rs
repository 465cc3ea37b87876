//! The reasons. Each is declared once: its name, its sentence and the rule it follows.

use core::fmt;

/// Who began something: the application on this end, the peer, or the stack itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// The application on this end, by a call.
    Local,
    /// The other end, by a segment.
    Peer,
    /// The stack, by a timer or a limit, or the network by ICMP.
    Stack,
}

macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($variant:ident: $text:literal, $rule:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = concat!($text, " (", $rule, ").")] $variant,)*
        }

        impl $name {
            /// Every value, in declaration order: `ALL[x as usize] == x`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, as counters and JSON spell it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// One sentence for people, without a full stop.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The section that says so.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => $rule,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text())
            }
        }
    };
}

vocabulary! {
    /// Why a state changed.
    Cause {
        // Calls of the application.
        Listen: "the application listens", "RFC 9293 §3.10.1";
        Connect: "the application connects", "RFC 9293 §3.10.1";
        Close: "the application closes", "RFC 9293 §3.10.4";
        ShutdownWrite: "the application shuts down its sending side", "RFC 9293 §3.6";
        Abort: "the application aborts", "RFC 9293 §3.10.5";
        LingerZero: "the application closes with a linger time of zero", "RFC 9293 §3.10.5";
        CloseUnread: "the application closes with data unread", "RFC 2525 §2.17";
        ListenerClosed: "the listener is closed with this child pending", "RFC 9293 §3.10.4";
        Reconnect: "the application connects anew from TIME-WAIT", "RFC 7323, appendix B.2";
        // Segments.
        Syn: "SYN received", "RFC 9293 §3.10.7.2";
        SynAck: "SYN,ACK received", "RFC 9293 §3.10.7.3";
        SimultaneousSyn: "SYN received while our own is under way", "RFC 9293 §3.10.7.3";
        AckOfSyn: "our SYN is acknowledged", "RFC 9293 §3.10.7.4";
        Cookie: "an ACK brings back our SYN cookie", "RFC 4987 §3.6";
        Fin: "FIN received", "RFC 9293 §3.10.7.4";
        AckOfFin: "our FIN is acknowledged", "RFC 9293 §3.10.7.4";
        Reset: "RST received at exactly RCV.NXT", "RFC 5961 §3.2";
        ResetInWindow: "RST received inside the window", "RFC 9293 §3.10.7.4";
        ResetInSynSent: "RST received in answer to our SYN", "RFC 9293 §3.10.7.3";
        ResetInTimeWait: "RST received in TIME-WAIT", "RFC 1337 §3";
        SynInWindow: "SYN received inside the window", "RFC 9293 §3.10.7.4";
        OtherSyn: "another SYN received for a half-open connection", "RFC 9293 §3.10.7.4";
        SynInTimeWait: "a new SYN received in TIME-WAIT", "RFC 9293 §3.6.1";
        DataAfterClose: "data received after the application closed", "RFC 1122 §4.2.2.13";
        // Timers.
        SynRetries: "our SYN was never answered", "RFC 9293 §3.8.3";
        SynAckRetries: "our SYN,ACK was never acknowledged", "RFC 9293 §3.8.3";
        DataRetries: "our data was never acknowledged", "RFC 9293 §3.8.3";
        OrphanRetries: "nobody owns the connection and the peer does not answer", "RFC 9293 §3.8.3";
        UserTimeout: "the user timeout passed", "RFC 9293 §3.10.8";
        KeepAlive: "keep-alive probes went unanswered", "RFC 9293 §3.8.4";
        Linger: "the linger time passed before everything was acknowledged", "RFC 9293 §3.10.5";
        FinWait2Timeout: "nobody owns the connection and the peer's FIN never came", "RFC 9293 §3.6";
        TimeWaitExpired: "2 MSL passed", "RFC 9293 §3.6.1";
        // Limits and the network.
        TimeWaitEvicted: "the TIME-WAIT table is full", "RFC 9293 §3.6.1";
        TimeWaitSkipped: "2 MSL is configured as zero", "RFC 9293 §3.6.1";
        Shed: "a newer child took the place in the accept queue", "RFC 9293 §3.10.5";
        AcceptOverflow: "the accept queue is full", "RFC 9293 §3.10.5";
        NoMemory: "no connection slot is left", "RFC 9293 §3.10.1";
        Unreachable: "the network says the destination is unreachable", "RFC 5461 §2.1";
        Refused: "the network says that nobody listens at the destination", "RFC 1122 §4.2.3.9";
        Shutdown: "the stack shuts down", "RFC 9293 §3.10.5";
    }
}

impl Cause {
    /// Who began it.
    #[must_use]
    pub const fn initiator(self) -> Initiator {
        use Cause::*;
        match self {
            Listen | Connect | Close | ShutdownWrite | Abort | LingerZero | CloseUnread
            | ListenerClosed | Reconnect => Initiator::Local,
            Syn | SynAck | SimultaneousSyn | AckOfSyn | Cookie | Fin | AckOfFin | Reset
            | ResetInWindow | ResetInSynSent | ResetInTimeWait | SynInWindow | OtherSyn
            | SynInTimeWait | DataAfterClose => Initiator::Peer,
            SynRetries | SynAckRetries | DataRetries | OrphanRetries | UserTimeout | KeepAlive
            | Linger | FinWait2Timeout | TimeWaitExpired | TimeWaitEvicted | TimeWaitSkipped
            | Shed | AcceptOverflow | NoMemory | Unreachable | Refused | Shutdown => {
                Initiator::Stack
            }
        }
    }

    /// Whether an arriving segment caused it (and not a call, a timer or a limit).
    #[must_use]
    pub const fn is_arrival(self) -> bool {
        matches!(self.initiator(), Initiator::Peer)
    }
}

vocabulary! {
    /// What the network said of what a connection sent (RFC 9293 §3.9.2.2).
    NetworkError {
        Network: "no route leads to the network", "RFC 1122 §3.2.2.1";
        Host: "the host does not answer on its link, or is unknown", "RFC 1122 §3.2.2.1";
        Protocol: "the host does not speak TCP", "RFC 1122 §4.2.3.9";
        Port: "nobody listens on the port", "RFC 1122 §4.2.3.9";
        SourceRoute: "the source route failed", "RFC 1122 §3.2.2.1";
        Prohibited: "an administrator forbids it", "RFC 1122 §3.2.2.1";
        TimeExceeded: "the TTL ran out, or a fragment was missing too long", "RFC 1122 §3.2.2.4";
        ParameterProblem: "something in the headers was not understood", "RFC 1122 §3.2.2.5";
    }
}

vocabulary! {
    /// Why an arriving packet, or a part of it, was not used.
    DiscardReason {
        // Below TCP.
        NotIp: "neither IPv4 nor IPv6", "RFC 791 §3.1";
        IpHeader: "the IP header is malformed or cut short", "RFC 791 §3.1";
        IpChecksum: "the IPv4 header checksum is wrong", "RFC 1122 §3.2.1.2";
        IpFragment: "an IP fragment; estab does not reassemble them", "RFC 9293 §3.7";
        NotForUs: "addressed to somebody else", "RFC 1122 §3.2.1.3";
        BadSource: "no host can have this source address", "RFC 9293 §3.9.2.3";
        Protocol: "neither TCP nor ICMP", "RFC 1122 §3.2.2.1";
        IcmpHeader: "the ICMP message is malformed or cut short", "RFC 792";
        IcmpChecksum: "the ICMP checksum is wrong", "RFC 792";
        IcmpUnhandled: "an ICMP message that asks for nothing", "RFC 1122 §3.2.2";
        IcmpNoConnection: "an ICMP error about no connection of ours", "RFC 5927 §4";
        IcmpSequence: "an ICMP error about data not in flight", "RFC 5927 §4.1";
        IcmpMtu: "a path MTU that is none, or no smaller one", "RFC 8201 §4";
        TcpHeader: "the TCP header is malformed or cut short", "RFC 9293 §3.1";
        TcpChecksum: "the TCP checksum is wrong", "RFC 9293 §3.1";
        // No connection.
        NoConnection: "no connection and no listener", "RFC 9293 §3.10.7.1";
        ResetToNobody: "a RST for no connection", "RFC 9293 §3.10.7.1";
        NotASyn: "no SYN for a listener", "RFC 9293 §3.10.7.2";
        AckToListener: "an ACK for a listener", "RFC 9293 §3.10.7.2";
        SynFin: "SYN with FIN or RST", "RFC 9293 §3.10.7.2";
        // A connection, but not like this.
        NoAck: "no ACK bit in a synchronized state", "RFC 9293 §3.10.7.4";
        OutsideWindow: "outside the receive window", "RFC 9293 §3.10.7.4";
        OldDuplicate: "everything in it was received before", "RFC 9293 §3.10.7.4";
        Paws: "its timestamp is older than the last", "RFC 7323 §5.3";
        NoTimestamp: "no timestamp although they were agreed", "RFC 7323 §3.2";
        ResetInexact: "a RST inside the window but not at RCV.NXT", "RFC 5961 §3.2";
        ResetOutside: "a RST outside the window", "RFC 5961 §3.2";
        ResetUnacceptable: "a RST without an acceptable ACK in SYN-SENT", "RFC 9293 §3.10.7.3";
        ResetInTimeWait: "a RST cannot end TIME-WAIT", "RFC 1337 §3";
        SynInWindow: "a SYN in a synchronized state", "RFC 5961 §4.2";
        AckUnsent: "acknowledges what was never sent", "RFC 5961 §5.2";
        AckOld: "acknowledges too far back", "RFC 5961 §5.2";
        AckUnacceptable: "its ACK does not acknowledge our SYN", "RFC 9293 §3.10.7.3";
        OldSynInTimeWait: "an old SYN in TIME-WAIT", "RFC 6191 §2";
        InTimeWait: "an old duplicate in TIME-WAIT", "RFC 9293 §3.10.7.4";
        AfterFin: "data after the peer's FIN", "RFC 9293 §3.10.7.4";
        ReassemblyFull: "too many holes to hold this out-of-order data", "RFC 9293 §3.10.7.4";
        // Limits.
        SynQueueFull: "the SYN queue is full", "RFC 4987 §2";
        AcceptQueueFull: "the listener's accept queue is full", "RFC 9293 §3.10.1";
        ReplyQueueFull: "too many answers wait to be sent", "RFC 5961 §10";
    }
}

vocabulary! {
    /// Why a connection or a listener was refused to somebody who asked.
    RefusalReason {
        SynQueueFull: "the SYN queue is full", "RFC 4987 §2";
        AcceptQueueFull: "the listener's accept queue is full", "RFC 9293 §3.10.1";
        ConnectionLimit: "no connection slot is left", "RFC 9293 §3.10.1";
        TimeWaitLimit: "the TIME-WAIT table is full", "RFC 9293 §3.6.1";
        PortsExhausted: "no ephemeral port is free", "RFC 6056 §3.3";
        AddressInUse: "the address is in use", "RFC 9293 §3.10.1";
        TimeWaitHoldsPort: "a connection in TIME-WAIT holds the port", "RFC 9293 §3.6.1";
        AddressNotOurs: "the address is not one of ours", "RFC 9293 §3.9.2.3";
        ListenerLimit: "no listener slot is left", "RFC 9293 §3.10.1";
    }
}

vocabulary! {
    /// Why a RST was sent.
    ResetReason {
        NoConnection: "a segment for no connection", "RFC 9293 §3.10.7.1";
        AckToListener: "an ACK for a listener", "RFC 9293 §3.10.7.2";
        AckUnacceptable: "an ACK that does not acknowledge our SYN", "RFC 9293 §3.5.2";
        SynInWindow: "a SYN inside the window", "RFC 9293 §3.10.7.4";
        Abort: "the application aborts", "RFC 9293 §3.10.5";
        LingerZero: "the application closes with a linger time of zero", "RFC 9293 §3.10.5";
        CloseUnread: "the application closes with data unread", "RFC 2525 §2.17";
        DataAfterClose: "data received after the application closed", "RFC 1122 §4.2.2.13";
        ListenerClosed: "the listener was closed with this child pending", "RFC 9293 §3.10.4";
        Timeout: "the connection ended by a timer", "RFC 9293 §3.10.8";
        AcceptOverflow: "the accept queue is full", "RFC 9293 §3.10.5";
        NoMemory: "no connection slot is left", "RFC 9293 §3.10.1";
        Shutdown: "the stack shuts down", "RFC 9293 §3.10.5";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_and_where() {
        fn check<T: Copy + PartialEq + fmt::Debug>(
            all: &[T],
            index: fn(T) -> usize,
            text: fn(T) -> &'static str,
            rule: fn(T) -> &'static str,
        ) {
            for (place, &value) in all.iter().enumerate() {
                assert_eq!(index(value), place);
                assert!(!text(value).is_empty() && !text(value).ends_with('.'));
                assert!(rule(value).starts_with("RFC "), "{value:?}");
            }
        }
        check(Cause::ALL, |x| x as usize, Cause::text, Cause::rule);
        check(
            NetworkError::ALL,
            |x| x as usize,
            NetworkError::text,
            NetworkError::rule,
        );
        check(
            DiscardReason::ALL,
            |x| x as usize,
            DiscardReason::text,
            DiscardReason::rule,
        );
        check(
            RefusalReason::ALL,
            |x| x as usize,
            RefusalReason::text,
            RefusalReason::rule,
        );
        check(
            ResetReason::ALL,
            |x| x as usize,
            ResetReason::text,
            ResetReason::rule,
        );
    }
}
