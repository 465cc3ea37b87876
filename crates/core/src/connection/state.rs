//! The states of a connection as types: one consuming method per arrow of RFC 9293 Figure 5, so that an
//! arrow which the figure does not have cannot be written.
//!
//! CLOSED is the absence of an entry, LISTEN a listener, the passive SYN-RECEIVED an entry of the SYN
//! queue and TIME-WAIT an entry of a table of its own. The rest lives in a connection's slot.

use crate::SeqNumber;
use crate::observe::StateName;

/// The send sequence space (RFC 9293 §3.3.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snd {
    /// SND.UNA: the oldest unacknowledged sequence number.
    pub(crate) una: SeqNumber,
    /// SND.NXT: the next to be sent for the first time.
    pub(crate) nxt: SeqNumber,
    /// SND.WND in bytes, scaled.
    pub(crate) wnd: u32,
    /// SND.WL1: the segment sequence number of the last window update.
    pub(crate) wl1: SeqNumber,
    /// SND.WL2: the acknowledgment number of the last window update.
    pub(crate) wl2: SeqNumber,
    /// ISS.
    pub(crate) iss: SeqNumber,
    /// MAX.SND.WND: the largest window the peer ever offered (RFC 5961 §5.2).
    pub(crate) max_wnd: u32,
}

impl Snd {
    pub(crate) fn new(iss: SeqNumber) -> Self {
        Self {
            una: iss,
            nxt: iss,
            wnd: 0,
            wl1: iss,
            wl2: iss,
            iss,
            max_wnd: 0,
        }
    }

    /// Whether our SYN still waits for its acknowledgment.
    pub(crate) fn syn_unacked(&self) -> bool {
        self.una == self.iss
    }

    /// Takes the window of a segment (RFC 9293 §3.10.7.4, fifth step).
    pub(crate) fn update_window(&mut self, wnd: u32, seq: SeqNumber, ack: SeqNumber) {
        self.wnd = wnd;
        self.wl1 = seq;
        self.wl2 = ack;
        self.max_wnd = self.max_wnd.max(wnd);
    }
}

/// The receive sequence space (RFC 9293 §3.3.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rcv {
    /// RCV.NXT: the next sequence number expected.
    pub(crate) nxt: SeqNumber,
    /// RCV.WND: the window as the peer last saw it, in bytes. After the peer's FIN it only serves to judge
    /// what still arrives.
    pub(crate) wnd: u32,
    /// IRS.
    pub(crate) irs: SeqNumber,
}

/// The application may write.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    pub(crate) snd: Snd,
}

/// The application has closed its sending side; the FIN has the number `fin`, behind all data.
#[derive(Clone, Debug)]
pub(crate) struct Finishing {
    pub(crate) snd: Snd,
    pub(crate) fin: SeqNumber,
}

/// The FIN is acknowledged: nothing will ever be sent again but ACKs with this number.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) nxt: SeqNumber,
    /// MAX.SND.WND: how far back an acknowledgment may reach (RFC 5961 §5.2).
    pub(crate) max_wnd: u32,
}

/// The peer may send.
#[derive(Clone, Debug)]
pub(crate) struct Receiving {
    pub(crate) rcv: Rcv,
}

/// The peer's FIN has arrived, and everything before it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) rcv: Rcv,
}

/// SYN-SENT.
#[derive(Clone, Debug)]
pub(crate) struct SynSent {
    pub(crate) snd: Snd,
}

/// SYN-RECEIVED reached from SYN-SENT (RFC 9293 §3.5, Figure 7).
#[derive(Clone, Debug)]
pub(crate) struct SimultaneousOpen {
    pub(crate) snd: Snd,
    pub(crate) rcv: Rcv,
}

/// Both ends know each other's sequence numbers.
#[derive(Clone, Debug)]
pub(crate) struct Synchronized<S, R> {
    pub(crate) send: S,
    pub(crate) receive: R,
}

/// CLOSING: both FINs are sent, ours is not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Closing(pub(crate) Synchronized<Finishing, Received>);

