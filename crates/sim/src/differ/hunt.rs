//! Looks for differences between estab and this machine's kernel, seed after seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{
    Difference, Known, Moment, Pace, Plot, difference, generate, known, play, script, shrink,
};
use crate::kernel::{Kernel, KernelError, Network};
use crate::script::ast::Script;
use crate::sockets::{Bench, BenchSettings, Profile};

/// How long the kernel has to answer: its delayed ACKs of a FIN are due within a jiffy, 4 ms.
const PACE: Pace = Pace {
    answer: Duration::from_millis(6),
    end: Duration::from_millis(60),
};

/// A difference is one only if it is there again when there is more time: stalls make others.
const SLOWLY: Pace = Pace {
    answer: Duration::from_millis(25),
    end: Duration::from_millis(120),
};

/// What would blur how segments are handled: limits that many connections share, and what Linux recovers losses by
/// beyond what RFC 9293 has. That a connection answers what it cannot take once in 500 ms is the same on both.
const SETTINGS: [(&str, &str); 4] = [
    ("net.ipv4.tcp_challenge_ack_limit", "2147483647"),
    ("net.ipv4.tcp_early_retrans", "0"),
    ("net.ipv4.tcp_recovery", "0"),
    ("net.ipv4.tcp_no_metrics_save", "1"),
];

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Plots performed.
    pub plots: u64,
    /// How often each known difference was met.
    pub known: BTreeMap<&'static str, u64>,
    /// Those that were gone when tried again.
    pub fleeting: u64,
    /// The others: what they do differently, the first seed of each.
    pub unknown: BTreeMap<String, Finding>,
}

/// A difference that nobody has declared.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Where it was met first.
    pub seed: u64,
    /// How often.
    pub times: u64,
    /// The smallest difference.
    pub difference: Difference,
    /// What leads to it, with what Linux does.
    pub script: Script,
}

/// Performs the plots of all seeds on both.
///
/// # Errors
/// The kernel cannot be had.
pub fn hunt(seeds: Range<u64>, threads: usize) -> Result<Findings, KernelError> {
    let next = AtomicU64::new(seeds.start);
    let findings = Mutex::new(Findings::default());
    let hunters = (0..threads.max(1)).map(|_| Hunter::new(&findings));
    let hunters = hunters.collect::<Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        for mut hunter in hunters {
            let (next, end) = (&next, seeds.end);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    hunter.try_seed(seed);
                }
            });
        }
    });
    Ok(findings
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

struct Hunter<'a> {
    kernel: Kernel,
    findings: &'a Mutex<Findings>,
}

/// What both did.
struct Both {
    estab: Vec<Moment>,
    linux: Vec<Moment>,
}

impl Hunter<'_> {
    fn new(findings: &Mutex<Findings>) -> Result<Hunter<'_>, KernelError> {
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let network = Network {
            settings: settings.into(),
            ..Network::default()
        };
        let kernel = Kernel::new(&network)?;
        Ok(Hunter { kernel, findings })
    }

    fn try_seed(&mut self, seed: u64) {
        let plot = generate(seed);
        let met = self.differs(&plot, PACE);
        self.note(|findings| findings.plots += 1);
        let Some((both, met)) = met else { return };
        if let Some(known) = both.known(&plot, &met) {
            return self.note(|findings| *findings.known.entry(known.name).or_default() += 1);
        }
        let Some((both, met)) = self.differs(&plot, SLOWLY) else {
            return self.note(|findings| findings.fleeting += 1);
        };
        if let Some(known) = both.known(&plot, &met) {
            return self.note(|findings| *findings.known.entry(known.name).or_default() += 1);
        }
        // What is left must not be another difference, least of all one that is known.
        let (small, _) = shrink(plot, met, |plot| {
            let (both, met) = self.differs(plot, PACE)?;
            both.known(plot, &met).is_none().then_some(met)
        });
        let Some((both, difference)) = self.differs(&small, SLOWLY) else {
            return self.note(|findings| findings.fleeting += 1);
        };
        let script = script(&small, &both.linux);
        let key = kind(&difference);
        self.note(|findings| {
            let new = || Finding {
                seed,
                times: 0,
                difference,
                script,
            };
            findings.unknown.entry(key).or_insert_with(new).times += 1;
        });
    }

    fn differs(&mut self, plot: &Plot, pace: Pace) -> Option<(Both, Difference)> {
        let estab = play(plot, &mut bench(plot), pace);
        self.kernel.clear();
        let linux = play(plot, &mut self.kernel, pace);
        let found = difference(&estab, &linux)?;
        Some((Both { estab, linux }, found))
    }

    fn note(&self, change: impl FnOnce(&mut Findings)) {
        change(&mut self.findings.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Both {
    fn known(&self, plot: &Plot, met: &Difference) -> Option<&'static Known> {
        known(plot, met.moment, &self.estab, &self.linux)
    }
}

/// Differences that are told apart by numbers only are of one kind.
fn kind(difference: &Difference) -> String {
    let mut text = format!("estab {} | Linux {}", difference.left, difference.right);
    text.retain(|letter| !letter.is_ascii_digit());
    text
}

/// estab, with settings to match.
fn bench(plot: &Plot) -> Bench {
    let mut profile = Profile::linux();
    profile.config.challenge_acks_per_second = u32::MAX;
    let settings = BenchSettings {
        addresses: vec![plot.local()],
        ..BenchSettings::new()
    };
    Bench::new(profile, &settings)
}
