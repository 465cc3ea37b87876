//! `estab serve` and `estab connect`, each in a network of the test's own.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use estab_device::bring_up_loopback;
use nix::sys::signal::{Signal, kill};

use common::*;

/// A host that says where it is: from then on it answers.
fn serve(control: &std::path::Path) -> (Child, Vec<String>) {
    let mut child = estab(&format!("serve --control {}", control.display()))
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let announcement: Vec<_> = said.by_ref().take(3).map(Result::unwrap).collect();
    (child, announcement)
}

#[test]
fn a_host_lasts_until_it_is_told_to_end_and_leaves_nothing() {
    if !can_run(
        "a_host_lasts_until_it_is_told_to_end_and_leaves_nothing",
        &["curl"],
    ) {
        return;
    }
    let control = temporary("lasting.sock");
    in_a_fresh_network(|| {
        let (host, announcement) = serve(&control);
        assert!(
            announcement.concat().contains("http://198.18.0.1/"),
            "{announcement:?}"
        );
        let mut echo = TcpStream::connect("198.18.0.1:7").unwrap();
        echo.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        echo.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
        assert!(control.exists());
        kill(pid(&host), Signal::SIGTERM).unwrap();
        // Its side is finished; ours stays open, so that it has to be cut in the end.
        assert_eq!(echo.read(&mut back).unwrap(), 0);
        let output = finish(host);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            stderr(&output).contains("1 connection was cut"),
            "{}",
            stderr(&output)
        );
        assert_eq!(echo.read(&mut back).unwrap(), 0);
    });
    assert!(!control.exists());
}

#[test]
fn the_end_of_the_interface_is_noticed_and_told_in_one_line() {
    let name = "the_end_of_the_interface_is_noticed_and_told_in_one_line";
    if !can_run(name, &["ip"]) {
        return;
    }
    let delete = |interface: &str| {
        let mut ip = Command::new("ip");
        ip.args(["link", "delete", interface]);
        assert!(output(ip).status.success());
    };
    let control = temporary("deleted.sock");
    in_a_fresh_network(|| {
        let (mut host, _) = serve(&control);
        delete("estab0");
        let mut said = String::new();
        let stderr = host.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(said, "estab: the interface estab0 was deleted\n");
        assert_eq!(finish(host).status.code(), Some(1));

        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut command = estab(&format!("connect --tun lab0 198.18.0.2 {port}"));
        let client = command.stdin(Stdio::piped()).spawn().unwrap();
        let _connection = listener.accept().unwrap();
        delete("lab0");
        let client = finish_with_stdin_open(client);
        assert_fails(&client, 1, "the interface lab0 was deleted");
    });
    assert!(!control.exists());
}

#[test]
fn what_is_taken_is_told_in_one_line() {
    if !can_run("what_is_taken_is_told_in_one_line", &[]) {
        return;
    }
    let control = temporary("taken.sock");
    let other = temporary("other.sock");
    in_a_fresh_network(|| {
        let (host, _) = serve(&control);
        let taken = |options: &str| output(estab(&format!("serve {options}")));
        let at = |path: &std::path::Path| format!("--control {}", path.display());
        assert_fails(&taken(&at(&control)), 2, "is taken");
        assert_fails(
            &taken(&at(&other)),
            2,
            "there is an interface estab0 already",
        );
        let same_address = format!("{} --tun lab0", at(&other));
        assert_fails(
            &taken(&same_address),
            2,
            "estab0 has the address 198.18.0.2 already",
        );
        assert!(!other.exists());
        kill(pid(&host), Signal::SIGKILL).unwrap();
        finish(host);
        // What a killed host leaves does not stop the next.
        assert!(control.exists());
        let (next, _) = serve(&control);
        kill(pid(&next), Signal::SIGTERM).unwrap();
        assert_eq!(finish(next).status.code(), Some(0));
    });
}

#[test]
fn connect_speaks_with_a_server_of_the_kernels() {
    if !can_run("connect_speaks_with_a_server_of_the_kernels", &[]) {
        return;
    }
    in_a_fresh_network(|| {
        bring_up_loopback().unwrap();
        for host in ["198.18.0.2", "fd00:e57a:b::2"] {
            let listener = TcpListener::bind("[::]:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).unwrap();
                heard.reverse();
                stream.write_all(&heard).unwrap();
            });
            let mut command = estab(&format!("connect -v {host} {port}"));
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(b"stressed").unwrap();
            let output = finish(child);
            assert_eq!(stdout(&output), "desserts");
            assert_eq!(output.status.code(), Some(0));
            let told = stderr(&output);
            for state in [
                "SYN-SENT",
                "ESTABLISHED",
                "FIN-WAIT-1",
                "FIN-WAIT-2",
                "TIME-WAIT",
            ] {
                assert!(told.contains(state), "no {state} in: {told}");
            }
            server.join().unwrap();
        }
    });
}

