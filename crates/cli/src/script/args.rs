//! The arguments of `estab script`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use estab_sim::script::Dialect;
use estab_sim::script::ast::ScriptOption;

/// Runs packetdrill scripts on estab: in virtual time, without root, thousands a minute.
///
/// A FILE may be a directory: every *.pkt in it is run. The options with underscores are packetdrill's own and have
/// the last word over those in a script. No script ever runs a shell: the commands that scripts commonly use are
/// interpreted, others fail the script by name. One that says `// only: ipv4`, `ipv6` or `plain` (without
/// --with-timestamps) is skipped in other runs. Unlike in packetdrill, every checksum is verified, and a packet that the
/// script does not expect fails it. Behind the last one expected a connection may go on: what it sends is counted in
/// the line of the script, and fails it with --strict; a SYN, a RST or an ICMP error fails it always.
///
/// Exits with 0 if all passed (with --compare: if nothing differs but as declared), with 1 if one failed or differs,
/// and with 2 if one cannot be read.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScriptArgs {
    /// Scripts, and directories of scripts
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Whose packetdrill the scripts are for; what estab's sockets then imitate
    #[arg(long, value_name = "SYSTEM", value_enum, default_value_t = DialectArg::Linux)]
    pub(crate) dialect: DialectArg,

    /// The stack to run the scripts on. `kernel` is this machine's Linux, in a network namespace of its own and in real
    /// time; what a script declares with `// linux: …` is expected to differ
    #[arg(long, value_name = "STACK", value_enum, default_value_t = Stack::Estab)]
    pub(crate) against: Stack,

    /// Runs the scripts on both, and tells where estab and this machine's Linux differ
    #[arg(long, conflicts_with_all = ["against", "json", "junit"])]
    pub(crate) compare: bool,

    /// Scripts that take longer than this in real time are left out on the kernel
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) longest: u64,

    /// Defines a symbol for #ifdef, and to stand for its value
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = definition)]
    pub(crate) defines: Vec<(String, String)>,

    /// Negotiates timestamps though the scripts do not mention them
    #[arg(long)]
    pub(crate) with_timestamps: bool,

    /// Also checks PSH and TSecr, and that nothing leaves behind the last packet expected, nor with the last event
    #[arg(long)]
    pub(crate) strict: bool,

    /// Ignores what the stack sends after the last packet that a script expects, as packetdrill does
    #[arg(long, conflicts_with = "strict")]
    pub(crate) ignore_unread: bool,

    /// Tells each script as a JSON object in a line, then the sum
    #[arg(long, conflicts_with_all = ["quiet", "verbose"])]
    pub(crate) json: bool,

    /// Writes the results for a build server, too
    #[arg(long, value_name = "FILE.xml")]
    pub(crate) junit: Option<PathBuf>,

    /// Tells only what did not pass, in a line each
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Also tells what happened in the scripts that passed
    #[arg(short, long)]
    pub(crate) verbose: bool,

    #[command(flatten)]
    original: OriginalArgs,
}

