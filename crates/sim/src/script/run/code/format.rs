//! `'cwnd=%d' % tcpi_snd_cwnd`

use super::value::{Value, quoted};

/// The text with its places filled.
pub(super) fn format(text: &str, values: &Value) -> Result<String, String> {
    let all = match values {
        Value::Tuple(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut values = all.iter();
    let mut result = String::new();
    let mut rest = text;
    while let Some(place) = rest.find('%') {
        result.push_str(&rest[..place]);
        let spec = &rest[place + 1..];
        let len = spec.find(|c: char| !"-+ #0123456789.l".contains(c));
        let len = len.ok_or("the text ends within a place to be filled")?;
        let kind = spec[len..].chars().next().unwrap_or('%');
        rest = &spec[len + kind.len_utf8()..];
        if kind == '%' {
            result.push('%');
            continue;
        }
        let value = values.next().ok_or("there are more places than values")?;
        let flags = Flags::parse(&spec[..len]);
        result.push_str(&flags.pad(&one(kind, value, &flags)?));
    }
    if values.next().is_some() {
        return Err("there are more values than places".to_owned());
    }
    result.push_str(rest);
    Ok(result)
}

fn one(kind: char, value: &Value, flags: &Flags) -> Result<String, String> {
    let wrong = || format!("%{kind} is not for {value}");
    let float = || value.float().ok_or_else(wrong);
    let int = || {
        // Python cuts floats off here.
        #[allow(clippy::cast_possible_truncation, reason = "as Python has it")]
        let cut = || value.float().map(|value| value as i128);
        value.int().or_else(cut).ok_or_else(wrong)
    };
    match kind {
        'd' | 'i' | 'u' => int().map(|value| value.to_string()),
        'x' => int().map(|value| format!("{value:x}")),
        'X' => int().map(|value| format!("{value:X}")),
        'o' => int().map(|value| format!("{value:o}")),
        'f' | 'F' => float().map(|value| format!("{value:.*}", flags.precision.unwrap_or(6))),
        'e' | 'g' => float().map(|value| value.to_string()),
        's' => Ok(value.to_string()),
        'r' => Ok(quoted(value)),
        _ => Err(format!("%{kind} is not understood")),
    }
}

/// What stands between `%` and the letter.
struct Flags {
    is_left: bool,
    has_zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl Flags {
    fn parse(spec: &str) -> Self {
        let (front, precision) = spec
            .split_once('.')
            .map_or((spec, None), |(a, b)| (a, Some(b)));
        let digits = front.trim_start_matches(['-', '+', ' ', '#', '0']);
        let limited = |digits: &str| digits.parse::<usize>().ok().map(|value| value.min(100));
        Self {
            is_left: front.contains('-'),
            has_zeros: front.trim_start_matches(['+', ' ', '#']).starts_with('0'),
            width: limited(digits.trim_end_matches('l')).unwrap_or(0),
            precision: precision.and_then(limited),
        }
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width;
        match (self.is_left, self.has_zeros) {
            (true, _) => format!("{text:<width$}"),
            (false, true) => format!("{text:0>width$}"),
            (false, false) => format!("{text:>width$}"),
        }
    }
}
