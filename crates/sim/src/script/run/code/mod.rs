//! Code between `%{` and `}%`: the part of Python that scripts use to look at `TCP_INFO`.
//!
//! Assertions, assignments, `print`, `if`, expressions. packetdrill hands all of a script's code to Python when the
//! script ends; here each piece is done in its turn, with the same variables.

mod eval;
mod format;
mod lexer;
mod parser;
mod value;

use std::collections::BTreeMap;

use super::super::ast::Code;
use super::Runner;
use super::ladder::RungKind;
use super::report::Failure;
use crate::sockets::{TcpInfo, symbol, symbols};
use eval::Scope;
use value::Value;

/// The variables of a script's code.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<String, Value>);

/// Code that cannot be done, or an assertion that does not hold.
#[derive(Clone, Debug, PartialEq)]
struct CodeError {
    /// The line within the code, from 0.
    line: usize,
    message: String,
    /// The condition as written, its names with their values, and the message beside it.
    assertion: Option<(String, Vec<String>, Option<String>)>,
}

impl CodeError {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
            assertion: None,
        }
    }
}

impl Runner<'_> {
    pub(super) fn code(&mut self, code: &Code) -> Result<(), Failure> {
        let info = self.info_under_test();
        let constants = |name: &str| constant(name, info.as_ref());
        let (printed, outcome) = run(&code.text, &mut self.names, &constants);
        let now = self.subject.now();
        for line in printed {
            self.ladder.add(now, RungKind::Note, line.clone());
            self.notes.push(line);
        }
        outcome.map_err(|error| explain(error, code))
    }

    /// `TCP_INFO` of the socket under test.
    fn info_under_test(&mut self) -> Option<TcpInfo> {
        let connection = &self.connections[self.under_test?];
        let (_, live) = connection.descriptor?;
        self.subject.tcp_info(live)
    }
}

fn explain(error: CodeError, code: &Code) -> Failure {
    let CodeError {
        line,
        message,
        assertion,
    } = error;
    let text = code.text.lines().nth(line).unwrap_or_default().trim();
    let failure = Failure::new(message).at(code.line + line, text);
    let Some((condition, values, said)) = assertion else {
        return failure;
    };
    let mut failure = failure.expected(condition).seen(values.join(", "));
    if let Some(said) = said {
        failure = failure.difference(format!("the script says: {said}"));
    }
    failure
}

/// A name that is no variable: a field of `TCP_INFO`, or a constant.
fn constant(name: &str, info: Option<&TcpInfo>) -> Result<Option<i128>, String> {
    if name.starts_with("tcpi_") {
        let info = info.ok_or("there is no socket under test that could tell TCP_INFO")?;
        return match info.field(name) {
            Some(value) => Ok(Some(value.into())),
            None => Err(format!("not supported: {name}")),
        };
    }
    if !name.starts_with("TCP") {
        return Ok(None);
    }
    let value = freebsd_state(name).or_else(|| symbol(name));
    Ok(value.map(i128::from))
}

/// FreeBSD's names of the states, in the numbers that [`TcpInfo`] has.
fn freebsd_state(name: &str) -> Option<i64> {
    let state = match name.strip_prefix("TCPI_")? {
        "CLOSED" => symbols::TCP_CLOSE,
        "LISTEN" => symbols::TCP_LISTEN,
        "SYN_SENT" => symbols::TCP_SYN_SENT,
        "SYN_RECEIVED" => symbols::TCP_SYN_RECV,
        "ESTABLISHED" => symbols::TCP_ESTABLISHED,
        "CLOSE_WAIT" => symbols::TCP_CLOSE_WAIT,
        "FIN_WAIT_1" => symbols::TCP_FIN_WAIT1,
        "CLOSING" => symbols::TCP_CLOSING,
        "LAST_ACK" => symbols::TCP_LAST_ACK,
        "FIN_WAIT_2" => symbols::TCP_FIN_WAIT2,
        "TIME_WAIT" => symbols::TCP_TIME_WAIT,
        _ => return None,
    };
    Some(state.into())
}

/// Does code; answers what it printed.
fn run(
    text: &str,
    names: &mut Names,
    constants: &dyn Fn(&str) -> Result<Option<i128>, String>,
) -> (Vec<String>, Result<(), CodeError>) {
    let text = dedented(text);
    let parsed = lexer::tokens(&text).and_then(|tokens| parser::parse(&text, &tokens));
    let mut scope = Scope {
        variables: &mut names.0,
        constants,
        printed: Vec::new(),
    };
    let outcome = parsed.and_then(|statements| scope.run(&statements));
    (scope.printed, outcome)
}