/// packetdrill's own options.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "packetdrill's options")]
struct OriginalArgs {
    /// ipv4, ipv4-mapped-ipv6 or ipv6
    #[arg(long = "ip_version", value_name = "VERSION")]
    ip_version: Option<String>,
    /// The port that bind(3, ..., ...) binds [default: 8080]
    #[arg(long = "bind_port", value_name = "PORT")]
    bind_port: Option<String>,
    /// The port that connect(3, ..., ...) connects to [default: 8080]
    #[arg(long = "connect_port", value_name = "PORT")]
    connect_port: Option<String>,
    /// The address of the stack under test
    #[arg(long = "local_ip", value_name = "ADDRESS")]
    local_ip: Option<String>,
    /// The address of the host that the script plays
    #[arg(long = "remote_ip", value_name = "ADDRESS")]
    remote_ip: Option<String>,
    /// Taken for the habit: there is no gateway
    #[arg(long = "gateway_ip", value_name = "ADDRESS", hide = true)]
    gateway_ip: Option<String>,
    /// See `gateway_ip`
    #[arg(long = "netmask_ip", value_name = "ADDRESS", hide = true)]
    netmask_ip: Option<String>,
    /// Commands to interpret first, with commas between
    #[arg(long = "init_scripts", value_name = "COMMANDS")]
    init_scripts: Option<String>,
    /// The link's MTU [default: 1500]
    #[arg(long = "mtu", value_name = "BYTES")]
    mtu: Option<String>,
    /// Taken for the habit: there is no segmentation offload
    #[arg(long = "mss", value_name = "BYTES", hide = true)]
    mss: Option<String>,
    /// Taken for the habit: the link has no speed
    #[arg(long = "speed", value_name = "MBPS", hide = true)]
    speed: Option<String>,
    /// How far from its time an event may be [default: 4000]
    #[arg(long = "tolerance_usecs", value_name = "USECS")]
    tolerance_usecs: Option<String>,
    /// The same, of the time since the event before it [default: 12.5]
    #[arg(long = "tolerance_percent", value_name = "PERCENT")]
    tolerance_percent: Option<String>,
    /// The unit of the stack's timestamps; 0 leaves them unchecked [default: 0]
    #[arg(long = "tcp_ts_tick_usecs", value_name = "USECS")]
    tcp_ts_tick_usecs: Option<String>,
    /// Interpolates an inbound TSecr that echoes no TSval
    #[arg(long = "tcp_ts_ecr_scaled")]
    tcp_ts_ecr_scaled: bool,
    /// Does not take several segments for an expected one
    #[arg(long = "strict_segments")]
    strict_segments: bool,
    /// Only tells what is wrong with these: packet, syscall
    #[arg(long = "non_fatal", value_name = "KINDS")]
    non_fatal: Option<String>,
}

impl ScriptArgs {
    /// packetdrill's options, as a script would give them.
    pub(crate) fn overrides(&self) -> Vec<ScriptOption> {
        let OriginalArgs {
            ip_version,
            bind_port,
            connect_port,
            local_ip,
            remote_ip,
            gateway_ip,
            netmask_ip,
            init_scripts,
            mtu,
            mss,
            speed,
            tolerance_usecs,
            tolerance_percent,
            tcp_ts_tick_usecs,
            tcp_ts_ecr_scaled,
            strict_segments,
            non_fatal,
        } = &self.original;
        let valued = [
            ("ip_version", ip_version),
            ("bind_port", bind_port),
            ("connect_port", connect_port),
            ("local_ip", local_ip),
            ("remote_ip", remote_ip),
            ("gateway_ip", gateway_ip),
            ("netmask_ip", netmask_ip),
            ("init_scripts", init_scripts),
            ("mtu", mtu),
            ("mss", mss),
            ("speed", speed),
            ("tolerance_usecs", tolerance_usecs),
            ("tolerance_percent", tolerance_percent),
            ("tcp_ts_tick_usecs", tcp_ts_tick_usecs),
            ("non_fatal", non_fatal),
        ];
        let flags = [
            ("tcp_ts_ecr_scaled", *tcp_ts_ecr_scaled),
            ("strict_segments", *strict_segments),
        ];
        let valued = valued.into_iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(option(name, Some(value)))
        });
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
        valued
            .chain(flags.map(|(name, _)| option(name, None)))
            .collect()
    }
}

fn option(name: &str, value: Option<&String>) -> ScriptOption {
    ScriptOption {
        name: name.to_owned(),
        value: value.cloned(),
        line: 0,
    }
}

/// A stack to run scripts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stack {
    /// In virtual time
    #[default]
    Estab,
    /// This machine's, in real time
    Kernel,
}

/// Whose packetdrill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectArg {
    /// Google's
    #[default]
    Linux,
    /// nplab's
    Freebsd,
}

impl From<DialectArg> for Dialect {
    fn from(arg: DialectArg) -> Self {
        match arg {
            DialectArg::Linux => Self::Linux,
            DialectArg::Freebsd => Self::FreeBsd,
        }
    }
}

fn definition(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err("a definition is NAME=VALUE".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

const EXAMPLES: &str = "\
Examples:
  estab script close.pkt
  estab script -q --junit results.xml conformance
  estab script --dialect freebsd --tolerance_usecs=75000 tcp-testsuite/state-event-engine
  estab script --ip_version=ipv6 --json gtests/net/tcp
  estab script --compare conformance/listen";
