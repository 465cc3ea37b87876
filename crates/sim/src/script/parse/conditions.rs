//! Symbols, and the lines that count only if one is defined.

use std::collections::HashMap;

use super::error::Failure;
use super::tokens::{Kind, Parsed};
use super::{Dialect, Settings};

/// What is defined, and the `#ifdef`s that are open.
pub(super) struct Conditions<'t> {
    settings: &'t Settings,
    /// `--define` in the script.
    defined: HashMap<&'t str, (Kind, &'t str)>,
    open: Vec<Open>,
}

/// An `#ifdef` whose `#endif` has not come.
struct Open {
    at: usize,
    /// Whether the lines around it count.
    around: bool,
    /// Whether its lines count now.
    active: bool,
    in_else: bool,
}

impl<'t> Conditions<'t> {
    pub(super) fn new(settings: &'t Settings) -> Self {
        Self {
            settings,
            defined: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// Whether the lines that come count.
    pub(super) fn active(&self) -> bool {
        self.open.last().is_none_or(|open| open.active)
    }

    /// Defines a symbol from here on.
    pub(super) fn define(&mut self, name: &'t str, value: (Kind, &'t str)) {
        self.defined.insert(name, value);
    }

    /// Defines a symbol by `NAME=VALUE`.
    pub(super) fn define_as_given(&mut self, text: &'t str) {
        if let Some((name, value)) = text.split_once('=') {
            self.define(name, valued(value));
        }
    }

    /// A word that is a symbol stands for its value. The command line has the last word, as in packetdrill.
    pub(super) fn resolve(&self, text: &'t str) -> (Kind, &'t str) {
        let itself = (Kind::Word, text);
        let given = self.settings.defines.iter().rfind(|(name, _)| name == text);
        if let Some((_, value)) = given {
            return if value.is_empty() {
                itself
            } else {
                valued(value)
            };
        }
        self.defined.get(text).copied().unwrap_or(itself)
    }

    fn defines(&self, name: &str) -> bool {
        let given = |name: &str| {
            self.settings.defines.iter().any(|(given, _)| given == name)
                || self.defined.contains_key(name)
        };
        let own = match self.settings.dialect {
            Dialect::Linux => "Linux",
            Dialect::FreeBsd => "FreeBSD",
        };
        let of_a_system = ["Linux", "FreeBSD"].contains(&name);
        // What a system does and what the standard says are alternatives in the suites, never both.
        (name == own || given(name)) && !(of_a_system && given("STANDARD"))
    }

    /// `#ifdef` and its like.
    pub(super) fn directive(&mut self, at: usize, directive: &str, name: &str) -> Parsed<()> {
        match directive {
            "ifdef" | "ifndef" => {
                if name.is_empty() {
                    return Err(Failure::wrong(at, format!("#{directive} names no symbol"))
                        .hint(format!("for example `#{directive} FreeBSD`")));
                }
                let around = self.active();
                let active = around && self.defines(name) == (directive == "ifdef");
                self.open.push(Open {
                    at,
                    around,
                    active,
                    in_else: false,
                });
            }
            "else" => {
                let open = self.open.last_mut().ok_or_else(|| unbalanced(at, "else"))?;
                if open.in_else {
                    return Err(Failure::wrong(at, "a second #else for the same #ifdef"));
                }
                open.in_else = true;
                open.active = open.around && !open.active;
            }
            "endif" => {
                self.open.pop().ok_or_else(|| unbalanced(at, "endif"))?;
            }
            _ => {
                return Err(
                    Failure::wrong(at, format!("unknown directive #{directive}")).hint(
                        "there are #ifdef, #ifndef, #else and #endif; a comment begins with //",
                    ),
                );
            }
        }
        Ok(())
    }

    /// The script has ended.
    pub(super) fn end(&self) -> Parsed<()> {
        self.open.last().map_or(Ok(()), |open| {
            Err(Failure::wrong(open.at, "this #ifdef has no end").hint("#endif ends it"))
        })
    }
}

fn unbalanced(at: usize, directive: &str) -> Failure {
    Failure::wrong(at, format!("#{directive} without an #ifdef before it"))
}

/// What a symbol's value is: a string, a command, a number or a word.
fn valued(value: &str) -> (Kind, &str) {
    let inside = |quote: char| {
        let inside = value.strip_prefix(quote)?;
        Some(inside.strip_suffix(quote).unwrap_or(inside))
    };
    if let Some(text) = inside('"') {
        return (Kind::String, text);
    }
    if let Some(text) = inside('`') {
        return (Kind::Command, text);
    }
    let all =
        |text: &str, one: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| one(&byte));
    if all(value.strip_prefix('-').unwrap_or(value), u8::is_ascii_digit) {
        (Kind::Integer, value)
    } else if value
        .strip_prefix("0x")
        .is_some_and(|hex| all(hex, u8::is_ascii_hexdigit))
    {
        (Kind::Hex, value)
    } else {
        (Kind::Word, value)
    }
}