/// The first line follows `%{` wherever that stands; the others may be indented alike.
fn dedented(text: &str) -> String {
    let width = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim_start();
    let rest: Vec<&str> = lines.collect();
    let filled = rest.iter().filter(|line| !line.trim().is_empty());
    let common = filled.map(|line| width(line)).min().unwrap_or(0);
    let opens_block = first.trim_end().ends_with(':');
    let cut = if opens_block { 0 } else { common };
    let rest = rest
        .iter()
        .map(|line| line.get(cut.min(width(line))..).unwrap_or_default());
    std::iter::once(first)
        .chain(rest)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The value of arithmetic in a command: `$((15*1024*1024))`.
pub(super) fn arithmetic(text: &str) -> Result<i128, String> {
    let mut names = Names::default();
    let (_, outcome) = run(&format!("value = {text}"), &mut names, &|_| Ok(None));
    outcome.map_err(|error| error.message)?;
    let value = names.0.get("value").and_then(Value::int);
    value.ok_or_else(|| format!("{text} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(text: &str) -> Result<Vec<String>, CodeError> {
        let info = TcpInfo {
            snd_cwnd: 10,
            rtt: 12_000,
            ..TcpInfo::default()
        };
        let constants = move |name: &str| constant(name, Some(&info));
        let (printed, outcome) = run(text, &mut Names::default(), &constants);
        outcome.map(|()| printed)
    }

    fn printed(expression: &str) -> String {
        done(&format!("print({expression})")).expect("it can be valued")[0].clone()
    }

    #[test]
    fn expressions_have_the_values_python_gives_them() {
        for (expression, value) in [
            ("1 + 2 * 3 - 4", "3"),
            ("(1 + 2) * 3", "9"),
            ("-7 // 2, -7 % 3, 7 % -3", "-4 2 -2"),
            ("7 / 2", "3.5"),
            ("2 ** 10 - 1 << 2 | 1", "4093"),
            ("0x10 & 0b11000 ^ 1", "17"),
            ("~5", "-6"),
            ("not 1 == 2 and 3 or 4", "3"),
            ("1 < 2 <= 2 != 3", "True"),
            ("3 in (1, 2), 3 not in [1]", "False True"),
            (
                "min(3, 1, 2), max([1, 5]), abs(-4), int(3.9), len('abc')",
                "1 5 4 3 3",
            ),
            ("10 if tcpi_snd_cwnd > 5 else 20", "10"),
            (
                "'cwnd=%d of %5.2f%% %s' % (tcpi_snd_cwnd, 12.345, 'x')",
                "cwnd=10 of 12.35% x",
            ),
            ("'%05d|%-3s|%x' % (42, 'a', 255)", "00042|a  |ff"),
            ("TCP_CA_Recovery, TCP_ESTABLISHED, TCPI_OPT_SACK", "3 1 2"),
            ("(1, 2, 3)[-1], [4, 5][0]", "3 4"),
            ("1e3 + .5", "1000.5"),
            ("None, True + 1, 'a' 'b'", "None 2 ab"),
        ] {
            let tuple = if expression.contains(',') && !expression.starts_with('(') {
                printed(expression)
            } else {
                done(&format!("print({expression})")).expect(expression)[0].clone()
            };
            assert_eq!(tuple, value, "{expression}");
        }
    }

    #[test]
    fn variables_live_from_one_piece_to_the_next() {
        let mut names = Names::default();
        let none = |_: &str| Ok(None);
        for text in [
            "cwnd = 10; other = 0x7fffffff",
            "cwnd += 2",
            "assert cwnd == 12, cwnd",
        ] {
            assert_eq!(run(text, &mut names, &none).1, Ok(()), "{text}");
        }
    }

    #[test]
    fn an_assertion_that_fails_shows_the_values_of_its_names() {
        let error = done("assert tcpi_snd_cwnd == 20, 'cwnd=%d' % tcpi_snd_cwnd").expect_err("10");
        let (condition, values, said) = error.assertion.expect("an assertion");
        assert_eq!(condition, "tcpi_snd_cwnd == 20");
        assert_eq!(values, ["tcpi_snd_cwnd = 10"]);
        assert_eq!(said.as_deref(), Some("cwnd=10"));
    }

    #[test]
    fn code_of_several_lines_knows_its_lines() {
        let text = "\n  # a comment\n  assert tcpi_snd_cwnd == 10, \\\n      tcpi_snd_cwnd\n  x = (1,\n       2)\n  assert x[0] == 3";
        let error = done(text).expect_err("the last line");
        assert_eq!(error.line, 6);
    }

    #[test]
    fn blocks_are_chosen_by_their_conditions() {
        let text = "\nif tcpi_rtt < 5000:\n  print('fast')\nelif 5000 <= tcpi_rtt <= 20000:\n  if True: print('well')\n  print('enough')\nelse:\n  print('slow')\nprint('end')";
        assert_eq!(
            done(text).expect("it can be done"),
            ["well", "enough", "end"]
        );
    }

    #[test]
    fn what_is_not_understood_is_said_by_name() {
        for (text, said) in [
            ("import os", "`import` is not understood"),
            ("for x in (1, 2): pass", "`for` is not understood"),
            ("x = f'{y}'", "strings with a prefix are not understood"),
            ("assert False 'x'", "the statement should end before `'x'`"),
            ("open('/etc/passwd')", "unknown function: open"),
            ("os.system('x')", "`.` is not understood"),
            ("print(nothing)", "unknown name: nothing"),
            (
                "print(tcpi_delivery_rate_app_limited)",
                "not supported: tcpi_delivery_rate_app_limited",
            ),
            ("1 // 0", "division by zero"),
            ("2 ** 1000", "the number is too large"),
            ("1 << 200", "the number is too large"),
            ("assert", "a value is expected, not the end of the line"),
        ] {
            assert_eq!(done(text).expect_err(text).message, said, "{text}");
        }
    }

    #[test]
    fn no_code_can_exhaust_the_stack() {
        for text in [
            "(".repeat(10_000),
            "not ".repeat(10_000),
            "-".repeat(10_000),
            "[".repeat(9_999),
        ] {
            assert!(done(&text).is_err());
        }
        let sum = format!("x = 1{}", " + 1".repeat(10_000));
        assert!(done(&sum).is_err());
    }

    #[test]
    fn arithmetic_of_commands_is_valued() {
        assert_eq!(arithmetic("15*1024*1024"), Ok(15 << 20));
        assert!(arithmetic("$x").is_err());
    }
}
