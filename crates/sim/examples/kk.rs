use estab_sim::differ::*;
use estab_sim::kernel::*;
use estab_sim::script::Subject as _;
use estab_sim::sockets::{Bench, BenchSettings, Profile};
use std::time::{Duration, Instant};
fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap());
    let (from, to) = (args.next().unwrap(), args.next().unwrap());
    let mut k = Kernel::new(&Network::default()).unwrap();
    for (n, v) in [
        ("net.ipv4.tcp_invalid_ratelimit", "0"),
        ("net.ipv4.tcp_early_retrans", "0"),
        ("net.ipv4.tcp_recovery", "0"),
        ("net.ipv4.tcp_no_metrics_save", "1"),
        ("net.ipv4.tcp_challenge_ack_limit", "2147483647"),
    ] {
        if let Err(e) = k.sysctl(n, v) {
            println!("{e}")
        }
    }
    let pace = Pace {
        answer: Duration::from_millis(6),
        end: Duration::from_millis(60),
    };
    let t = Instant::now();
    let mut differ = 0;
    let mut kernel = |plot: &Plot| {
        k.clear();
        play(plot, &mut k, pace)
    };
    let bench = |plot: &Plot| {
        let mut s = BenchSettings::new();
        s.addresses = vec![
            "192.168.0.2".parse().unwrap(),
            "fd3d:fa7b:d17d::2".parse().unwrap(),
        ];
        let mut p = Profile::linux();
        p.config.challenge_acks_per_second = u32::MAX;
        let mut b = Bench::new(p, &s);
        play(plot, &mut b, pace)
    };
    let mut seen = std::collections::BTreeMap::new();
    for seed in from..to {
        let plot = generate(seed);
        if let Some(d) = difference(&bench(&plot), &kernel(&plot)) {
            differ += 1;
            let (plot, d) = shrink(plot, d, |plot| difference(&bench(plot), &kernel(plot)));
            let key = format!("{:?} {} | {}", d.state, d.left, d.right);
            let n: &mut u32 = seen.entry(key).or_default();
            *n += 1;
            if *n == 1 {
                println!(
                    "seed {seed}: at {}\n  estab {}\n  linux {}\n{}",
                    d.moment,
                    d.left,
                    d.right,
                    script(&plot, &kernel(&plot))
                );
            }
        }
    }
    println!("{differ} differ, {:?}", t.elapsed());
    for (k, n) in seen {
        println!("{n:4} {k}");
    }
}