/// LAST-ACK: the same, but the peer closed first.
#[derive(Clone, Debug)]
pub(crate) struct LastAck(pub(crate) Synchronized<Finishing, Received>);

/// TIME-WAIT, on its way to its own table.
#[derive(Clone, Debug)]
pub(crate) struct EnterTimeWait {
    pub(crate) snd_nxt: SeqNumber,
    pub(crate) rcv_nxt: SeqNumber,
}

/// CLOSED: nothing is left.
#[derive(Clone, Debug)]
pub(crate) struct Closed;

/// What a slot of the connection table can hold.
#[derive(Clone, Debug)]
pub(crate) enum State {
    SynSent(SynSent),
    SynReceived(SimultaneousOpen),
    Established(Synchronized<Sending, Receiving>),
    CloseWait(Synchronized<Sending, Received>),
    FinWait1(Synchronized<Finishing, Receiving>),
    FinWait2(Synchronized<Finished, Receiving>),
    Closing(Closing),
    LastAck(LastAck),
}

/// Where an arrow leads.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// No arrow for this event leaves this state.
    Stay(State),
    /// Another state of the slot.
    Enter(State),
    /// The slot is left for the TIME-WAIT table.
    TimeWait(EnterTimeWait),
    /// The slot is left for good.
    Closed,
}

// The arrows, in the order of Figure 5. `arrows.rs` lists them again with their labels and holds the
// list against these methods.

impl SynSent {
    /// rcv SYN / snd SYN,ACK.
    pub(crate) fn syn_arrived(self, irs: SeqNumber, wnd: u32) -> SimultaneousOpen {
        SimultaneousOpen {
            snd: self.snd,
            rcv: Rcv {
                nxt: irs + 1,
                wnd,
                irs,
            },
        }
    }

    /// rcv SYN,ACK / snd ACK.
    pub(crate) fn syn_ack_arrived(
        self,
        irs: SeqNumber,
        wnd: u32,
    ) -> Synchronized<Sending, Receiving> {
        Synchronized {
            send: Sending { snd: self.snd },
            receive: Receiving {
                rcv: Rcv {
                    nxt: irs + 1,
                    wnd,
                    irs,
                },
            },
        }
    }

    /// CLOSE / delete TCB.
    pub(crate) fn close(self) -> Closed {
        Closed
    }
}

impl SimultaneousOpen {
    /// rcv ACK of SYN.
    pub(crate) fn syn_acked(self) -> Synchronized<Sending, Receiving> {
        let Self { snd, rcv } = self;
        Synchronized {
            send: Sending { snd },
            receive: Receiving { rcv },
        }
    }

    /// CLOSE / snd FIN.
    pub(crate) fn close(self, fin: SeqNumber) -> Synchronized<Finishing, Receiving> {
        let Self { snd, rcv } = self;
        Synchronized {
            send: Finishing { snd, fin },
            receive: Receiving { rcv },
        }
    }
}

impl<R> Synchronized<Sending, R> {
    fn finishing(self, fin: SeqNumber) -> Synchronized<Finishing, R> {
        let Self {
            send: Sending { snd },
            receive,
        } = self;
        Synchronized {
            send: Finishing { snd, fin },
            receive,
        }
    }
}

impl<S> Synchronized<S, Receiving> {
    /// The FIN takes one sequence number (RFC 9293 §3.4).
    fn received(self) -> Synchronized<S, Received> {
        let Self {
            send,
            receive: Receiving { rcv },
        } = self;
        Synchronized {
            send,
            receive: Received {
                rcv: Rcv {
                    nxt: rcv.nxt + 1,
                    ..rcv
                },
            },
        }
    }
}

impl Synchronized<Sending, Receiving> {
    /// CLOSE / snd FIN.
    pub(crate) fn close(self, fin: SeqNumber) -> Synchronized<Finishing, Receiving> {
        self.finishing(fin)
    }

