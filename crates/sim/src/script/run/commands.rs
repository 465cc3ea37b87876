//! Commands in back quotes. None is ever given to a shell: the few things that scripts do there are done here, and
//! everything else fails the script by name.

use std::time::Duration;

use super::super::subject::{Setting, Subject};
use super::ladder::RungKind;
use super::report::Failure;
use super::{Runner, code};

/// What Google's `common/defaults.sh` sets, as far as it is TCP's.
const DEFAULTS: [(&str, &str); 17] = [
    ("net.ipv4.tcp_rmem", "4096 540000 15728640"),
    ("net.ipv4.tcp_wmem", "4096 262144 4194304"),
    ("net.ipv4.tcp_timestamps", "1"),
    ("net.ipv4.tcp_syn_retries", "5"),
    ("net.ipv4.tcp_synack_retries", "5"),
    ("net.ipv4.tcp_frto", "2"),
    ("net.ipv4.tcp_sack", "1"),
    ("net.ipv4.tcp_dsack", "1"),
    ("net.ipv4.tcp_reordering", "3"),
    ("net.ipv4.tcp_congestion_control", "cubic"),
    ("net.ipv4.tcp_slow_start_after_idle", "0"),
    ("net.ipv4.tcp_early_retrans", "4"),
    ("net.ipv4.tcp_recovery", "1"),
    ("net.ipv4.tcp_tso_win_divisor", "3"),
    ("net.ipv4.tcp_ecn", "0"),
    ("net.ipv4.tcp_notsent_lowat", "4294967295"),
    ("net.ipv4.tcp_syncookies", "1"),
];

/// The longest `sleep`.
const LONGEST_SLEEP: f64 = 86_400.0;

