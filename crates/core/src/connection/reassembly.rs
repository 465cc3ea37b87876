//! Out-of-order data, held until the hole fills (RFC 9293 §3.10.7.4).