    /// rcv FIN / snd ACK.
    pub(crate) fn fin_arrived(self) -> Synchronized<Sending, Received> {
        self.received()
    }
}

impl Synchronized<Sending, Received> {
    /// CLOSE / snd FIN.
    pub(crate) fn close(self, fin: SeqNumber) -> LastAck {
        LastAck(self.finishing(fin))
    }
}

impl Synchronized<Finishing, Receiving> {
    /// rcv ACK of FIN.
    pub(crate) fn fin_acked(self) -> Synchronized<Finished, Receiving> {
        let Self {
            send: Finishing { snd, fin: _ },
            receive,
        } = self;
        Synchronized {
            send: Finished {
                nxt: snd.nxt,
                max_wnd: snd.max_wnd,
            },
            receive,
        }
    }

    /// rcv FIN / snd ACK.
    pub(crate) fn fin_arrived(self) -> Closing {
        Closing(self.received())
    }
}

impl Synchronized<Finished, Receiving> {
    /// rcv FIN / snd ACK.
    pub(crate) fn fin_arrived(self) -> EnterTimeWait {
        let Synchronized { send, receive } = self.received();
        EnterTimeWait {
            snd_nxt: send.nxt,
            rcv_nxt: receive.rcv.nxt,
        }
    }
}

impl Closing {
    /// rcv ACK of FIN.
    pub(crate) fn fin_acked(self) -> EnterTimeWait {
        let Synchronized { send, receive } = self.0;
        EnterTimeWait {
            snd_nxt: send.snd.nxt,
            rcv_nxt: receive.rcv.nxt,
        }
    }
}

impl LastAck {
    /// rcv ACK of FIN.
    pub(crate) fn fin_acked(self) -> Closed {
        Closed
    }
}

impl State {
    /// The bare name.
    pub(crate) fn name(&self) -> StateName {
        match self {
            Self::SynSent(_) => StateName::SynSent,
            Self::SynReceived(_) => StateName::SynReceived,
            Self::Established(_) => StateName::Established,
            Self::CloseWait(_) => StateName::CloseWait,
            Self::FinWait1(_) => StateName::FinWait1,
            Self::FinWait2(_) => StateName::FinWait2,
            Self::Closing(_) => StateName::Closing,
            Self::LastAck(_) => StateName::LastAck,
        }
    }

    /// The send sequence space, while anything can still be sent or acknowledged.
    pub(crate) fn snd(&self) -> Option<&Snd> {
        match self {
            Self::SynSent(s) => Some(&s.snd),
            Self::SynReceived(s) => Some(&s.snd),
            Self::Established(c) => Some(&c.send.snd),
            Self::CloseWait(c) => Some(&c.send.snd),
            Self::FinWait1(c) => Some(&c.send.snd),
            Self::Closing(Closing(c)) | Self::LastAck(LastAck(c)) => Some(&c.send.snd),
            Self::FinWait2(_) => None,
        }
    }

    /// The same, to change.
    pub(crate) fn snd_mut(&mut self) -> Option<&mut Snd> {
        match self {
            Self::SynSent(s) => Some(&mut s.snd),
            Self::SynReceived(s) => Some(&mut s.snd),
            Self::Established(c) => Some(&mut c.send.snd),
            Self::CloseWait(c) => Some(&mut c.send.snd),
            Self::FinWait1(c) => Some(&mut c.send.snd),
            Self::Closing(Closing(c)) | Self::LastAck(LastAck(c)) => Some(&mut c.send.snd),
            Self::FinWait2(_) => None,
        }
    }

    /// SND.NXT in any state.
    pub(crate) fn snd_nxt(&self) -> SeqNumber {
        match self {
            Self::FinWait2(c) => c.send.nxt,
            other => {
                other
                    .snd()
                    .expect("every other state has a send sequence space")
                    .nxt
            }
        }
    }

