//! Results as JSON, one object a line.

use estab_sim::script::run::{Failure, Report, Rung, RungKind, Verdict};
use serde::Serialize;

use super::{Done, Ending, Sum};

#[derive(Serialize)]
struct ScriptRecord<'a> {
    file: String,
    verdict: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureRecord<'a>>,
    notes: &'a [String],
    unexpected: usize,
    ladder: Vec<RungRecord<'a>>,
}

#[derive(Serialize)]
struct FailureRecord<'a> {
    message: &'a str,
    line: Option<usize>,
    statement: Option<&'a str>,
    expected: Option<&'a str>,
    seen: Option<&'a str>,
    differences: &'a [String],
    unsupported: bool,
}

#[derive(Serialize)]
struct RungRecord<'a> {
    at: f64,
    kind: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct SumRecord {
    passed: usize,
    failed: usize,
    unreadable: usize,
    declared: usize,
    skipped: usize,
    seconds: f64,
}

pub(super) fn script(done: &Done) -> String {
    let Report {
        verdict,
        failure,
        ladder,
        notes,
        unexpected,
    } = &done.report;
    line(&ScriptRecord {
        file: done.file.display().to_string(),
        verdict: match (&done.ending, verdict) {
            (Ending::Declared(_), _) => "differs as declared",
            (Ending::Skipped(_), _) => "skipped",
            (Ending::Ran, Verdict::Pass) => "pass",
            (Ending::Ran, Verdict::Fail) => "fail",
            (Ending::Ran, Verdict::Error) => "error",
        },
        seconds: done.took.as_secs_f64(),
        failure: failure.as_ref().map(failure_record),
        notes,
        unexpected: *unexpected,
        ladder: ladder.rungs.iter().map(rung_record).collect(),
    })
}

pub(super) fn sum(sum: Sum) -> String {
    line(&SumRecord {
        passed: sum.passed,
        failed: sum.failed,
        unreadable: sum.errors,
        declared: sum.declared,
        skipped: sum.skipped,
        seconds: sum.took.as_secs_f64(),
    })
}

fn failure_record(failure: &Failure) -> FailureRecord<'_> {
    let Failure {
        message,
        line,
        statement,
        expected,
        seen,
        differences,
        is_unsupported,
    } = failure;
    FailureRecord {
        message,
        line: *line,
        statement: statement.as_deref(),
        expected: expected.as_deref(),
        seen: seen.as_deref(),
        differences,
        unsupported: *is_unsupported,
    }
}

fn rung_record(rung: &Rung) -> RungRecord<'_> {
    RungRecord {
        at: rung.at.as_secs_f64(),
        kind: match rung.kind {
            RungKind::Inbound => "inbound",
            RungKind::Outbound => "outbound",
            RungKind::Call => "call",
            RungKind::State => "state",
            RungKind::Note => "note",
        },
        text: &rung.text,
    }
}

fn line(record: &impl Serialize) -> String {
    let json = serde_json::to_string(record).expect("strings and numbers are always JSON");
    json + "\n"
}
