//! `estab script`: packetdrill scripts on estab, told as a test runner tells.

pub(crate) mod args;
mod compare;
mod files;
mod json;
mod junit;
mod kernel;
mod text;

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use estab_sim::script::run::{Config, Failure as ScriptFailure, Report, Verdict, read};
use estab_sim::script::{self, Dialect, Settings, header};
use estab_sim::sockets::{Bench, BenchSettings, Profile};

use crate::failure::{Failure, way_out};
use crate::terminal;
use args::{ScriptArgs, Stack};
use compare::{Compared, Outcome, Tally};

/// A script that was run.
struct Done {
    file: PathBuf,
    report: Report,
    ending: Ending,
    took: Duration,
}

/// How a run ended beside its verdict.
enum Ending {
    /// As the verdict says.
    Ran,
    /// It failed on the kernel, as the script says it does.
    Declared(String),
    /// It was not run, for this reason.
    Skipped(String),
}

/// How many scripts ended how.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    passed: usize,
    failed: usize,
    errors: usize,
    declared: usize,
    skipped: usize,
    took: Duration,
}

impl Sum {
    /// All passed: 0. One cannot be read: 2. One failed: 1.
    const fn status(self) -> u8 {
        match (self.errors, self.failed) {
            (0, 0) => 0,
            (0, _) => 1,
            (..) => 2,
        }
    }
}

/// Runs the scripts; answers the status to exit with.
pub(crate) fn script(args: &ScriptArgs) -> Result<u8, Failure> {
    let files = files::find(&args.files)?;
    if args.compare || args.against == Stack::Kernel {
        kernel::prepare()?;
    }
    if args.compare {
        return Ok(compare_all(&files, args));
    }
    let begun = clock();
    let mut output = Output::new(args);
    let mut sum = Sum::default();
    let mut kept = Vec::new();
    let run = |file: &Path| run_file(file, args);
    run_all(&files, workers(args), run, |done: Done| {
        match (&done.ending, done.report.verdict) {
            (Ending::Declared(_), _) => sum.declared += 1,
            (Ending::Skipped(_), _) => sum.skipped += 1,
            (Ending::Ran, Verdict::Pass) => sum.passed += 1,
            (Ending::Ran, Verdict::Fail) => sum.failed += 1,
            (Ending::Ran, Verdict::Error) => sum.errors += 1,
        }
        output.script(&done);
        if args.junit.is_some() {
            kept.push(done);
        }
    });
    sum.took = begun.elapsed();
    output.sum(sum);
    if let Some(path) = &args.junit {
        let xml = junit::to_xml(&kept, sum).map_err(Failure::usage)?;
        fs::write(path, xml).map_err(|error| {
            let (path, way_out) = (path.display(), way_out(&error));
            Failure::usage(format!("cannot write {path}: {error}; {way_out}"))
        })?;
    }
    Ok(sum.status())
}

/// Runs the scripts on both stacks; answers the status to exit with.
fn compare_all(files: &[PathBuf], args: &ScriptArgs) -> u8 {
    let style = Output::new(args).style;
    let mut tally = Tally::default();
    let compare = |file: &Path| {
        let text = text_of(file);
        (
            file.to_owned(),
            text.map(|text| compare::compare(&text, args)),
        )
    };
    let tell = |(file, compared): (PathBuf, io::Result<Compared>)| {
        let file = text::shown(&file.display().to_string());
        match compared {
            Ok(compared) => {
                tally.count(compared.outcome());
                Output::put(&compared.tell(&file, style));
            }
            Err(error) => {
                tally.count(Outcome::Unreadable);
                Output::put(&format!("ERROR {file}: cannot be read: {error}\n"));
            }
        }
    };
    run_all(files, workers(args), compare, tell);
    Output::put(&tally.tell());
    tally.status()
}

/// A script's text; what is not UTF-8 in it is told as wrong where it stands.
fn text_of(file: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned())
}

/// How many scripts run at a time.
fn workers(args: &ScriptArgs) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if args.compare || args.against == Stack::Kernel {
        return cores * kernel::PER_CORE;
    }
    cores
}

