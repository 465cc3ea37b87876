//! Random plots: an opening that goes well as a rule, then anything, with numbers that are nearly right.

use fastrand::Rng;

use super::plot::{Control, Deed, Inbound, Offer, Plot, Stamp, Step};

/// The plot of a seed.
#[must_use]
pub fn generate(seed: u64) -> Plot {
    let mut author = Author {
        rng: Rng::with_seed(seed),
        next: 0,
        written: 0,
        steps: Vec::new(),
    };
    let rng = &mut author.rng;
    let (is_active, is_v6) = (one_in(rng, 3), one_in(rng, 4));
    let offer = Offer {
        mss: (!one_in(rng, 4)).then(|| pick(rng, &[536, 1000, 1460])),
        window_scale: one_in(rng, 2).then(|| rng.u8(0..=14)),
        sack: rng.bool(),
        timestamps: one_in(rng, 3),
    };
    author.open(is_active);
    for _ in 0..author.rng.usize(2..=9) {
        author.go_on();
    }
    Plot {
        is_active,
        is_v6,
        offer,
        steps: author.steps,
    }
}

/// Writes a plot, and keeps in mind which numbers would be right if all went well.
struct Author {
    rng: Rng,
    /// The peer's next sequence number.
    next: u32,
    /// Bytes the application wrote, and its FIN.
    written: u32,
    steps: Vec<Step>,
}

fn one_in(rng: &mut Rng, of: u32) -> bool {
    rng.u32(0..of) == 0
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())]
}

impl Author {
    fn open(&mut self, is_active: bool) {
        // Now and then the peer does not open as it should.
        if one_in(&mut self.rng, 6) {
            let control = pick(&mut self.rng, &["S", "S.", ".", "R", "R.", "F.", "SF", ""]);
            self.arrive(control);
        }
        if is_active {
            // Simultaneous open is rare, too.
            if one_in(&mut self.rng, 8) {
                self.right("S", 0);
                self.right("S.", 0);
            } else {
                self.right("S.", 0);
            }
        } else {
            self.right("S", 0);
            if one_in(&mut self.rng, 8) {
                self.go_on();
            }
            self.right(".", 0);
            self.steps.push(Step::Do(Deed::Accept));
        }
    }

    fn go_on(&mut self) {
        if one_in(&mut self.rng, 3) {
            return self.act();
        }
        let control = match self.rng.u32(0..100) {
            0..50 => ".",
            50..68 => "F.",
            68..75 => "R",
            75..81 => "R.",
            81..88 => "S",
            88..91 => "S.",
            91..93 => "",
            93..95 => "F",
            95..97 => "SF",
            97 => "SR",
            98 => "RF.",
            _ => "SF.",
        };
        if one_in(&mut self.rng, 2) {
            let len = self.some_len();
            self.right(control, len);
        } else {
            self.arrive(control);
        }
    }

    fn act(&mut self) {
        let deed = match self.rng.u32(0..100) {
            0..30 => Deed::Write(pick(&mut self.rng, &[1, 100, 1000, 3000])),
            30..55 => Deed::Read(pick(&mut self.rng, &[1, 100, 10_000])),
            55..70 => Deed::Shutdown(1),
            70..76 => Deed::Shutdown(0),
            76..79 => Deed::Shutdown(2),
            79..93 => Deed::Close,
            93..97 => Deed::Abort,
            _ => Deed::Accept,
        };
        self.written += match deed {
            Deed::Write(len) => u32::from(len),
            Deed::Shutdown(1 | 2) | Deed::Close => 1,
            _ => 0,
        };
        self.steps.push(Step::Do(deed));
    }

    fn some_len(&mut self) -> u16 {
        pick(&mut self.rng, &[0, 0, 1, 10, 100, 1000])
    }

    /// A segment whose numbers are right.
    fn right(&mut self, control: &str, len: u16) {
        let ack = self.written + 1;
        let seq = self.next;
        self.segment(control, seq, ack, len);
        let control = Control::from_letters(control);
        self.next = seq + u32::from(len) + u32::from(control.syn) + u32::from(control.fin);
    }

    /// A segment whose numbers may be wrong.
    fn arrive(&mut self, control: &str) {
        let next = self.next;
        let seq = match self.rng.u32(0..100) {
            0..40 => next,
            40..55 => next.wrapping_sub(1),
            55..65 => next.wrapping_sub(self.rng.u32(2..=1100)),
            65..82 => next.wrapping_add(self.rng.u32(1..=1100)),
            82..88 => next.wrapping_add(100_000_000),
            88..94 => next.wrapping_sub(100_000_000),
            _ => 0,
        };
        let right = self.written + 1;
        let ack = match self.rng.u32(0..100) {
            0..60 => right,
            60..75 => 1,
            75..82 => self.rng.u32(0..=right),
            82..90 => right + self.rng.u32(1..=1000),
            90..95 => right.wrapping_sub(100_000_000),
            _ => 0,
        };
        let len = self.some_len();
        self.segment(control, seq, ack, len);
    }

    fn segment(&mut self, control: &str, seq: u32, ack: u32, len: u16) {
        let control = Control::from_letters(control);
        let rng = &mut self.rng;
        let window = if one_in(rng, 8) {
            pick(rng, &[0, 1, 1000])
        } else {
            65_535
        };
        let stamp = match rng.u32(0..20) {
            0 => Stamp::Old,
            1 => Stamp::Missing,
            _ => Stamp::Fresh,
        };
        self.steps.push(Step::Arrive(Inbound {
            control,
            seq,
            ack: if control.ack { ack } else { 0 },
            window,
            len,
            stamp,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_tells_the_same_plot_and_another_another() {
        assert_eq!(generate(7), generate(7));
        let plots: Vec<_> = (0..100).map(generate).collect();
        assert!(plots.iter().any(|plot| plot.is_active));
        assert!(plots.iter().any(|plot| plot.is_v6));
        assert!(plots.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
