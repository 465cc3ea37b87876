//! `script`: any text as a script in either dialect. Reading never panics; what is read, printed and read again is the
//! same; and an error tells of a line that there is.
//!
//! The first byte: bit 0 the dialect, bit 1 whether `STANDARD` is defined instead of the dialect's symbol.

use estab_sim::script::ast::{Action, Script};
use estab_sim::script::{Dialect, Settings, parse};

/// The target.
pub fn run(data: &[u8]) {
    let Some((settings, text)) = input(data) else {
        return;
    };
    match parse(&text, &settings) {
        Ok(script) => print_and_read(script, &settings),
        Err(error) => {
            let lines = text.lines().count().max(1);
            assert!((1..=lines + 1).contains(&error.line), "{error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Whether an input is a script.
#[must_use]
pub fn is_script(data: &[u8]) -> bool {
    input(data).is_some_and(|(settings, text)| parse(&text, &settings).is_ok())
}

fn input(data: &[u8]) -> Option<(Settings, String)> {
    let (how, text) = data.split_first()?;
    let dialect = if how & 1 == 0 {
        Dialect::Linux
    } else {
        Dialect::FreeBsd
    };
    let standard = (how & 2 != 0).then(|| ("STANDARD".to_owned(), String::new()));
    let settings = Settings {
        dialect,
        defines: standard.into_iter().collect(),
    };
    Some((settings, String::from_utf8_lossy(text).into_owned()))
}

fn print_and_read(script: Script, settings: &Settings) {
    let printed = script.to_string();
    match parse(&printed, settings) {
        Ok(again) => assert_eq!(placeless(again), placeless(script), "printed:\n{printed}"),
        Err(error) => panic!("{error}\nin what was printed:\n{printed}"),
    }
}

/// The script without lines and texts, which printing changes.
fn placeless(mut script: Script) -> Script {
    for option in &mut script.options {
        option.line = 0;
    }
    for command in [&mut script.init, &mut script.cleanup]
        .into_iter()
        .flatten()
    {
        command.line = 0;
    }
    for event in &mut script.events {
        event.line = 0;
        event.text.clear();
        match &mut event.action {
            Action::Command(command) => command.line = 0,
            Action::Code(code) => code.line = 0,
            Action::Packet(_) | Action::Call(_) => {}
        }
    }
    script
}
