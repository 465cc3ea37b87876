//! Packets: bytes to segments and back. TCP's own format is ours; IP and ICMP headers go through etherparse.
