//! `estab lab`: experiments of connection life, in virtual time.

use std::fs::File;
use std::io::{self, Write};

use estab_sim::lab::{EXPERIMENTS, Experiment, Outcome, find, write_capture};
use estab_sim::ladder::{Event, Ladder, What};
use serde_json::{Value, json};

use crate::args::LabArgs;
use crate::failure::{Failure, way_out};
use crate::terminal;

/// Runs an experiment, or lists them; answers the status to exit with.
pub(crate) fn lab(args: &LabArgs) -> Result<u8, Failure> {
    if args.name == "list" {
        return show(&list(args.json));
    }
    let Some(experiment) = find(&args.name) else {
        let names = EXPERIMENTS.map(|experiment| experiment.name).join(", ");
        let name = &args.name;
        return Err(Failure::usage(format!(
            "there is no experiment `{name}`; there are {names}"
        )));
    };
    // A place that cannot be written to is told before anything is shown.
    let file = args.capture.as_ref().map(|path| {
        let failed = |error: io::Error| {
            let (path, way) = (path.display(), way_out(&error));
            Failure::usage(format!("{path}: {error}; {way}"))
        };
        File::create(path).map_err(failed)
    });
    let file = file.transpose()?;
    let outcome = experiment.run();
    if let Some(file) = file {
        let packets = write_capture(&outcome.records, file).map_err(|error| {
            Failure::usage(format!("the capture: {error}; {}", way_out(&error)))
        })?;
        terminal::say(format!(
            "{packets} packets captured, as the right end saw them"
        ));
    }
    show(&match args.json {
        true => format!("{:#}\n", as_json(&experiment, &outcome)),
        false => format!("{}\n\n{outcome}", experiment.question),
    })
}

/// Whoever does not listen to the end, as `| head` does, makes no error.
fn show(text: &str) -> Result<u8, Failure> {
    let _gone = io::stdout().write_all(text.as_bytes());
    Ok(0)
}

fn list(as_json: bool) -> String {
    if as_json {
        let each = EXPERIMENTS.map(|it| json!({ "name": it.name, "question": it.question }));
        return format!("{:#}\n", Value::from(each.to_vec()));
    }
    let line = |it: &Experiment| format!("{:<18} {}\n", it.name, it.question);
    EXPERIMENTS.iter().map(line).collect()
}

fn as_json(experiment: &Experiment, outcome: &Outcome) -> Value {
    let Outcome {
        scenes,
        table,
        explanation,
        records: _,
    } = outcome;
    let scene = |(caption, ladder): &(String, Ladder)| {
        let events: Vec<_> = ladder.events().iter().map(|it| event(ladder, it)).collect();
        json!({ "caption": caption, "events": events })
    };
    let table = table.as_ref().map(|table| {
        let rows = table.rows.iter().map(|row| {
            let cells = table.columns.iter().zip(row);
            let cells = cells.map(|(column, cell)| ((*column).to_owned(), json!(cell)));
            Value::Object(cells.collect())
        });
        rows.collect::<Vec<_>>()
    });
    json!({
        "experiment": experiment.name,
        "question": experiment.question,
        "scenes": scenes.iter().map(scene).collect::<Vec<_>>(),
        "table": table,
        "explanation": explanation,
    })
}

fn event(ladder: &Ladder, event: &Event) -> Value {
    let at = (event.at - ladder.origin()).as_secs_f64();
    match &event.what {
        What::Segment { from, text, fate } => json!({
            "at": at, "event": "segment", "from": ladder.name(*from),
            "segment": text, "fate": fate.name(),
        }),
        What::Change {
            side,
            from,
            to,
            why,
        } => json!({
            "at": at, "event": "change", "end": ladder.name(*side),
            "from": from, "to": to, "why": why,
        }),
        What::Note { side, text } => json!({
            "at": at, "event": "note", "end": ladder.name(*side), "note": text,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str) -> LabArgs {
        LabArgs {
            name: name.to_owned(),
            json: false,
            capture: None,
        }
    }

    #[test]
    fn an_unknown_experiment_is_answered_by_the_list() {
        let failure = lab(&args("why-five")).unwrap_err();
        assert_eq!(failure.status(), Failure::USAGE);
        let said = failure.to_string();
        assert!(said.starts_with("there is no experiment `why-five`; there are why-three, "));
        assert!(EXPERIMENTS.iter().all(|it| said.contains(it.name)));
    }

    #[test]
    fn the_list_names_each_with_its_question() {
        let text = list(false);
        assert_eq!(text.lines().count(), EXPERIMENTS.len());
        assert!(text.starts_with("why-three          Why does a handshake take three messages"));
        let parsed: Value = serde_json::from_str(&list(true)).unwrap();
        assert_eq!(parsed[1]["name"], "lost-third-ack");
    }

    #[test]
    fn events_and_table_are_told_as_json() {
        let experiment = find("three-or-four").unwrap();
        let told = as_json(&experiment, &experiment.run());
        let events = told["scenes"][0]["events"].as_array().unwrap();
        assert_eq!(events[0]["to"], "FIN-WAIT-1");
        assert_eq!(events[1]["segment"], "FIN,ACK seq 1 ack 1");
        assert_eq!(events[1]["fate"], "delivered");
        assert_eq!(told["table"][1]["segments"], "3");
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_told_first() {
        let path = std::env::temp_dir().join("estab-lab-no-such-directory/x.pcapng");
        let mut args = args("three-or-four");
        args.capture = Some(path);
        let failure = lab(&args).unwrap_err();
        assert!(failure.to_string().contains("make its directory first"));
    }
}
