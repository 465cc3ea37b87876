//! How much is done: everything, or a second's worth.

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Small numbers, few rounds: whether it runs at all, and about how fast.
    pub quick: bool,
}

impl Scale {
    /// One of two.
    #[must_use]
    pub const fn pick<T: Copy>(self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Rounds that count.
    #[must_use]
    pub const fn rounds(self) -> usize {
        self.pick(5, 21)
    }
}
