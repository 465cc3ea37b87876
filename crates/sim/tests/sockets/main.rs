//! BSD sockets over estab: each call in each state, told as stories in virtual time.

mod harness;

mod closing;
mod limits;
mod naming;
mod opening;
mod options;
mod readiness;
mod settings;
mod transfer;
mod urgent;
