//! The counters as they pass over the control socket: only those that have counted.

use std::collections::BTreeMap;

use estab_core::observe::{DiscardReason, RefusalReason, ResetReason};

use super::record::{Counters, ReasonRecord};

impl Counters {
    /// The stack's counters.
    pub(crate) fn new(counters: &estab_core::Counters) -> Self {
        let discard = |reason: &DiscardReason| {
            let words = (reason.name(), reason.text(), reason.rule());
            ReasonRecord::new(words, counters.discarded(*reason))
        };
        let refusal = |reason: &RefusalReason| {
            let words = (reason.name(), reason.text(), reason.rule());
            ReasonRecord::new(words, counters.refused(*reason))
        };
        let reset = |reason: &ResetReason| {
            let words = (reason.name(), reason.text(), reason.rule());
            ReasonRecord::new(words, counters.reset(*reason))
        };
        Self {
            counts: counts(counters),
            discards: DiscardReason::ALL.iter().filter_map(discard).collect(),
            refusals: RefusalReason::ALL.iter().filter_map(refusal).collect(),
            resets: ResetReason::ALL.iter().filter_map(reset).collect(),
        }
    }
}

impl ReasonRecord {
    /// Nothing if it never occurred.
    pub(super) fn new((reason, text, rule): (&str, &str, &str), count: u64) -> Option<Self> {
        (count > 0).then(|| Self {
            reason: reason.to_owned(),
            text: text.to_owned(),
            rule: rule.to_owned(),
            count,
        })
    }
}

fn counts(counters: &estab_core::Counters) -> BTreeMap<String, u64> {
    let estab_core::Counters {
        active_opens,
        passive_opens,
        attempt_fails,
        estab_resets,
        in_segs,
        out_segs,
        retrans_segs,
        out_rsts,
        tcp_timeouts,
        tcp_fast_retrans,
        tcp_win_probe,
        tcp_keep_alive,
        delayed_acks,
        tcp_challenge_ack,
        tcp_ack_skipped_challenge,
        tcp_ofo_queue,
        tcp_synack_retrans,
        syncookies_sent,
        syncookies_recv,
        syncookies_failed,
        tcp_req_q_full_do_cookies,
        tcp_req_q_full_drop,
        listen_overflows,
        listen_drops,
        tcp_defer_accept_drop,
        time_waited,
        tw_recycled,
        icmp_echoes,
        discards: _,
        refusals: _,
        resets: _,
    } = counters;
    let named = [
        ("active_opens", active_opens),
        ("passive_opens", passive_opens),
        ("attempt_fails", attempt_fails),
        ("estab_resets", estab_resets),
        ("in_segs", in_segs),
        ("out_segs", out_segs),
        ("retrans_segs", retrans_segs),
        ("out_rsts", out_rsts),
        ("tcp_timeouts", tcp_timeouts),
        ("tcp_fast_retrans", tcp_fast_retrans),
        ("tcp_win_probe", tcp_win_probe),
        ("tcp_keep_alive", tcp_keep_alive),
        ("delayed_acks", delayed_acks),
        ("tcp_challenge_ack", tcp_challenge_ack),
        ("tcp_ack_skipped_challenge", tcp_ack_skipped_challenge),
        ("tcp_ofo_queue", tcp_ofo_queue),
        ("tcp_synack_retrans", tcp_synack_retrans),
        ("syncookies_sent", syncookies_sent),
        ("syncookies_recv", syncookies_recv),
        ("syncookies_failed", syncookies_failed),
        ("tcp_req_q_full_do_cookies", tcp_req_q_full_do_cookies),
        ("tcp_req_q_full_drop", tcp_req_q_full_drop),
        ("listen_overflows", listen_overflows),
        ("listen_drops", listen_drops),
        ("tcp_defer_accept_drop", tcp_defer_accept_drop),
        ("time_waited", time_waited),
        ("tw_recycled", tw_recycled),
        ("icmp_echoes", icmp_echoes),
    ];
    let counted = named.into_iter().filter(|(_, count)| **count > 0);
    counted
        .map(|(name, count)| (name.to_owned(), *count))
        .collect()
}
