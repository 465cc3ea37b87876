use super::*;

fn parsed(line: &str) -> Command {
    let arguments = line.split(' ').map(OsString::from);
    parse(arguments).unwrap().unwrap().command
}

fn error(line: &str) -> String {
    let failure = parse(line.split(' ').map(OsString::from)).unwrap_err();
    assert_eq!(failure.status(), Failure::USAGE);
    failure.to_string()
}

fn run(line: &str) -> RunArgs {
    match parsed(line) {
        Command::Run(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory as _;
    Arguments::command().debug_assert();
}

#[test]
fn what_follows_the_dashes_is_the_command_with_its_own_options() {
    let args = run("estab run --json -- curl -s --loss 5 http://198.18.0.1/");
    assert_eq!(
        args.command,
        ["curl", "-s", "--loss", "5", "http://198.18.0.1/"]
    );
    assert!(args.json);
    assert_eq!(args.link.impairment(), None);
    let args = run("estab run curl -w x --json");
    assert_eq!(args.command, ["curl", "-w", "x", "--json"]);
    assert!(!args.json && args.link.capture.is_none());
}

#[test]
fn impairments_are_read_with_their_units() {
    let line = "estab run --loss 5 --duplicate 2% --reorder 10 --corrupt 0.5 --delay 5ms --jitter 250us \
                --rate 10mbit --seed 7 -- true";
    let args = run(line);
    let expected = Impairment {
        loss: 0.05,
        duplicate: 0.02,
        reorder: 0.1,
        corrupt: 0.005,
        delay: Duration::from_millis(5),
        jitter: Duration::from_micros(250),
        rate: Some(10_000_000),
        ..Impairment::default()
    };
    assert_eq!(args.link.impairment(), Some(expected));
    assert_eq!(args.link.seed, 7);
    assert_eq!(args.link.time_wait, Duration::from_secs(60));
}

#[test]
fn a_wrong_value_is_one_line_with_a_hint() {
    assert_eq!(
        error("estab run --delay 5 -- true"),
        "invalid value '5' for '--delay <TIME>': a time needs its unit: 5ms or 5s; see --help"
    );
    assert_eq!(
        error("estab run --los 5 -- true"),
        "unexpected argument '--los' found; a similar argument exists: '--loss'"
    );
    let negative = error("estab run --loss -1 -- true");
    assert!(
        negative.contains("'--loss <PERCENT>': a percentage is a number from 0"),
        "{negative}"
    );
    assert!(error("estab run --delay -5ms -- true").contains("a time is a number and its unit"));
    assert!(error("estab run --mtu -1 -- true").contains("-1 is not in 576"));
    assert!(error("estab connect 198.18.0.2 -1").contains("-1 is not in 1"));
    assert_eq!(
        error("estab run --zzz -- true"),
        "unexpected argument '--zzz' found; see --help"
    );
    for line in [
        "estab",
        "estab run",
        "estab run --",
        "estab run --los 5 -- true",
        "estab run --loss 101 -- true",
        "estab run --mtu 500 -- true",
        "estab run --rate 10 -- true",
        "estab serve --address 198.18.0.1",
        "estab serve --address 198.18.0.1/33",
        "estab serve --address 198.18.0.1/32",
        "estab serve --address 198.18.0.0/15",
        "estab serve --address 198.19.255.255/15",
        "estab serve --address 224.0.0.1/4",
        "estab connect example.org 80",
        "estab connect 198.18.0.2 0",
        "estab connect 198.18.0.2",
        "estab walk",
    ] {
        let message = error(line);
        assert!(
            !message.contains('\n') && message.len() > 10,
            "{line}: {message:?}"
        );
    }
}

#[test]
fn addresses_given_replace_the_default_ones() {
    let Command::Serve(args) = parsed("estab serve") else {
        panic!()
    };
    assert_eq!(args.addresses.addresses.len(), 2);
    let Command::Serve(args) = parsed("estab serve --address 10.9.0.1/24") else {
        panic!()
    };
    assert_eq!(args.addresses.addresses, ["10.9.0.1/24".parse().unwrap()]);
}

#[test]
fn how_a_host_listens_is_chosen() {
    let line =
        "estab serve --backlog 5 --syn-backlog 9 --accept-policy shed-oldest --syn-cookies always";
    let Command::Serve(args) = parsed(line) else {
        panic!("another command");
    };
    let listening = args.listening;
    assert_eq!((listening.backlog, listening.syn_backlog), (5, Some(9)));
    assert_eq!(listening.accept_policy, estab::AcceptPolicy::ShedOldest);
    assert_eq!(listening.syn_cookies, estab::SynCookies::Always);
    let wrong = error("estab serve --accept-policy wait");
    assert!(wrong.contains("hold, reset, shed-oldest"), "{wrong}");
    let wrong = error("estab serve --syn-cookies on");
    assert!(wrong.contains("off, auto, always"), "{wrong}");
    let wrong = error("estab serve --backlog 0");
    assert!(wrong.contains('0'), "{wrong}");
}
