//! scratch
use estab_sim::explore::*;
fn main() {
    for s in Scenario::handshakes() {
        for m in 1..=4 {
            let mut s = s.clone();
            let root = s.thin(m);
            let r = explore(&s, root.clone(), 3_000_000);
            println!(
                "== {} {m}: {:8} states {:9} tr depth {} endings {} cut {}",
                s.name, r.states, r.transitions, r.depth, r.endings, r.is_cut
            );
            if let Some(c) = &r.counter_example {
                println!("{}\n{}", c.what, tell(&s, &root, &c.actions));
            }
        }
        let mut s = s.clone();
        let root = s.real(Mutation::None);
        let r = explore(&s, root.clone(), 3_000_000);
        println!(
            "== {} core: {:8} states {:9} tr depth {} endings {} cut {}",
            s.name, r.states, r.transitions, r.depth, r.endings, r.is_cut
        );
        if let Some(c) = &r.counter_example {
            println!("{}\n{}", c.what, tell(&s, &root, &c.actions));
        }
    }
}
