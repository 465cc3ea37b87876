//! A virtual clock and network for whole worlds of estab stacks.
