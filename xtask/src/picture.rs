//! `docs/life.svg`: one connection with curl, drawn from what really happened: the capture of `estab run -w`, the
//! state changes in its comments, and the last lines of the life it told.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, ensure};

const PLACE: &str = "docs/life.svg";
const PAGE: &str = "http://198.18.0.1/";
const ESTAB: &str = "198.18.0.1";
const WIDTH: u32 = 950;
/// Where the peer's line stands, and estab's.
const PEER: u32 = 130;
const OURS: u32 = 470;
const TOP: u32 = 118;
const ROW: u32 = 40;
/// How far down a segment is drawn while it travels.
const SLOPE: u32 = 14;

const STYLE: &str = "\
text{font:14px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1f2933}
.card{fill:#fbfaf7;stroke:#d9d4c7}.title{font-size:19px;font-weight:600}.who{font-weight:600}
.dim{fill:#6b7280;font-size:12px}.line{stroke:#b8b2a3;stroke-width:2}.state{font-weight:700}
.mono{font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:12.5px}
.syn{stroke:#b45309;fill:#b45309}.fin{stroke:#be123c;fill:#be123c}.data{stroke:#1d4ed8;fill:#1d4ed8}
.ack{stroke:#7b8794;fill:#7b8794}text.syn,text.fin,text.data,text.ack{stroke:none}
.opening{fill:#d97706}.open{fill:#059669}.half{fill:#7c3aed}.closing{fill:#e11d48}.over{fill:#9ca3af}
@media (prefers-color-scheme:dark){text{fill:#e5e7eb}.card{fill:#161b22;stroke:#30363d}.dim{fill:#9aa4b2}
.line{stroke:#4b5563}.syn{stroke:#fbbf24;fill:#fbbf24}.fin{stroke:#fb7185;fill:#fb7185}
.data{stroke:#7aa7ff;fill:#7aa7ff}.ack{stroke:#9aa4b2;fill:#9aa4b2}
.opening{fill:#f59e0b}.open{fill:#34d399}.half{fill:#a78bfa}.closing{fill:#fb7185}.over{fill:#6b7280}}";

/// A segment as the capture has it.
struct Segment {
    at_ms: f64,
    is_ours: bool,
    flags: u32,
    data: u32,
    /// The state that is entered with it, and why.
    entered: Option<(String, String)>,
}

/// Runs a connection and draws it. Needs curl and tshark, and what `estab run` needs.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let capture = env::temp_dir().join(format!("estab-picture-{}.pcapng", std::process::id()));
    let drawn = told(root, &capture).and_then(|life| Ok(draw(&segments(&capture)?, &life)));
    // There is none if the run failed before it began.
    let _none = fs::remove_file(&capture);
    let place = root.join(PLACE);
    fs::write(&place, drawn?).with_context(|| format!("cannot write {}", place.display()))?;
    Ok(true)
}

/// Lets curl ask estab for a page; answers the life as it was told.
fn told(root: &Path, capture: &Path) -> anyhow::Result<String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args("run --release --quiet -p estab-cli -- run -w".split(' '))
        .arg(capture)
        .args(["--", "curl", "-s", "-o", "/dev/null", PAGE])
        .output()?;
    let life = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "estab run failed: {life}");
    Ok(life)
}

fn segments(capture: &Path) -> anyhow::Result<Vec<Segment>> {
    let fields = "-e frame.time_relative -e ip.src -e tcp.flags -e tcp.len -e frame.comment";
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture)
        .args(["-Y", "tcp", "-T", "fields"])
        .args(fields.split(' '))
        .output()
        .context("tshark is needed: cargo xtask setup")?;
    let text = String::from_utf8(output.stdout)?;
    let mut segments = text
        .lines()
        .map(|line| segment(line).with_context(|| format!("not understood: {line}")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let start = segments.first().context("nothing was captured")?.at_ms;
    for segment in &mut segments {
        segment.at_ms -= start;
    }
    Ok(segments)
}

fn segment(line: &str) -> Option<Segment> {
    let mut fields = line.split('\t');
    Some(Segment {
        at_ms: fields.next()?.parse::<f64>().ok()? * 1e3,
        is_ours: fields.next()? == ESTAB,
        flags: u32::from_str_radix(fields.next()?.trim_start_matches("0x"), 16).ok()?,
        data: fields.next()?.parse().ok()?,
        entered: fields.next().and_then(|comment| {
            let (states, cause) = comment.split_once(": ")?;
            Some((states.split_once(" → ")?.1.to_owned(), cause.to_owned()))
        }),
    })
}

impl Segment {
    /// What it is called, and the class it is drawn in.
    fn label(&self) -> (String, &'static str) {
        let bits = [(0x02, "SYN"), (0x01, "FIN"), (0x04, "RST"), (0x10, "ACK")];
        let names = bits.iter().filter(|(bit, _)| self.flags & bit != 0);
        let mut names: Vec<_> = names.map(|(_, name)| (*name).to_owned()).collect();
        let class = match self.flags {
            flags if flags & 0x02 != 0 => "syn",
            flags if flags & 0x05 != 0 => "fin",
            _ if self.data > 0 => "data",
            _ => "ack",
        };
        if self.data > 0 {
            names.retain(|name| name != "ACK");
            names.push(format!("{} bytes", self.data));
        }
        (names.join(", "), class)
    }
}

/// The class of a state's bar.
fn colour(state: &str) -> &'static str {
    match state {
        "SYN-SENT" | "SYN-RECEIVED" => "opening",
        "ESTABLISHED" => "open",
        "CLOSE-WAIT" | "FIN-WAIT-2" => "half",
        "CLOSED" | "TIME-WAIT" => "over",
        _ => "closing",
    }
}

fn draw(segments: &[Segment], life: &str) -> String {
    let rows = segments.len() as u32;
    let foot = TOP + rows * ROW;
    let summary: Vec<_> = summary(life).collect();
    let height = foot + 44 + 22 * summary.len() as u32;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>The life of a connection, told by estab</title>\n\
         <style>\n{STYLE}\n</style>\n\
         <rect class=\"card\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"12\"/>\n",
        WIDTH - 1,
        height - 1
    );
    let command = format!("estab run -- curl -s {PAGE}");
    let words = [
        (28, 38, "title", "start", "The life of a connection"),
        (WIDTH - 28, 38, "mono", "end", &command),
        (PEER, 74, "who", "middle", "curl, on the kernel’s TCP"),
        (OURS, 74, "who", "middle", "estab"),
        (PEER, 91, "dim", "middle", "198.18.0.2"),
        (OURS, 91, "dim", "middle", "198.18.0.1, port 80"),
        (
            OURS + 90,
            74,
            "who",
            "start",
            "estab’s state, and why it changed",
        ),
    ];
    for (x, y, class, anchor, words) in words {
        text(&mut svg, (x, y), class, anchor, words);
    }
    for x in [PEER, OURS] {
        let (top, end) = (TOP - 18, foot - 8);
        let _ = writeln!(svg, "<path class=\"line\" d=\"M{x} {top}V{end}\"/>");
    }
    states(&mut svg, segments, foot);
    for (row, segment) in (0..).zip(segments) {
        arrow(&mut svg, TOP + row * ROW, segment);
    }
    for (row, line) in (0..).zip(summary) {
        text(&mut svg, (28, foot + 32 + 22 * row), "mono", "start", line);
    }
    svg.push_str("</svg>\n");
    svg
}

/// What the life says below its state changes: who closed first, who holds TIME-WAIT, what was sent.
fn summary(life: &str) -> impl Iterator<Item = &str> {
    let own = life.lines().take_while(|line| !line.is_empty());
    own.skip(1)
        .map(str::trim)
        .filter(|line| !line.starts_with('+'))
}

/// The bars along estab's line, each as long as its state.
fn states(svg: &mut String, segments: &[Segment], foot: u32) {
    let entered = (0..).zip(segments).filter_map(|(row, segment)| {
        let (state, cause) = segment.entered.as_ref()?;
        Some((TOP + row * ROW, state, cause))
    });
    let entered: Vec<_> = entered.collect();
    for (index, (y, state, cause)) in entered.iter().enumerate() {
        let end = entered.get(index + 1).map_or(foot - 8, |next| next.0);
        let (class, x, length) = (colour(state), OURS - 5, end - y - 1);
        let size = format!("width=\"10\" height=\"{length}\" rx=\"2\"");
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" {size}/>");
        text(svg, (OURS + 90, y + 5), "state", "start", state);
        text(svg, (OURS + 90, y + 21), "dim", "start", cause);
    }
}

/// One segment: its time stands at estab's end.
fn arrow(svg: &mut String, y: u32, segment: &Segment) {
    let (label, class) = segment.label();
    let (left, right) = (PEER + 3, OURS - 7);
    let (path, head, middle) = if segment.is_ours {
        let end = y + SLOPE;
        let head = format!("{left},{end} {0},{1} {0},{2}", left + 10, end - 5, end + 4);
        (
            format!("M{right} {y}L{} {end}", left + 8),
            head,
            y + SLOPE / 2,
        )
    } else {
        let head = format!("{right},{y} {0},{1} {0},{2}", right - 10, y - 5, y + 4);
        (
            format!("M{left} {}L{} {y}", y - SLOPE, right - 8),
            head,
            y - SLOPE / 2,
        )
    };
    let _ = writeln!(
        svg,
        "<path class=\"{class}\" d=\"{path}\" stroke-width=\"1.8\"/><polygon class=\"{class}\" points=\"{head}\"/>"
    );
    text(
        svg,
        (u32::midpoint(PEER, OURS), middle - 6),
        class,
        "middle",
        &label,
    );
    let time = format!("{:.3} ms", segment.at_ms);
    text(svg, (OURS + 12, y + 4), "dim", "start", &time);
}

fn text(svg: &mut String, (x, y): (u32, u32), class: &str, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}
