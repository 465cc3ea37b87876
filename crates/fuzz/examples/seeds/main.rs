//! Writes the seeds that are made and not found: `cargo run -p estab-fuzz --example seeds` from the repository's
//! root. Those of `segments` and `icmp` are lives told step by step; the packets are what such lives put on the wire.

mod lives;
mod scripts;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// The seeds of one target, by name.
type Seeds = BTreeMap<String, Vec<u8>>;

fn main() -> io::Result<()> {
    let segments = lives::segments();
    let packets = wire::packets();
    write("icmp", &lives::icmp(&segments))?;
    write("segments", &segments)?;
    write("headers", &wire::headers(&packets))?;
    write("options", &wire::options(&packets))?;
    write("script", &scripts::all())?;
    write("capture", &wire::capture(&packets))
}

fn write(target: &str, seeds: &Seeds) -> io::Result<()> {
    let folder = Path::new("fuzz/seeds").join(target);
    fs::create_dir_all(&folder)?;
    for (name, bytes) in seeds {
        fs::write(folder.join(name), bytes)?;
    }
    println!("{}: {} seeds", folder.display(), seeds.len());
    Ok(())
}
