//! The three blocks of pcapng that a capture needs, as draft-ietf-opsawg-pcapng has them.
//!
//! Written here because the crates do not fit: `pcap-file` 2 (2022) has given way to a 3.0 that is a release candidate
//! and asks for a newer Rust than this workspace does, and `pcap-parser`, which reads them back in the tests, only reads.

use std::io::{self, Write};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// Tells the reader the byte order; everything here is little-endian.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const OPT_END: u16 = 0;
const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;

/// Raw IP; the packet's first bits tell which version.
const LINKTYPE_RAW: u16 = 101;

/// Writes blocks, each in one piece.
#[derive(Debug)]
pub(super) struct Writer<W> {
    inner: W,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(super) const fn new(inner: W) -> Self {
        Self {
            inner,
            block: Vec::new(),
        }
    }

    pub(super) fn section_header(&mut self, application: &str) -> io::Result<()> {
        self.begin(SECTION_HEADER);
        self.u32(BYTE_ORDER_MAGIC);
        self.u16(1);
        self.u16(0);
        self.block.extend_from_slice(&u64::MAX.to_le_bytes()); // the section's length is not known
        self.option(SHB_USERAPPL, application.as_bytes());
        self.end()
    }

    /// Describes the only interface, with number 0, of raw IP packets and timestamps in nanoseconds.
    pub(super) fn interface(&mut self, name: &str) -> io::Result<()> {
        self.begin(INTERFACE_DESCRIPTION);
        self.u16(LINKTYPE_RAW);
        self.u16(0);
        self.u32(0); // packets are never cut short
        self.option(IF_NAME, name.as_bytes());
        self.option(IF_TSRESOL, &[9]);
        self.end()
    }

    /// Writes one packet, `nanos` after 1970.
    pub(super) fn packet(
        &mut self,
        nanos: u64,
        inbound: bool,
        packet: &[u8],
        comments: &[String],
    ) -> io::Result<()> {
        self.begin(ENHANCED_PACKET);
        self.u32(0);
        let [b0, b1, b2, b3, high @ ..] = nanos.to_le_bytes();
        self.block.extend_from_slice(&high);
        self.block.extend_from_slice(&[b0, b1, b2, b3]);
        let length = u32::try_from(packet.len()).map_err(io::Error::other)?;
        self.u32(length);
        self.u32(length);
        self.block.extend_from_slice(packet);
        self.pad();
        let direction: u32 = if inbound { 1 } else { 2 };
        self.option(EPB_FLAGS, &direction.to_le_bytes());
        for comment in comments {
            self.option(OPT_COMMENT, comment.as_bytes());
        }
        self.end()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    pub(super) fn into_inner(self) -> W {
        self.inner
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.u32(kind);
        self.u32(0); // the length, filled in at the end
    }

    fn end(&mut self) -> io::Result<()> {
        self.option(OPT_END, &[]);
        let length = u32::try_from(self.block.len() + 4).map_err(io::Error::other)?;
        self.block[4..8].copy_from_slice(&length.to_le_bytes());
        self.u32(length);
        self.inner.write_all(&self.block)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.u16(code);
        self.u16(length);
        self.block.extend_from_slice(&value[..usize::from(length)]);
        self.pad();
    }

    /// Everything in a block starts at a multiple of four bytes.
    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }
}
