//! Numbers and times for people.

use std::time::Duration;

/// `1204` as `1,204`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in three digits or so: `121 µs`, `12.4 ms`, `1.2 s`, `3 min 20 s`.
pub(crate) fn duration(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", digits(nanos as f64 / 1e6)),
        1_000_000_000..120_000_000_000 => format!("{} s", digits(nanos as f64 / 1e9)),
        _ => minutes(time.as_secs()),
    }
}

fn minutes(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, seconds) {
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{} h", thousands(hours)),
        (hours, minutes, _) => format!("{} h {minutes} min", thousands(hours)),
    }
}

/// A number below 1000 in three digits, cut and not rounded, without zeros at its end.
fn digits(value: f64) -> String {
    let places = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    let scale = 10f64.powi(places);
    // The addend undoes the binary error of values that are exact in decimal.
    let cut = (value * scale + 1e-6).floor() / scale;
    let text = format!("{cut:.*}", places as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A time since a start, number and unit apart so that columns can be aligned: `+0.121`, `ms`.
pub(crate) fn offset(time: Duration) -> (String, &'static str) {
    let micros = time.as_micros();
    if micros < 1_000_000 {
        (format!("+{}.{:03}", micros / 1_000, micros % 1_000), "ms")
    } else {
        let millis = time.as_millis();
        (format!("+{}.{:03}", millis / 1_000, millis % 1_000), "s")
    }
}

/// `offset` in one piece: `+0.121 ms`.
pub(crate) fn offset_text(time: Duration) -> String {
    let (number, unit) = offset(time);
    format!("{number} {unit}")
}

/// `1 segment`, `2 segments`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// `once`, `twice`, `3 times`.
pub(crate) fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", thousands(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_204, "1,204"),
            (268_435_456, "268,435,456"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let micros = Duration::from_micros;
        for (time, text) in [
            (micros(0), "0 µs"),
            (micros(121), "121 µs"),
            (micros(12_400), "12.4 ms"),
            (micros(999_999), "999 ms"),
            (micros(1_200_000), "1.2 s"),
            (micros(60_000_000), "60 s"),
            (micros(200_000_000), "3 min 20 s"),
            (micros(7_200_000_000), "2 h"),
        ] {
            assert_eq!(duration(time), text);
        }
        assert_eq!(offset_text(micros(121)), "+0.121 ms");
        assert_eq!(offset_text(micros(60_012_345)), "+60.012 s");
    }
}
