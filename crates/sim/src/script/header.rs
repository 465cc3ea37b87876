//! What a script says of itself in its comments, a line each: `// key: value`.

use super::run::{Config, IpVersion};

/// What stands behind `// key:` at the beginning of a line.
#[must_use]
pub fn said<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let value = |line: &'t str| {
        line.strip_prefix("// ")?
            .strip_prefix(key)?
            .strip_prefix(':')
    };
    text.lines().find_map(value).map(str::trim)
}

/// Why a script has nothing to say of a run: its line `// only:` names variants, of which this is none.
///
/// `ipv4` and `ipv6` are the IP versions of packets, `plain` is without timestamps that the script does not know of. Other words
/// are nothing but a comment.
#[must_use]
pub fn left_out(text: &str, config: &Config) -> Option<String> {
    let only = said(text, "only")?;
    let allows = |word: &str| match word {
        "ipv4" => config.ip_version != IpVersion::V6,
        "ipv6" => config.ip_version == IpVersion::V6,
        "plain" => !config.with_timestamps,
        _ => true,
    };
    let is_for = only.split_whitespace().all(allows);
    (!is_for).then(|| format!("is for {only} only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str =
        "// A case.\n// only: ipv4 plain\n// linux: RST\n\n+0 f() = 0 // only: ipv6\n";

    #[test]
    fn a_key_stands_at_the_beginning_of_a_line() {
        assert_eq!(said(SCRIPT, "only"), Some("ipv4 plain"));
        assert_eq!(said(SCRIPT, "linux"), Some("RST"));
        assert_eq!(said(SCRIPT, "lin"), None);
        assert_eq!(said("+0 f() = 0 // only: ipv6\n", "only"), None);
    }

    #[test]
    fn a_variant_that_a_script_is_not_for_is_left_out() {
        let left_out = |text: &str, ip_version, with_timestamps| {
            let config = Config {
                ip_version,
                with_timestamps,
                ..Config::default()
            };
            left_out(text, &config)
        };
        let why = Some("is for ipv4 plain only".to_owned());
        assert_eq!(left_out(SCRIPT, IpVersion::V4, false), None);
        assert_eq!(left_out(SCRIPT, IpVersion::V4, true), why);
        assert_eq!(left_out(SCRIPT, IpVersion::V6, false), why);
        assert_eq!(left_out(SCRIPT, IpVersion::V4MappedV6, false), None);
        assert_eq!(left_out("// only: for later\n", IpVersion::V6, true), None);
    }
}
