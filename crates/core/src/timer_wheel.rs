//! A hierarchical timer wheel: one deadline per key, O(1) to set and to clear.
