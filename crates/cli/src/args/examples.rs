//! The examples at the foot of each help.

pub(super) const ESTAB: &str = "\
Examples:
  estab run -- curl -s http://198.18.0.1/     run curl against estab, tell its connections' lives
  estab run --loss 5 --delay 5ms -- curl -T FILE http://198.18.0.1/sha256
  estab serve                                 be a host on the interface estab0
  estab ss state close-wait                   list a running host's connections
  estab leaks                                 tell which of them its application has forgotten
  estab connect 198.18.0.2 22                 connect to a server of the kernel's
  estab script close.pkt                      run a packetdrill script in virtual time
  estab lab why-three                         see why a handshake takes three messages

`estab COMMAND --help` tells more of each.";

pub(super) const RUN: &str = "\
Examples:
  estab run -- curl -s http://198.18.0.1/
  estab run -w life.pcapng -- curl -s -o copy 'http://198.18.0.1/bytes/1000000?seed=7'
  estab run --loss 5 --reorder 10 --delay 5ms -- curl -T FILE http://198.18.0.1/sha256
  estab run --time-wait 1s --json -- sh -c 'echo hello | nc -N 198.18.0.1 7'
  estab run --http . -- curl -s -r 0-99 http://198.18.0.1/README.md
  estab run -- bash";

pub(super) const SERVE: &str = "\
Examples:
  estab serve
  estab serve --http . -w all.pcapng
  estab serve --tun lab0 --address 10.99.0.1/24 --address fd00:99::1/64
  estab serve --rate 10mbit --delay 20ms";

pub(super) const CONNECT: &str = "\
Examples:
  estab connect -v 198.18.0.2 22
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | estab connect 198.18.0.2 8000
  estab connect -w life.pcapng fd00:e57a:b::2 7";

pub(super) const LAB: &str = "\
Examples:
  estab lab list
  estab lab why-three
  estab lab syn-flood --json
  estab lab lost-third-ack -w ack.pcapng";