/// Runs scripts side by side, and hands over what came of them in their order.
fn run_all<T: Send>(
    files: &[PathBuf],
    workers: usize,
    run: impl Fn(&Path) -> T + Sync,
    mut tell: impl FnMut(T),
) {
    let workers = workers.min(files.len());
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            let (next, run) = (&next, &run);
            scope.spawn(move || {
                while let Some((place, file)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    files.get(place).map(|file| (place, file))
                } {
                    if sender.send((place, run(file))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = std::collections::BTreeMap::new();
        let mut wanted = 0;
        for (place, done) in receiver {
            early.insert(place, done);
            while let Some(done) = early.remove(&wanted) {
                tell(done);
                wanted += 1;
            }
        }
    });
}

fn run_file(file: &Path, args: &ScriptArgs) -> Done {
    let begun = clock();
    let (report, ending) = match text_of(file) {
        Ok(text) => match args.against {
            Stack::Estab => run_on_estab(&text, args),
            Stack::Kernel => kernel::run_declared(&text, args),
        },
        Err(error) => {
            let failure = ScriptFailure::new(format!("cannot be read: {error}"));
            (Report::error(failure), Ending::Ran)
        }
    };
    Done {
        file: file.to_owned(),
        report,
        ending,
        took: begun.elapsed(),
    }
}

/// A panic of the stack under test is that script's failure, not the end of the run.
fn run_on_estab(text: &str, args: &ScriptArgs) -> (Report, Ending) {
    let run = AssertUnwindSafe(|| run(text, args));
    catch_unwind(run).unwrap_or_else(|_| {
        let said = "estab panicked; please report it with this script";
        let report = Report {
            verdict: Verdict::Fail,
            ..Report::error(ScriptFailure::new(said))
        };
        (report, Ending::Ran)
    })
}

fn run(text: &str, args: &ScriptArgs) -> (Report, Ending) {
    let (script, config) = match read(text, &settings(args), &base(args), &args.overrides()) {
        Ok(read) => read,
        Err(report) => return (report, Ending::Ran),
    };
    match header::left_out(text, &config) {
        Some(why) => skipped(why),
        None => (
            script::run::run(&script, &config, &mut bench(&config)),
            Ending::Ran,
        ),
    }
}

/// A script that is not run.
fn skipped(why: String) -> (Report, Ending) {
    let report = Report {
        verdict: Verdict::Pass,
        failure: None,
        ..Report::error(ScriptFailure::default())
    };
    (report, Ending::Skipped(why))
}

fn settings(args: &ScriptArgs) -> Settings {
    Settings {
        dialect: args.dialect.into(),
        defines: args.defines.clone(),
    }
}

fn base(args: &ScriptArgs) -> Config {
    Config {
        with_timestamps: args.with_timestamps,
        strict: args.strict,
        ignore_unread: args.ignore_unread,
        ..Config::default()
    }
}

/// estab as a script's options have it.
fn bench(config: &Config) -> Bench {
    let profile = match config.dialect {
        Dialect::Linux => Profile::linux(),
        Dialect::FreeBsd => Profile::freebsd(),
    };
    let settings = BenchSettings {
        addresses: vec![config.local_ip()],
        mtu: config.subject_mtu().into(),
        ..BenchSettings::new()
    };
    Bench::new(profile, &settings)
}

#[allow(
    clippy::disallowed_methods,
    reason = "how long a run took is for its reader; scripts have their own time"
)]
fn clock() -> Instant {
    Instant::now()
}

/// Standard output. Whoever stops listening, as `| head` does, makes no error.
struct Output {
    style: text::Style,
    is_json: bool,
}

impl Output {
    fn new(args: &ScriptArgs) -> Self {
        let style = text::Style {
            has_colours: terminal::has_colours(&io::stdout()),
            is_quiet: args.quiet,
            is_verbose: args.verbose,
        };
        Self {
            style,
            is_json: args.json,
        }
    }

    fn script(&mut self, done: &Done) {
        let text = if self.is_json {
            json::script(done)
        } else {
            text::script(done, self.style)
        };
        Self::put(&text);
    }

    fn sum(&mut self, sum: Sum) {
        let text = if self.is_json {
            json::sum(sum)
        } else {
            text::sum(sum, self.style)
        };
        Self::put(&text);
    }

    fn put(text: &str) {
        let _gone = io::stdout().lock().write_all(text.as_bytes());
    }
}
