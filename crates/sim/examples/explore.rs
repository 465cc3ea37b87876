//! Explores scenarios within bounds and says what was seen; `cargo xtask explore` builds it with optimization and runs
//! it. Ends with 1 if something must not be, and tells how it comes about.

use std::process::ExitCode;
use std::time::Instant;

use estab_sim::explore::{Faults, Mutation, Scenario, explore, tell};

/// What the command line says.
struct Settings {
    bounds: Faults,
    /// One scenario, or all.
    scenario: Option<String>,
    limit: usize,
}

fn main() -> ExitCode {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("error: {wrong}");
            return ExitCode::from(2);
        }
    };
    println!(
        "{:<25} {:>9} {:>11} {:>5} {:>8} {:>7}",
        "scenario", "states", "transitions", "depth", "seconds", "MiB"
    );
    let mut all_is_well = true;
    let handshakes = Scenario::handshakes();
    for scenario in Scenario::all().into_iter().chain(handshakes) {
        if settings
            .scenario
            .as_ref()
            .is_none_or(|name| name == scenario.name)
        {
            all_is_well &= run(scenario, &settings);
        }
    }
    ExitCode::from(u8::from(!all_is_well))
}

/// Explores one scenario; answers whether it holds.
fn run(scenario: Scenario, settings: &Settings) -> bool {
    // A handshake's scenario is nothing without its own faults.
    let own = scenario.bounds != Faults::default();
    let mut scenario = match own {
        true => scenario,
        false => scenario.within(settings.bounds),
    };
    let root = scenario.real(Mutation::None);
    #[allow(
        clippy::disallowed_methods,
        reason = "how long it takes is what is asked"
    )]
    let begin = Instant::now();
    let report = explore(&scenario, root.clone(), settings.limit);
    println!(
        "{:<25} {:>9} {:>11} {:>5} {:>8.1} {:>7} {}",
        scenario.name,
        report.states,
        report.transitions,
        report.depth,
        begin.elapsed().as_secs_f64(),
        peak_mebibytes().map_or("?".to_owned(), |peak| peak.to_string()),
        if report.is_cut {
            "cut short by --limit"
        } else {
            ""
        },
    );
    let Some(found) = &report.counter_example else {
        return true;
    };
    println!("\n{}: {}\n", scenario.name, found.what);
    println!("{}", tell(&scenario, &root, &found.actions));
    false
}

fn settings(mut words: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings {
        bounds: Faults::default(),
        scenario: None,
        limit: 2_000_000,
    };
    while let Some(option) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{option} needs a value"))?;
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{option} {value}: no number up to 255"))
        };
        let bounds = &mut settings.bounds;
        match option.as_str() {
            "--losses" => bounds.losses = number()?,
            "--duplicates" => bounds.duplicates = number()?,
            "--early-timers" => bounds.early_timers = number()?,
            "--old" => bounds.old = number()?,
            "--limit" => {
                settings.limit = value
                    .parse()
                    .map_err(|_| format!("{option} {value}: no number"))?
            }
            "--scenario" => {
                let names = Scenario::all().into_iter().chain(Scenario::handshakes());
                let names: Vec<_> = names.map(|scenario| scenario.name).collect();
                if !names.contains(&value.as_str()) {
                    return Err(format!(
                        "no scenario `{value}`; there are {}",
                        names.join(", ")
                    ));
                }
                settings.scenario = Some(value);
            }
            _ => return Err(format!("{option} is no option")),
        }
    }
    Ok(settings)
}

/// The most memory this process has had, where the system tells.
fn peak_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024)
}
