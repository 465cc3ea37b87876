//! How a host's listeners take connections.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use estab::{AcceptPolicy, SynCookies};

const POLICIES: [AcceptPolicy; 3] = [
    AcceptPolicy::Hold,
    AcceptPolicy::Reset,
    AcceptPolicy::ShedOldest,
];
const MODES: [SynCookies; 3] = [SynCookies::Off, SynCookies::Auto, SynCookies::Always];

/// How a host's listeners take connections.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ListeningArgs {
    /// How many connections of a listener may wait to be accepted
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1024,
        allow_negative_numbers = true
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) backlog: u32,
    /// How many handshakes of a listener may be under way [default: as many, and at least 128]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) syn_backlog: Option<u32>,
    /// What happens to a connection when so many wait: it waits, too, it is reset, or the oldest makes room
    #[arg(long, value_name = "POLICY", default_value = "hold", value_parser = policy())]
    pub(crate) accept_policy: AcceptPolicy,
    /// When SYNs are answered by cookies, without memory: beyond the limit of handshakes, or each
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = mode())]
    pub(crate) syn_cookies: SynCookies,
}

fn policy() -> impl clap::builder::TypedValueParser<Value = AcceptPolicy> {
    let names = POLICIES.map(AcceptPolicy::name);
    PossibleValuesParser::new(names).map(|name| {
        let known = POLICIES.into_iter().find(|policy| policy.name() == name);
        known.unwrap_or_default()
    })
}

fn mode() -> impl clap::builder::TypedValueParser<Value = SynCookies> {
    let names = MODES.map(SynCookies::name);
    PossibleValuesParser::new(names).map(|name| {
        let known = MODES.into_iter().find(|mode| mode.name() == name);
        known.unwrap_or_default()
    })
}

impl Default for ListeningArgs {
    fn default() -> Self {
        Self {
            backlog: 1024,
            syn_backlog: None,
            accept_policy: AcceptPolicy::default(),
            syn_cookies: SynCookies::default(),
        }
    }
}
