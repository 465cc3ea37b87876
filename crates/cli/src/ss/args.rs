//! The arguments of `estab ss`.

use std::path::PathBuf;

use clap::Args;

/// Shows the connections of a running `estab serve` or `estab run`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SsArgs {
    /// Also show listeners, TIME-WAIT, SYN-RECV and ended connections
    #[arg(short, long)]
    pub(crate) all: bool,

    /// Show listeners only
    #[arg(short, long, conflicts_with = "all")]
    pub(crate) listening: bool,

    /// Show IPv4 only
    #[arg(short = '4', long)]
    pub(crate) ipv4: bool,

    /// Show IPv6 only
    #[arg(short = '6', long, conflicts_with = "ipv4")]
    pub(crate) ipv6: bool,

    /// Also show where each connection was accepted or connected, and its label
    #[arg(short, long)]
    pub(crate) extended: bool,

    /// Show totals, and what was discarded, refused and reset, with the RFC's section
    #[arg(short, long)]
    pub(crate) summary: bool,

    /// Leave the header line out
    #[arg(short = 'H', long)]
    pub(crate) no_header: bool,

    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,

    /// The control socket to ask [default: $XDG_RUNTIME_DIR/estab.sock, or /tmp/estab-UID.sock]
    #[arg(long, value_name = "SOCKET", env = super::CONTROL_VARIABLE)]
    pub(crate) control: Option<PathBuf>,

    /// Taken for the habit of `ss -tno`: all sockets are TCP, numbers are never names, timers always shown
    #[arg(short = 't', long = "tcp", hide = true)]
    pub(crate) tcp: bool,

    /// See `tcp`
    #[arg(short = 'n', long = "numeric", hide = true)]
    pub(crate) numeric: bool,

    /// See `tcp`
    #[arg(short = 'o', long = "options", hide = true)]
    pub(crate) options: bool,

    /// Which ones, in ss's words: [state STATE | exclude STATE]... [EXPRESSION]
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

impl SsArgs {
    /// The filter in one piece, as it was written.
    pub(crate) fn filter_text(&self) -> String {
        self.filter.join(" ")
    }
}

const EXAMPLES: &str = "\
STATE is a state (established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, close-wait,
last-ack, listening, closing) or a group (all, connected, synchronized, bucket, big). Without one, as in ss,
listeners, TIME-WAIT and SYN-RECV are left out.

EXPRESSION compares `sport` and `dport` (= != > < >= <=, also eq ne gt lt ge le) with a port, `src` and `dst`
with an address, a prefix, a port or both; `and`, `or`, `not` and parentheses join. Side by side means and.

Examples:
  estab ss                                     connections
  estab ss -l                                  listeners, with their accept queues
  estab ss state close-wait                    what the application forgot to close
  estab ss exclude time-wait                   everything but TIME-WAIT
  estab ss 'sport = :80 and not dst 198.18.0.0/24'
  estab ss -a --json | jq .age_ns
  estab ss -s                                  totals and reasons

Exit status: 0, also when nothing matches; 2 if the filter cannot be understood or nobody answers.";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        ss: SsArgs,
    }

    fn parse(words: &[&str]) -> SsArgs {
        let words = std::iter::once(&"ss").chain(words);
        Command::try_parse_from(words).unwrap().ss
    }

    #[test]
    fn options_may_stand_before_and_behind_the_filter() {
        let args = parse(&["-tan", "state", "close-wait", "sport", "=", ":80", "--json"]);
        assert!(args.all && args.json);
        assert_eq!(args.filter_text(), "state close-wait sport = :80");
    }

    #[test]
    fn the_socket_may_be_named() {
        let args = parse(&["--control", "estab.sock", "( sport != 80 )"]);
        assert_eq!(args.control, Some(PathBuf::from("estab.sock")));
        assert_eq!(args.filter_text(), "( sport != 80 )");
    }
}