#[test]
fn connect_sends_on_after_the_peer_has_finished() {
    if !can_run("connect_sends_on_after_the_peer_has_finished", &[]) {
        return;
    }
    in_a_fresh_network(|| {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let begin = || {
            let mut command = estab(&format!("connect 198.18.0.2 {port}"));
            let mut client = command.stdin(Stdio::piped()).spawn().unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"that is all\n").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut heard = BufReader::new(client.stdout.as_mut().unwrap()).lines();
            assert_eq!(heard.next().unwrap().unwrap(), "that is all");
            thread::sleep(Duration::from_millis(300));
            (client, stream)
        };
        let (mut client, mut stream) = begin();
        let much = vec![7; 1_000_000];
        let mut stdin = client.stdin.take().unwrap();
        let writer = thread::spawn(move || stdin.write_all(&much).unwrap());
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert_eq!(heard.len(), 1_000_000);
        writer.join().unwrap();
        assert_eq!(finish(client).status.code(), Some(0));

        // A RST for what nobody will read ends the command, although standard input is open.
        let (mut client, stream) = begin();
        drop(stream);
        client.stdin.as_mut().unwrap().write_all(b"lost").unwrap();
        assert_fails(&finish_with_stdin_open(client), 1, "reset");

        let mut command = estab(&format!("connect 198.18.0.2 {port}"));
        command.stdin(std::fs::File::open("/").unwrap());
        let client = command.spawn().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
        drop(stream);
        assert_fails(&finish(client), 1, "standard input: Is a directory");
    });
}

#[test]
fn connect_fails_in_one_line() {
    if !can_run("connect_fails_in_one_line", &[]) {
        return;
    }
    in_a_fresh_network(|| {
        assert_fails(&output(estab("connect 198.18.0.2 9")), 1, "refused");
        assert_fails(&output(estab("connect 127.0.0.1 9")), 2, "198.18.0.2");
        assert_fails(&output(estab("connect example.org 9")), 2, "by its address");
        assert_fails(
            &output(estab("connect --tun a/b 198.18.0.2 9")),
            2,
            "cannot name an interface",
        );
    });
}

#[test]
fn ss_shows_the_connections_of_a_running_host() {
    if !can_run("ss_shows_the_connections_of_a_running_host", &["socat"]) {
        return;
    }
    let control = temporary("asked.sock");
    let shell = format!(
        "(echo hello; sleep 1) | socat - TCP:198.18.0.1:7 | (read line; {} ss --control {} --no-header 'sport = :7')",
        env!("CARGO_BIN_EXE_estab"),
        control.display()
    );
    let options = format!("--control {}", control.display());
    let output = output(estab_run(&options, &shell));
    let shown = stdout(&output);
    assert!(
        shown.starts_with("ESTAB") && shown.contains("198.18.0.1:7"),
        "{shown}{}",
        stderr(&output)
    );
    assert!(!control.exists());
}

#[test]
fn ss_asks_the_host_that_it_runs_under() {
    if !can_run("ss_asks_the_host_that_it_runs_under", &[]) {
        return;
    }
    let shell = format!(
        "{} ss -l --no-header && echo $ESTAB_CONTROL && stat -c %a $ESTAB_CONTROL",
        env!("CARGO_BIN_EXE_estab")
    );
    let named = temporary("named.sock");
    let directory = temporary("runtime");
    std::fs::create_dir_all(&directory).unwrap();
    for options in ["", &format!("--control {}", named.display())] {
        let mut command = estab_run(options, &shell);
        command.env("XDG_RUNTIME_DIR", &directory);
        let output = output(command);
        let shown = stdout(&output);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines.len() == 10, "{shown}{}", stderr(&output));
        assert!(lines[0].starts_with("LISTEN"), "{shown}");
        assert!(lines[1].contains("half-open 0 of 1,024"), "{shown}");
        assert_eq!(lines[9], "600");
        let socket = std::path::Path::new(lines[8]);
        assert!(socket.is_absolute() && !socket.exists(), "{shown}");
    }
    // Where there can be none, the command runs all the same.
    let mut command = estab_run("", "echo begun");
    command.env("XDG_RUNTIME_DIR", "/nonexistent");
    assert_eq!(stdout(&output(command)), "begun\n");
    std::fs::remove_dir(directory).unwrap();
}

#[test]
fn leaks_finds_nothing_and_then_a_server_whose_client_does_not_read() {
    let name = "leaks_finds_nothing_and_then_a_server_whose_client_does_not_read";
    if !can_run(name, &["curl"]) {
        return;
    }
    let control = temporary("leaking.sock");
    let leaks = || {
        output(estab(&format!(
            "leaks --older 0 --control {}",
            control.display()
        )))
    };
    in_a_fresh_network(|| {
        let nobody = leaks();
        assert_eq!(nobody.status.code(), Some(2));
        assert!(stderr(&nobody).contains("no estab is running"));
        let (host, _) = serve(&control);
        let nothing = leaks();
        assert_eq!(nothing.status.code(), Some(1));
        assert!(stdout(&nothing).starts_with("nothing leaks: 0 connections"));
        let client = TcpStream::connect("198.18.0.1:19").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        // The FIN is on its way; each question takes longer than that.
        let found = (0..100).map(|_| leaks());
        let found = found.into_iter().find(|one| one.status.code() == Some(0));
        let told = stdout(&found.expect("CLOSE-WAIT, in the end"));
        assert!(told.contains("crates/cli/src/services/mod.rs:"), "{told}");
        assert!(told.contains("    1 overload, for up to "), "{told}");
        assert!(told.contains("198.18.0.1:19 - 198.18.0.2:"), "{told}");
        let mut curl = Command::new("curl");
        curl.args(["-s", "http://198.18.0.1/metrics"]);
        curl.stdout(Stdio::piped());
        let metrics = stdout(&output(curl));
        let waits = metrics
            .lines()
            .find(|line| line.starts_with("estab_connections_close_wait{") && line.ends_with(" 1"));
        assert!(waits.is_some() && metrics.ends_with("# EOF\n"), "{metrics}");
        kill(pid(&host), Signal::SIGTERM).unwrap();
        drop(client);
        finish(host);
    });
}