    /// The receive sequence space: none before the peer's SYN.
    pub(crate) fn rcv(&self) -> Option<&Rcv> {
        match self {
            Self::SynSent(_) => None,
            Self::SynReceived(s) => Some(&s.rcv),
            Self::Established(c) => Some(&c.receive.rcv),
            Self::FinWait1(c) => Some(&c.receive.rcv),
            Self::FinWait2(c) => Some(&c.receive.rcv),
            Self::CloseWait(c) => Some(&c.receive.rcv),
            Self::Closing(Closing(c)) | Self::LastAck(LastAck(c)) => Some(&c.receive.rcv),
        }
    }

    /// The same, to change.
    pub(crate) fn rcv_mut(&mut self) -> Option<&mut Rcv> {
        match self {
            Self::SynSent(_) => None,
            Self::SynReceived(s) => Some(&mut s.rcv),
            Self::Established(c) => Some(&mut c.receive.rcv),
            Self::FinWait1(c) => Some(&mut c.receive.rcv),
            Self::FinWait2(c) => Some(&mut c.receive.rcv),
            Self::CloseWait(c) => Some(&mut c.receive.rcv),
            Self::Closing(Closing(c)) | Self::LastAck(LastAck(c)) => Some(&mut c.receive.rcv),
        }
    }

    /// The number of our FIN, once the application has closed and until it is acknowledged.
    pub(crate) fn fin(&self) -> Option<SeqNumber> {
        match self {
            Self::FinWait1(c) => Some(c.send.fin),
            Self::Closing(Closing(c)) | Self::LastAck(LastAck(c)) => Some(c.send.fin),
            _ => None,
        }
    }

    /// Whether the application may still write.
    pub(crate) fn can_write(&self) -> bool {
        matches!(
            self,
            Self::SynSent(_) | Self::SynReceived(_) | Self::Established(_) | Self::CloseWait(_)
        )
    }

    /// Whether the peer may still send data.
    pub(crate) fn can_receive(&self) -> bool {
        matches!(
            self,
            Self::SynReceived(_) | Self::Established(_) | Self::FinWait1(_) | Self::FinWait2(_)
        )
    }

    /// Whether both ends know each other's sequence numbers (RFC 9293 §3.5.1).
    pub(crate) fn is_synchronized(&self) -> bool {
        !matches!(self, Self::SynSent(_) | Self::SynReceived(_))
    }

    /// The peer's FIN, and everything before it, has arrived.
    pub(crate) fn fin_arrived(self) -> Next {
        match self {
            Self::Established(c) => Next::Enter(Self::CloseWait(c.fin_arrived())),
            Self::FinWait1(c) => Next::Enter(Self::Closing(c.fin_arrived())),
            Self::FinWait2(c) => Next::TimeWait(c.fin_arrived()),
            stay => Next::Stay(stay),
        }
    }

    /// Our FIN is acknowledged.
    pub(crate) fn fin_acked(self) -> Next {
        match self {
            Self::FinWait1(c) => Next::Enter(Self::FinWait2(c.fin_acked())),
            Self::Closing(c) => Next::TimeWait(c.fin_acked()),
            Self::LastAck(c) => {
                let Closed = c.fin_acked();
                Next::Closed
            }
            stay => Next::Stay(stay),
        }
    }

    /// Our SYN is acknowledged in SYN-RECEIVED.
    pub(crate) fn syn_acked(self) -> Next {
        match self {
            Self::SynReceived(c) => Next::Enter(Self::Established(c.syn_acked())),
            stay => Next::Stay(stay),
        }
    }

    /// The application closes its sending side; `fin` is the number behind its last byte.
    pub(crate) fn close(self, fin: SeqNumber) -> Next {
        match self {
            Self::SynSent(c) => {
                let Closed = c.close();
                Next::Closed
            }
            Self::SynReceived(c) => Next::Enter(Self::FinWait1(c.close(fin))),
            Self::Established(c) => Next::Enter(Self::FinWait1(c.close(fin))),
            Self::CloseWait(c) => Next::Enter(Self::LastAck(c.close(fin))),
            stay => Next::Stay(stay),
        }
    }
}
