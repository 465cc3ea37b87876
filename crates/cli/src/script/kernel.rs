//! Scripts on this machine's kernel: in real time, with patience for a busy machine.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use estab_device::IpNet;
use estab_sim::kernel::{Kernel, Network};
use estab_sim::script::ast::{Script, When};
use estab_sim::script::header;
use estab_sim::script::run::{Config, Failure as ScriptFailure, Report, Verdict, read, run};
use nix::unistd::geteuid;

use super::args::ScriptArgs;
use super::{Ending, base, settings, skipped};
use crate::failure::Failure;
use crate::private_network;

/// How far from its time an event may be, unless the script says so itself: stalls of some ms are nothing special.
const TOLERANCE: Duration = Duration::from_millis(25);

/// How often a script that only came at the wrong time is run again.
const TRIES: usize = 3;

static ALONE: Mutex<()> = Mutex::new(());

/// How many scripts may run at a time for each core: nearly all their time is waiting.
pub(super) const PER_CORE: usize = 4;

/// Who is not root is so in a user namespace, which can be entered as long as there is one thread.
pub(super) fn prepare() -> Result<(), Failure> {
    if geteuid().is_root() {
        return Ok(());
    }
    private_network::become_root()
}

/// Runs a script on the kernel, and holds what came of it against what the script declares.
pub(super) fn run_declared(text: &str, args: &ScriptArgs) -> (Report, Ending) {
    let (report, ending) = run_on_kernel(text, args);
    match (declared(text), ending, report.verdict) {
        (Some(difference), Ending::Ran, Verdict::Fail) => (report, Ending::Declared(difference)),
        (Some(difference), Ending::Ran, Verdict::Pass) => {
            let message = format!("differs not, though the script says: linux: {difference}");
            let failure = Some(ScriptFailure::new(message));
            let verdict = Verdict::Fail;
            let report = Report {
                verdict,
                failure,
                ..report
            };
            (report, Ending::Ran)
        }
        (_, ending, _) => (report, ending),
    }
}

/// What a script says Linux does instead: `// linux: …` in a line of its own.
pub(super) fn declared(text: &str) -> Option<String> {
    header::said(text, "linux").map(str::to_owned)
}

pub(super) fn run_on_kernel(text: &str, args: &ScriptArgs) -> (Report, Ending) {
    let base = Config {
        tolerance: TOLERANCE,
        ..base(args)
    };
    let (script, config) = match read(text, &settings(args), &base, &args.overrides()) {
        Ok(read) => read,
        Err(report) => return (report, Ending::Ran),
    };
    if let Some(why) = header::left_out(text, &config) {
        return skipped(why);
    }
    let takes = real_time(&script);
    if takes > Duration::from_secs(args.longest) {
        return skipped(format!("takes {} s of real time", takes.as_secs()));
    }
    let mut report = once(&script, &config);
    for _ in 1..TRIES {
        if !report.failure.as_ref().is_some_and(is_about_time) {
            break;
        }
        // What is tried again is so one at a time: the machine may be busy with these very scripts.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        report = once(&script, &config);
        drop(alone);
    }
    (report, Ending::Ran)
}

fn once(script: &Script, config: &Config) -> Report {
    let prefix = if config.local_ip().is_ipv4() { 16 } else { 48 };
    let address = IpNet::new(config.local_ip(), prefix).expect("a prefix of either family");
    let network = Network {
        mtu: config.subject_mtu(),
        addresses: vec![address],
        ..Network::default()
    };
    match Kernel::new(&network) {
        Ok(mut kernel) => run(script, config, &mut kernel),
        Err(error) => Report::error(ScriptFailure::new(error.to_string())),
    }
}

/// Whether all that is wrong is a time.
fn is_about_time(failure: &ScriptFailure) -> bool {
    failure.message.ends_with("came at the wrong time")
}

/// How long a script waits by itself.
fn real_time(script: &Script) -> Duration {
    let mut at = Duration::ZERO;
    for event in &script.events {
        match event.when {
            When::Relative(after) | When::RelativeRange(after, _) => at = at.saturating_add(after),
            When::Absolute(time) | When::AbsoluteRange(time, _) => at = time,
            When::Any => {}
        }
    }
    at
}
