//! Plays many worlds: what `cargo xtask simulate` runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use estab_sim::simulation::{Caps, Coverage, Failure, replay, run, shrink};

/// Worlds of hosts, connections and a hostile network, each from one seed, in virtual time.
#[derive(Parser)]
#[command(name = "cargo xtask simulate", bin_name = "cargo xtask simulate")]
struct Options {
    /// How many worlds to play.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Plays only the world of this seed, and writes its ladder and its capture.
    #[arg(long)]
    seed: Option<u64>,
    /// Makes a failing world smaller first: fewer hosts, fewer connections.
    #[arg(long)]
    shrink: bool,
    /// At most so many hosts.
    #[arg(long)]
    hosts: Option<usize>,
    /// At most so many connections.
    #[arg(long)]
    connections: Option<usize>,
    /// Worlds at a time; as many as there are processors if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Goes on after a failure, up to this many.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Where the stories of failing worlds go.
    #[arg(long, default_value = "target/simulate")]
    output: PathBuf,
}

impl Options {
    fn caps(&self) -> Caps {
        let all = Caps::default();
        Caps {
            hosts: self.hosts.unwrap_or(all.hosts),
            connections: self.connections.unwrap_or(all.connections),
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A panic is a failure like any other and is told with its seed.
    if options.seed.is_none() {
        std::panic::set_hook(Box::new(|_| ()));
    }
    let clean = match options.seed {
        Some(seed) => play_one(&options, seed),
        None => play_many(&options),
    };
    if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays one world and tells its story.
fn play_one(options: &Options, seed: u64) -> bool {
    let mut caps = options.caps();
    let smaller = options.shrink.then(|| shrink(seed)).flatten();
    if let Some((smaller, _)) = smaller {
        caps = smaller;
        println!("still fails with {}", command(seed, &caps));
    }
    let directory = options.output.join(seed.to_string());
    match replay(seed, &caps, &directory) {
        Ok(Ok(coverage)) => {
            println!("{}", coverage.table());
            println!(
                "seed {seed}: no rule was broken; its story is in {}",
                directory.display()
            );
            true
        }
        Ok(Err(failure)) => {
            tell(seed, &caps, &failure);
            println!("  its ladder and capture are in {}", directory.display());
            false
        }
        Err(error) => {
            println!(
                "the story cannot be written to {}: {error}",
                directory.display()
            );
            false
        }
    }
}

fn command(seed: u64, caps: &Caps) -> String {
    let mut command = format!("cargo xtask simulate --seed {seed}");
    for (name, cap) in [("hosts", caps.hosts), ("connections", caps.connections)] {
        if cap != usize::MAX {
            command.push_str(&format!(" --{name} {cap}"));
        }
    }
    command
}

fn tell(seed: u64, caps: &Caps, failure: &Failure) {
    println!("seed {seed} FAILED {failure}");
    println!("  replay it: {}", command(seed, caps));
}

/// Plays a range of seeds on several threads.
#[expect(
    clippy::disallowed_methods,
    reason = "it says how long it took; the worlds have a clock of their own"
)]
fn play_many(options: &Options) -> bool {
    let jobs = options.jobs.map_or_else(
        || thread::available_parallelism().map_or(1, usize::from),
        |jobs| jobs.max(1),
    );
    let began = Instant::now();
    let (next, end) = (AtomicU64::new(options.from), options.from + options.seeds);
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Coverage::default());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut own = Coverage::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    match run(seed, &options.caps()) {
                        Ok(coverage) => own.add(&coverage),
                        Err(failure) => {
                            tell(seed, &options.caps(), &failure);
                            let mut failed = failed.lock().expect("no thread panics");
                            failed.push(seed);
                            stop.fetch_or(failed.len() >= options.failures, Ordering::Relaxed);
                        }
                    }
                }
                total.lock().expect("no thread panics").add(&own);
            });
        }
        scope.spawn(|| report(&next, &stop, (options.from, end), began));
    });
    let total = total.into_inner().expect("no thread panics");
    let failed = failed.into_inner().expect("no thread panics");
    if failed.is_empty() {
        print!("{}", total.table());
    }
    println!(
        "{} seeds from {} in {:.0} s: {} failed",
        total.worlds + failed.len() as u64,
        options.from,
        began.elapsed().as_secs_f64(),
        failed.len()
    );
    for &seed in &failed {
        let directory = options.output.join(seed.to_string());
        match replay(seed, &options.caps(), &directory) {
            Ok(_) => println!(
                "the ladder and capture of seed {seed} are in {}",
                directory.display()
            ),
            Err(error) => println!("{}: {error}", directory.display()),
        }
    }
    failed.is_empty()
}

/// Says now and then how far it has come.
fn report(next: &AtomicU64, stop: &AtomicBool, (from, end): (u64, u64), began: Instant) {
    let mut quiet = 0;
    while next.load(Ordering::Relaxed) < end && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
        quiet += 1;
        if quiet % 300 == 0 {
            let done = next.load(Ordering::Relaxed).min(end) - from;
            let rate = done as f64 / began.elapsed().as_secs_f64();
            println!("{done} of {} seeds, {rate:.0} a second", end - from);
        }
    }
}