impl Runner<'_> {
    /// Does what a command says: one or several, a line or a semicolon apart.
    pub(super) fn command(&mut self, text: &str) -> Result<(), Failure> {
        let text = text.replace("\\\n", " ");
        for line in split_outside_quotes(&text, &["\n", ";", "&&"]) {
            let line = line.trim();
            if !line.is_empty() {
                self.one_command(line)?;
            }
        }
        Ok(())
    }

    fn one_command(&mut self, text: &str) -> Result<(), Failure> {
        let refused = |why: &str| {
            let mut failure = Failure::unsupported("");
            failure.message =
                format!("the command `{text}` is not understood{why}; scripts never run a shell");
            failure
        };
        let unknown = || refused("");
        let stages: Vec<Stage> = split_outside_quotes(text, &["|"])
            .iter()
            .map(|stage| Stage::read(stage))
            .collect::<Result<_, _>>()
            .map_err(|why| refused(&format!(" ({why})")))?;
        if let [
            Stage {
                words,
                output: Some(file),
            },
        ] = stages.as_slice()
        {
            let set = self.set_by_echo(words, file);
            return set.unwrap_or_else(|| Err(refused(&format!(" (it writes to {file})"))));
        }
        if let Some(file) = stages.iter().find_map(|stage| stage.output.as_ref()) {
            return Err(refused(&format!(" (it writes to {file})")));
        }
        let stages: Vec<Vec<String>> = stages.into_iter().map(|stage| stage.words).collect();
        let [first, filters @ ..] = stages.as_slice() else {
            return Err(unknown());
        };
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        let [program, arguments @ ..] = first.as_slice() else {
            return Ok(());
        };
        let name = program.rsplit('/').next().unwrap_or(program);
        match (name, arguments, filters) {
            ("sysctl", _, []) => self.sysctl(arguments).ok_or_else(unknown)?,
            ("set_sysctls.py", _, []) => self.set_by_path(arguments).ok_or_else(unknown)?,
            ("defaults.sh", [], []) => {
                // What a stack cannot be set to, it has its own default for.
                for (name, value) in DEFAULTS {
                    let _own_default = self.subject.sysctl(name, value);
                }
                Ok(())
            }
            // Each run has a stack of its own: nothing has to be restored or forgotten.
            ("ip", ["tcp_metrics", "flush", "all"], []) => Ok(()),
            ("true" | ":" | "echo", _, []) => Ok(()),
            ("sleep", [time], []) => self.sleep(time).ok_or_else(unknown),
            ("ethtool", ["-K", _, features @ ..], []) if are_all_off(features) => Ok(()),
            ("tc", ["qdisc", rest @ ..], []) if takes_pacing_away(rest) => Ok(()),
            ("sockstat", _, _) => self
                .count_states(text, arguments, filters)
                .ok_or_else(unknown)?,
            ("tcpdrop", _, []) => self.drop_states(arguments).ok_or_else(unknown),
            (name, [], []) if name.starts_with("sysctl_restore_") => Ok(()),
            _ => Err(unknown()),
        }
    }

    /// `sysctl -q name=value name="several values"`; with `-e` names that nobody knows are passed over.
    fn sysctl(&mut self, arguments: &[&str]) -> Option<Result<(), Failure>> {
        let (flags, settings): (Vec<&str>, Vec<&str>) = arguments
            .iter()
            .partition(|argument| argument.starts_with('-'));
        let flags = flags.iter().map(|flag| flag.trim_start_matches('-'));
        let flags: Vec<char> = flags.flat_map(str::chars).collect();
        if !flags
            .iter()
            .all(|flag| matches!(flag, 'q' | 'w' | 'n' | 'e'))
        {
            return None;
        }
        let pairs = settings.iter().map(|setting| setting.split_once('='));
        let pairs: Vec<_> = pairs.collect::<Option<_>>()?;
        let passes_over = |subject: &dyn Subject, name: &str| {
            flags.contains(&'e') && subject.setting(name.trim()) == Setting::Unknown
        };
        let mut pairs = Some(pairs).filter(|pairs| !pairs.is_empty())?.into_iter();
        Some(pairs.try_for_each(|(name, value)| {
            if passes_over(self.subject, name) {
                return Ok(());
            }
            self.set(name, value)
        }))
    }

    /// `echo 0 > /proc/sys/net/ipv4/tcp_sack`
    fn set_by_echo(&mut self, words: &[String], file: &str) -> Option<Result<(), Failure>> {
        let [echo, value @ ..] = words else {
            return None;
        };
        let name = file.strip_prefix("/proc/sys/")?.replace('/', ".");
        let value: Vec<&str> = value.iter().map(String::as_str).collect();
        let value = match value.as_slice() {
            ["-n", value @ ..] | value => value.join(" "),
        };
        (echo == "echo").then(|| self.set(&name, &value))
    }

    /// `set_sysctls.py /proc/sys/net/ipv4/name=value`
    fn set_by_path(&mut self, arguments: &[&str]) -> Option<Result<(), Failure>> {
        let pairs = arguments.iter().map(|argument| {
            let (path, value) = argument.split_once('=')?;
            Some((path.strip_prefix("/proc/sys/")?.replace('/', "."), value))
        });
        let pairs: Vec<_> = pairs.collect::<Option<_>>()?;
        Some(
            pairs
                .into_iter()
                .try_for_each(|(name, value)| self.set(&name, value)),
        )
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let (name, value) = (name.trim(), value.trim());
        let set = self.subject.sysctl(name, value);
        set.map_err(Failure::unsupported)?;
        if let Setting::WithoutEffect(why) = self.subject.setting(name) {
            let note = format!("{name} = {value} changes nothing: {why}");
            self.ladder
                .add(self.subject.now(), RungKind::Note, note.clone());
            self.notes.push(note);
        }
        Ok(())
    }

    /// Before the first event there is nothing that time could change, and the script's time has not begun.
    fn sleep(&mut self, time: &str) -> Option<()> {
        let is_possible = |seconds: &f64| (0.0..=LONGEST_SLEEP).contains(seconds);
        let seconds = time
            .trim_end_matches('s')
            .parse()
            .ok()
            .filter(is_possible)?;
        if !self.schedule.has_begun() {
            return Some(());
        }
        let until = self.subject.now() + Duration::from_secs_f64(seconds);
        self.subject.wait(until);
        Some(())
    }

    /// `sockstat -4 -P tcp -p 8080 -s | grep packetdril | grep -c TIME_WAIT | grep 1`
    fn count_states(
        &mut self,
        text: &str,
        arguments: &[&str],
        filters: &[Vec<String>],
    ) -> Option<Result<(), Failure>> {
        let mut port = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match *argument {
                "-p" => port = Some(rest.next()?.parse::<u16>().ok()?),
                "-P" => drop(rest.next()?),
                "-4" | "-6" | "-s" | "-q" | "-l" | "-c" | "-n" => {}
                _ => return None,
            }
        }
        let filters: Vec<Vec<&str>> = filters
            .iter()
            .map(|words| words.iter().map(String::as_str).collect())
            .collect();
        let filters: Vec<&[&str]> = filters.iter().map(Vec::as_slice).collect();
        // The lines of a process's sockets have its name, those of no process have none.
        let is_own =
            |filter: &&[&str]| matches!(filter, ["grep", name] if name.starts_with("packetdril"));
        let filters: Vec<&[&str]> = filters
            .into_iter()
            .filter(|filter| !is_own(filter))
            .collect();
        let [["grep", "-c", state], ["grep", wanted]] = filters.as_slice() else {
            return None;
        };
        let state = state_name(state);
        let states = self.subject.states();
        let of_port = states
            .iter()
            .filter(|(_, local)| port.is_none_or(|port| port == *local));
        let count = of_port
            .filter(|(name, _)| state_name(name) == state)
            .count()
            .to_string();
        if count.contains(wanted) {
            return Some(Ok(()));
        }
        let all: Vec<String> = states
            .iter()
            .map(|(name, port)| format!("{name} on port {port}"))
            .collect();
        Some(Err(Failure::new(
            "another number of connections is in this state",
        )
        .expected(format!("{wanted} in {state} (`{text}`)"))
        .seen(format!("{count}; all connections: {}", all.join(", ")))))
    }

    /// `tcpdrop -s STATE`
    fn drop_states(&mut self, arguments: &[&str]) -> Option<()> {
        match arguments {
            ["-s", state] => self.subject.drop_state(&state_name(state)),
            ["-a"] => {
                for (state, _) in self.subject.states() {
                    self.subject.drop_state(&state);
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// A state by one name, whichever tool named it.
fn state_name(name: &str) -> String {
    let name = name.trim().to_ascii_uppercase().replace('-', "_");
    let known = match name.as_str() {
        "SYN_RECV" | "SYN_RECEIVED" => "SYN_RCVD",
        "FIN_WAIT1" => "FIN_WAIT_1",
        "FIN_WAIT2" => "FIN_WAIT_2",
        "ESTAB" => "ESTABLISHED",
        "UNCONN" | "CLOSE" => "CLOSED",
        _ => return name,
    };
    known.to_owned()
}

/// Whether offloads, of which estab has none, are only turned off.
fn are_all_off(features: &[&str]) -> bool {
    features.chunks(2).all(|pair| matches!(pair, [_, "off"]))
}

/// Whether a qdisc is taken away or replaced by one that does not drop. `fq` paces only what asks for it, and estab
/// does not.
fn takes_pacing_away(arguments: &[&str]) -> bool {
    match arguments {
        ["del" | "delete", ..] => true,
        ["add" | "replace" | "change", "dev", _, "root", kind] => {
            matches!(*kind, "pfifo" | "pfifo_fast" | "noqueue" | "fq")
        }
        _ => false,
    }
}

/// Splits a text where a separator stands outside quotes and brackets.
fn split_outside_quotes<'a>(text: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut quote = None;
    let mut depth = 0_usize;
    let mut skip_to = 0;
    for (place, c) in text.char_indices() {
        if place < skip_to {
            continue;
        }
        match (quote, c) {
            (Some(open), _) => {
                if open == c {
                    quote = None;
                }
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let rest = &text[place..];
        let found = separators
            .iter()
            .find(|separator| rest.starts_with(**separator));
        if let (Some(separator), 0) = (found, depth) {
            parts.push(&text[from..place]);
            skip_to = place + separator.len();
            from = skip_to;
        }
    }
    parts.push(&text[from..]);
    parts
}

/// A program of a command, and where its output goes, unless that is nowhere or shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stage {
    /// Its words: quotes taken off, arithmetic valued.
    words: Vec<String>,
    output: Option<String>,
}

impl Stage {
    fn read(text: &str) -> Result<Self, String> {
        let text = with_arithmetic(text)?;
        if text.contains("$(") || text.contains('`') {
            return Err("it has a command within".to_owned());
        }
        let mut stage = Self::default();
        let mut word: Option<String> = None;
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                // A comment, up to the end of the line.
                '#' if word.is_none() => break,
                '\'' | '"' => {
                    let (inside, behind) =
                        rest.as_str().split_once(c).ok_or("a quote has no end")?;
                    *word.get_or_insert_default() += inside;
                    rest = behind.chars();
                }
                '>' => {
                    // `2>`: which output; a word of its own otherwise.
                    let is_number = |word: &String| word.parse::<u8>().is_ok();
                    let number = word.take_if(|word| is_number(word) || word == "&");
                    stage.words.extend(word.take());
                    stage.redirect(number.as_deref(), &mut rest)?;
                }
                '<' => return Err("it reads from a file".to_owned()),
                '&' if word.is_none() && rest.as_str().starts_with('>') => {
                    word = Some("&".to_owned());
                }
                '&' => return Err("it goes on in the background".to_owned()),
                c if c.is_whitespace() => stage.words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        stage.words.extend(word);
        Ok(stage)
    }

    /// What stands behind a `>`: `/dev/null`, `&1` or a file.
    fn redirect(
        &mut self,
        number: Option<&str>,
        rest: &mut std::str::Chars<'_>,
    ) -> Result<(), String> {
        let behind = rest.as_str();
        let target = behind.strip_prefix('>').unwrap_or(behind).trim_start();
        let end = target.find(char::is_whitespace).unwrap_or(target.len());
        let (target, behind) = target.split_at(end);
        *rest = behind.chars();
        match (target.trim_matches(['"', '\'']), number) {
            ("/dev/null" | "&1" | "&2", _) => Ok(()),
            ("", _) => Err("a redirection leads nowhere".to_owned()),
            (file, None | Some("1")) => {
                self.output = Some(file.to_owned());
                Ok(())
            }
            (file, Some(_)) => Err(format!("it writes to {file}")),
        }
    }
}

/// `$((15*1024*1024))`
fn with_arithmetic(text: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("$((") {
        let (inside, after) = behind.split_once("))").ok_or("`$((` has no end")?;
        result += before;
        result += &code::arithmetic(inside)?.to_string();
        rest = after;
    }
    Ok(result + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_quotes_arithmetic_and_redirections_to_nowhere() {
        let read = |text: &str| Stage::read(text).map(|stage| (stage.words, stage.output));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(
            read("sysctl -q net.ipv4.tcp_rmem=\"4096 540000 $((15*1024*1024))\" > /dev/null 2>&1"),
            Ok((
                words(&["sysctl", "-q", "net.ipv4.tcp_rmem=4096 540000 15728640"]),
                None
            ))
        );
        assert_eq!(
            read("sysctl a=1 &>/dev/null # > on"),
            Ok((words(&["sysctl", "a=1"]), None))
        );
        assert_eq!(
            read("echo 0 '>' 1>>/proc/sys/a"),
            Ok((words(&["echo", "0", ">"]), Some("/proc/sys/a".to_owned())))
        );
        for wrong in [
            "echo 'never ends",
            "echo $((1 +",
            "true >",
            "true 2> /tmp/x",
            "true < /tmp/x",
            "true & true",
            "echo $(true)",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn separators_in_quotes_do_not_separate() {
        let parts = split_outside_quotes("a 'x;y'; b && c | d", &[";", "&&"]);
        assert_eq!(parts, ["a 'x;y'", " b ", " c | d"]);
    }

    #[test]
    fn one_state_has_one_name() {
        for name in ["SYN-RECV", "SYN-RECEIVED", "syn_rcvd", "SYN_RECV"] {
            assert_eq!(state_name(name), "SYN_RCVD");
        }
        assert_eq!(state_name("FIN-WAIT-1"), state_name("FIN_WAIT1"));
        assert_eq!(state_name("TIME-WAIT"), "TIME_WAIT");
    }

    #[test]
    fn only_a_qdisc_that_drops_nothing_is_accepted() {
        assert!(takes_pacing_away(&["add", "dev", "tun0", "root", "pfifo"]));
        assert!(takes_pacing_away(&["delete", "dev", "tun0", "root"]));
        assert!(!takes_pacing_away(&[
            "replace", "dev", "tun0", "root", "pfifo", "limit", "0"
        ]));
        assert!(takes_pacing_away(&["replace", "dev", "tun0", "root", "fq"]));
        assert!(!takes_pacing_away(&[
            "replace", "dev", "tun0", "root", "netem", "loss", "1%"
        ]));
    }
}
