//! The command line: one definition of each option feeds the parser and the help.

mod examples;
mod listening;
mod quantities;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use estab_device::{Impairment, IpNet};

pub(crate) use self::listening::ListeningArgs;
use crate::failure::Failure;
use crate::interface;
use crate::script::args::ScriptArgs;
use crate::ss::args::SsArgs;

/// TCP you can see: a TCP in user space that tells the whole life of every connection.
#[derive(Debug, Parser)]
#[command(name = "estab", version, after_help = examples::ESTAB, max_term_width = 100)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Serve(ServeArgs),
    Ss(SsArgs),
    Connect(ConnectArgs),
    Script(Box<ScriptArgs>),
    Lab(LabArgs),
}

/// Runs COMMAND in a private network whose only other host is estab, then tells every connection's life.
///
/// COMMAND's address is 198.18.0.2 (fd00:e57a:b::2), estab's is 198.18.0.1 (fd00:e57a:b::1). estab offers
/// HTTP on port 80 (/ shows the connections of the moment, PUT /sha256 answers the digest of the body,
/// /bytes/N?seed=S sends N reproducible bytes), echo on 7, discard on 9 and chargen on 19.
///
/// The lives are told on standard error. The exit status is COMMAND's: 128+N if signal N killed it, 127 if
/// there is no such program, 126 if it cannot be run, and 2 if the private network cannot be made.
#[derive(Debug, Args)]
#[command(after_help = examples::RUN)]
pub(crate) struct RunArgs {
    /// Tells the lives as JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) offer: OfferArgs,
    /// Answers `estab ss` there while COMMAND runs; COMMAND finds it in ESTAB_CONTROL [default: a private one]
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    /// The program to run, with its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Is a host on a TUN interface of this machine until it is told to end.
///
/// It offers the same services as `estab run` does. SIGINT and SIGTERM end it: connections are closed, and those
/// that have not finished after 2 s are cut and told. Needs root, or the capability CAP_NET_ADMIN.
#[derive(Debug, Args)]
#[command(after_help = examples::SERVE)]
pub(crate) struct ServeArgs {
    /// Names the interface
    #[arg(long, value_name = "NAME", default_value = "estab0")]
    pub(crate) tun: String,
    #[command(flatten)]
    pub(crate) addresses: AddressArgs,
    #[command(flatten)]
    pub(crate) offer: OfferArgs,
    #[command(flatten)]
    pub(crate) listening: ListeningArgs,
    /// Answers `estab ss` there [default: where `estab ss` looks]
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
}

/// Connects standard input and output to a TCP server, as nc does, by estab's own TCP.
///
/// The server is the kernel's, at the other side of a TUN interface made for this: of this machine, or whatever it
/// forwards to. The end of standard input is sent as a FIN; once the peer has sent its own, too, the command ends.
/// Exits with 1 if the connection is refused, reset or times out. Needs root, or the capability CAP_NET_ADMIN.
#[derive(Debug, Args)]
#[command(after_help = examples::CONNECT)]
pub(crate) struct ConnectArgs {
    /// The server's address, in digits
    #[arg(value_name = "HOST", value_parser = literal)]
    pub(crate) host: IpAddr,
    /// The server's port
    #[arg(value_name = "PORT", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Tells each change of state on standard error
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Names the interface; %d is the first number that is free
    #[arg(long, value_name = "NAME", default_value = "estab%d")]
    pub(crate) tun: String,
    #[command(flatten)]
    pub(crate) addresses: AddressArgs,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
}

/// Shows an experiment of connection life: what happens, as a ladder of both ends, and why.
///
/// Two of estab's stacks meet in virtual time, so nothing is needed and nothing takes long; the same experiment shows
/// the same each time. `estab lab list` names them.
#[derive(Debug, Args)]
#[command(after_help = examples::LAB)]
pub(crate) struct LabArgs {
    /// The experiment, or `list`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Tells events and table as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Captures what the right end saw as pcapng, with a comment on packets that change a state
    #[arg(short = 'w', long = "write", value_name = "FILE.pcapng")]
    pub(crate) capture: Option<PathBuf>,
}

/// Where estab is to be found on an interface of this machine's.
#[derive(Debug, Args)]
pub(crate) struct AddressArgs {
    /// estab's address and the link's prefix, may be given again; the kernel gets the next address
    #[arg(long = "address", value_name = "CIDR", value_parser = cidr)]
    #[arg(default_values = ["198.18.0.1/15", "fd00:e57a:b::1/64"])]
    pub(crate) addresses: Vec<IpNet>,
}

/// What a host offers beside its standard services.
#[derive(Debug, Args)]
pub(crate) struct OfferArgs {
    /// Serves the files of DIR over HTTP, too; the page of connections is then at /connections
    #[arg(long = "http", value_name = "DIR")]
    pub(crate) http_directory: Option<PathBuf>,
}

/// The link between estab and the kernel, and how bad it is, alike in each direction.
#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    /// Captures every packet as pcapng, with a comment on those that change a state
    #[arg(short = 'w', long = "write", value_name = "FILE.pcapng")]
    pub(crate) capture: Option<PathBuf>,
    /// Loses packets
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = quantities::percent, allow_hyphen_values = true)]
    #[arg(hide_default_value = true)]
    loss: f64,
    /// Sends packets twice
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = quantities::percent, allow_hyphen_values = true)]
    #[arg(hide_default_value = true)]
    duplicate: f64,
    /// Holds packets back until one to three later ones have passed
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = quantities::percent, allow_hyphen_values = true)]
    #[arg(hide_default_value = true)]
    reorder: f64,
    /// Inverts a bit of packets
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = quantities::percent, allow_hyphen_values = true)]
    #[arg(hide_default_value = true)]
    corrupt: f64,
    /// Lets packets travel so long: 250us, 5ms, 1s
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = quantities::time, allow_hyphen_values = true)]
    #[arg(hide_default_value = true)]
    delay: Duration,
    /// Lets packets travel up to so much longer, at random
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = quantities::time, allow_hyphen_values = true)]
    #[arg(hide_default_value = true)]
    jitter: Duration,
    /// Carries so many bits a second: 500kbit, 10mbit, 1gbit
    #[arg(long, value_name = "RATE", value_parser = quantities::rate, allow_hyphen_values = true)]
    rate: Option<u64>,
    /// Draws chances from this number: the same again does the same to the same packets
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        value_parser = quantities::seed, allow_hyphen_values = true
    )]
    pub(crate) seed: u64,
    /// The largest packet, in bytes; below 1280 there is no IPv6
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 1500,
        allow_negative_numbers = true
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(576..))]
    pub(crate) mtu: u16,
    /// How long TIME-WAIT lasts (2 MSL)
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = quantities::time, allow_hyphen_values = true)]
    pub(crate) time_wait: Duration,
}

