//! scratch
use estab_sim::explore::*;
fn main() {
    let n: Vec<u8> = std::env::args()
        .skip(2)
        .map(|a| a.parse().unwrap())
        .collect();
    let only = std::env::args().nth(1).unwrap();
    let b = Faults {
        losses: n[0],
        duplicates: n[1],
        early_timers: n[2],
        old: n[3],
        restarts: n[4],
    };
    for s in Scenario::all() {
        if only != "all" && s.name != only {
            continue;
        }
        let mut s = s.within(b);
        let root = s.real(Mutation::None);
        #[allow(clippy::disallowed_methods)]
        let t = std::time::Instant::now();
        let r = explore(&s, root.clone(), 3_000_000);
        println!(
            "{:26} {:8} states {:9} tr depth {} endings {} cut {} {:?}",
            s.name,
            r.states,
            r.transitions,
            r.depth,
            r.endings,
            r.is_cut,
            t.elapsed()
        );
        if let Some(c) = &r.counter_example {
            println!("{}\n{}", c.what, tell(&s, &root, &c.actions));
        }
    }
}
