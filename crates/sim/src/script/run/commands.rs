//! Commands in back quotes. None is ever given to a shell: the few things that scripts do there are done here, and
//! everything else fails the script by name.

use std::time::Duration;

use super::super::subject::{Setting, Subject};
use super::Runner;
use super::command_line::{Stage, split_outside_quotes};
use super::ladder::RungKind;
use super::report::Failure;

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

#[cfg(test)]
mod tests {
    use super::*;

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