impl LinkArgs {
    /// What the link does to packets; `None` if it is a good one.
    pub(crate) fn impairment(&self) -> Option<Impairment> {
        let impairment = Impairment {
            loss: self.loss,
            duplicate: self.duplicate,
            reorder: self.reorder,
            corrupt: self.corrupt,
            delay: self.delay,
            jitter: self.jitter,
            rate: self.rate,
            ..Impairment::default()
        };
        (impairment != Impairment::default()).then_some(impairment)
    }
}

/// The address of a server. Names are left to whoever calls: there is no resolver on a TUN.
fn literal(text: &str) -> Result<IpAddr, String> {
    let digits = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    digits
        .parse()
        .map_err(|_| "a server is given by its address, as 198.18.0.2 or fd00::2".to_owned())
}

/// An address and the prefix of its link, which has a place for the kernel, too.
fn cidr(text: &str) -> Result<IpNet, String> {
    let net: IpNet = text
        .parse()
        .map_err(|_| "an address with the length of its prefix, as 198.18.0.1/15".to_owned())?;
    let ip = net.addr();
    if ip.is_multicast() || ip.is_unspecified() || ip.is_loopback() {
        return Err("no host can have that address".to_owned());
    }
    if net.prefix_len() == net.max_prefix_len() {
        return Err("a prefix of one address has no place for the kernel".to_owned());
    }
    if !interface::is_host(&net, ip) {
        return Err(format!(
            "{ip} is the first or last address of its prefix, which no host can have"
        ));
    }
    Ok(net)
}

/// Parses the command line.
///
/// # Errors
/// What is wrong, in one line. `Ok(None)` where help or the version was asked for and given.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<Arguments>, Failure> {
    let error = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => return Ok(Some(arguments)),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever asked and does not listen to the end, as `| head` does, makes no error.
            let _gone = error.print();
            Ok(None)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Failure::usage(
            "a subcommand is missing: run, serve, ss, connect, script or lab; see estab --help",
        )),
        _ => Err(Failure::usage(one_line(&error.render().to_string()))),
    }
}

/// What clap says in a paragraph or more: its sentence and its first tip, without the reminder of the usage.
fn one_line(message: &str) -> String {
    let said = message.lines().map(str::trim);
    let said = said.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let (tips, words): (Vec<_>, Vec<_>) = said
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with("tip: "));
    let sentence = words.join(" ");
    let sentence = sentence.strip_prefix("error: ").unwrap_or(&sentence);
    // How a misspelt option could be passed as a value is not what its writer wants to know.
    let mut tips = tips.iter().filter(|tip| !tip.starts_with("tip: to pass"));
    match tips.next() {
        Some(tip) => format!("{sentence}; {}", tip.trim_start_matches("tip: ")),
        None => format!("{sentence}; see --help"),
    }
}

#[cfg(test)]
mod tests;
