//! estab against the Linux kernel over a TUN: every open and close the kernel can be made to do, with the
//! states of both ends. Each test has a network namespace of its own, as root only.
#![cfg(target_os = "linux")]

mod closing;
mod opening;
mod repair;
mod scene;
