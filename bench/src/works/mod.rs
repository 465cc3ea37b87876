//! The pieces of work, one file for each.

mod bulk;
mod giants;
mod memory;
mod open_close;
mod segment;
mod syn;
mod tun_bulk;
mod tun_connections;
mod tun_flood;

use crate::harness::{Figure, Scale};

/// A piece of work.
pub struct Work {
    /// How it is asked for.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is done and what is counted.
    pub about: &'static str,
    /// Does it.
    pub run: fn(Scale) -> anyhow::Result<Vec<Figure>>,
    /// Whether it runs in the program that counts what is allocated.
    pub counted: bool,
    /// The picture of its growth.
    pub picture: Option<Picture>,
}

/// How figures with an `n` are drawn.
pub struct Picture {
    /// The file in `docs`.
    pub file: &'static str,
    /// What stands above.
    pub title: &'static str,
    /// What stands at the side.
    pub y: &'static str,
    /// Figures of this unit.
    pub unit: &'static str,
    /// Which of them.
    pub shows: fn(&Figure) -> bool,
}

/// All of them, in the order they are run and told.
pub const WORKS: &[Work] = &[
    open_close::WORK,
    segment::WORK,
    memory::WORK,
    giants::WORK,
    syn::WORK,
    bulk::WORK,
    tun_connections::WORK,
    tun_bulk::WORK,
    tun_flood::WORK,
];

/// Finds a piece of work.
///
/// # Errors
/// There is none of this name; the message lists those there are.
pub fn find(name: &str) -> anyhow::Result<&'static Work> {
    WORKS.iter().find(|work| work.name == name).ok_or_else(|| {
        let names: Vec<_> = WORKS.iter().map(|work| work.name).collect();
        anyhow::anyhow!("there is no work {name}, but {}", names.join(", "))
    })
}

/// A round number in short.
fn grouped(n: usize) -> String {
    match n {
        0 => "none".to_owned(),
        n if n % 1_000_000 == 0 => format!("{} M", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{} k", n / 1_000),
        n => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_what_there_is_not_is_told_what_there_is() {
        assert_eq!(find("bulk").unwrap().name, "bulk");
        let error = find("bulky").err().unwrap().to_string();
        assert!(
            error.starts_with("there is no work bulky, but open-close, segment"),
            "{error}"
        );
    }
}
