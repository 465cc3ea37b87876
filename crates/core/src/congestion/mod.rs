//! Congestion control behind one trait.
