//! BSD sockets over estab: each call in each state, told as stories in virtual time.

mod harness;

mod opening;
