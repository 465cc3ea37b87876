//! Times, rates and percentages as people write them. Each error says how to write it right.

use std::time::Duration;

/// The longest TIME-WAIT there is, and more than any other time needs.
const LONGEST: Duration = Duration::from_secs(10 * 24 * 3600);

/// A time with its unit: `250us`, `5ms`, `1.5s`, `2m`. Only `0` goes without one.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 6] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let (number, unit) = split(text).ok_or("a time is a number and its unit, as 5ms or 1s")?;
    if unit.is_empty() && number == 0.0 {
        return Ok(Duration::ZERO);
    }
    if unit.is_empty() {
        return Err(format!("a time needs its unit: {text}ms or {text}s"));
    }
    let scale = scale(&UNITS, unit).ok_or("the units of time are ns, us, ms, s, m and h")?;
    match Duration::try_from_secs_f64(number * scale) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err("that is longer than 10 days".to_owned()),
    }
}

/// A rate in bits a second: `500kbit`, `10mbit`, `1gbit`.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 5] = [
        ("bit", 1.0),
        ("kbit", 1e3),
        ("mbit", 1e6),
        ("gbit", 1e9),
        ("tbit", 1e12),
    ];
    let (number, unit) =
        split(text).ok_or("a rate is a number and its unit in bits a second, as 10mbit")?;
    const NOTHING: &str = "a rate of zero carries nothing: use --loss 100 for that";
    if unit.is_empty() && number * 1e3 < 1.0 {
        return Err(NOTHING.to_owned());
    }
    if unit.is_empty() {
        return Err(format!(
            "a rate needs its unit, bits a second: {text}kbit or {text}mbit"
        ));
    }
    let unit = unit.to_ascii_lowercase();
    let scale = scale(&UNITS, &unit)
        .ok_or("the units of rate are bit, kbit, mbit, gbit and tbit, each a second")?;
    let bits = number * scale;
    if bits < 1.0 {
        return Err(NOTHING.to_owned());
    }
    // Beyond 2^53 a float has no single bits, and no link such a rate.
    if bits > 9e15 {
        return Err("no link is that fast".to_owned());
    }
    Ok(bits as u64)
}

/// A percentage, with or without the sign, as a probability from 0 to 1.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let (number, unit) =
        split(text).ok_or("a percentage is a number from 0 to 100, as 0.5 or 5%")?;
    if !matches!(unit, "" | "%") || !(0.0..=100.0).contains(&number) {
        return Err("a percentage is a number from 0 to 100, as 0.5 or 5%".to_owned());
    }
    Ok(number / 100.0)
}

/// A number that chances are drawn from.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    let parsed = text.parse();
    parsed.map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// A number of decimal digits, not negative, and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

fn scale(units: &[(&str, f64)], unit: &str) -> Option<f64> {
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, scale)| *scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(time("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(time("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(time("0.5s"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("240h"), Ok(LONGEST));
        assert_eq!(time("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn a_plain_number_is_no_time_and_the_error_says_what_would_be() {
        assert_eq!(
            time("5"),
            Err("a time needs its unit: 5ms or 5s".to_owned())
        );
        assert_eq!(
            rate("10").unwrap_err(),
            "a rate needs its unit, bits a second: 10kbit or 10mbit"
        );
    }

    #[test]
    fn malformed_and_endless_times_are_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "1x",
            "1.2.3s",
            "5 seconds",
            "1e3s",
            "nan",
            "inf",
            ".",
            "11000h",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
        let huge = format!("{}s", "9".repeat(400));
        assert!(time(&huge).is_err());
    }

    #[test]
    fn what_an_error_proposes_is_not_refused() {
        assert!(rate("0").unwrap_err().contains("zero"));
        assert!(rate("0.0").unwrap_err().contains("zero"));
        assert!(rate("0.5").unwrap_err().contains("0.5kbit"));
        assert_eq!(rate("0.5kbit"), Ok(500));
    }

    #[test]
    fn rates_are_bits_a_second() {
        assert_eq!(rate("800bit"), Ok(800));
        assert_eq!(rate("500kbit"), Ok(500_000));
        assert_eq!(rate("10mbit"), Ok(10_000_000));
        assert_eq!(rate("1.5Mbit"), Ok(1_500_000));
        assert_eq!(rate("1gbit"), Ok(1_000_000_000));
        for text in [
            "0mbit",
            "0.1bit",
            "mbit",
            "-1mbit",
            "10mbps",
            "10MB",
            "99999tbit",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_are_probabilities() {
        assert_eq!(percent("0"), Ok(0.0));
        assert_eq!(percent("5"), Ok(0.05));
        assert_eq!(percent("0.5"), Ok(0.005));
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(percent("100"), Ok(1.0));
        for text in ["", "%", "-1", "101", "100.1%", "5ms", "NaN", "inf", "5%%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
