//! The retransmission timeout (RFC 6298).
