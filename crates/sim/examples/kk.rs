use estab_sim::differ::*;
fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap());
    let (from, to, n) = (
        args.next().unwrap(),
        args.next().unwrap(),
        args.next().unwrap(),
    );
    let t = std::time::Instant::now();
    let f = hunt(from..to, n as usize).unwrap();
    for (k, v) in &f.unknown {
        println!(
            "{}x seed {} {k} at {}\n{}",
            v.times, v.seed, v.difference.moment, v.script
        );
    }
    println!(
        "plots {} known {:#?} fleeting {} unknown {}  {:?}",
        f.plots,
        f.known,
        f.fleeting,
        f.unknown.len(),
        t.elapsed()
    );
}
