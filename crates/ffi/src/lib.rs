//! estab behind the C interface that packetdrill loads with `--so_filename`: `libestab_packetdrill.so`.
//!
//! packetdrill's scripts then run on estab instead of the kernel, in virtual time, without root and without
//! a TUN: see `docs/packetdrill.md`. Linux only, as packetdrill's errno and option numbers are Linux's here.
#![cfg(target_os = "linux")]

mod address;
mod calls;
mod flags;
mod interface;
mod netdev;
mod options;
mod thread;
mod world;

pub use interface::{Interface, packetdrill_interface_init};
