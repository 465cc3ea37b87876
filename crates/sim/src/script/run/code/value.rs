//! Values, and what Python's operators make of them.

use std::cmp::Ordering;
use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    List(Vec<Value>),
    Tuple(Vec<Value>),
}

impl Value {
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(all) | Self::Tuple(all) => !all.is_empty(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
        }
    }

    /// The value as an integer, as truth values are.
    pub(super) fn int(&self) -> Option<i128> {
        match self {
            Self::Bool(value) => Some(i128::from(*value)),
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "as Python has it")]
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            other => other.int().map(|value| value as f64),
        }
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
            }
            _ => match (self.int(), other.int(), self.float(), other.float()) {
                (Some(a), Some(b), ..) => a == b,
                (_, _, Some(a), Some(b)) => a == b,
                _ => self == other,
            },
        }
    }

    pub(super) fn order(&self, other: &Self) -> Result<Ordering, String> {
        let order = match (self, other) {
            (Self::Str(a), Self::Str(b)) => Some(a.cmp(b)),
            _ => match (self.int(), other.int()) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                _ => self
                    .float()
                    .zip(other.float())
                    .and_then(|(a, b)| a.partial_cmp(&b)),
            },
        };
        order.ok_or_else(|| format!("{} and {} have no order", self.kind(), other.kind()))
    }

    pub(super) fn contains(&self, item: &Self) -> Result<bool, String> {
        match (self, item) {
            (Self::List(all) | Self::Tuple(all), _) => Ok(all.iter().any(|one| one.equals(item))),
            (Self::Str(text), Self::Str(part)) => Ok(text.contains(part.as_str())),
            _ => Err(format!("{} contains nothing", self.kind())),
        }
    }
}

/// `left operator right`
pub(super) fn binary(operator: &str, left: &Value, right: &Value) -> Result<Value, String> {
    if let (Value::Str(text), "%") = (left, operator) {
        return super::format::format(text, right).map(Value::Str);
    }
    if let (Some(a), Some(b)) = (left.int(), right.int()) {
        return integers(operator, a, b);
    }
    if let (Some(a), Some(b)) = (left.float(), right.float()) {
        return floats(operator, a, b);
    }
    match (operator, left, right) {
        ("+", Value::Str(a), Value::Str(b)) => Ok(Value::Str(format!("{a}{b}"))),
        ("+", Value::List(a), Value::List(b)) => Ok(Value::List([a.as_slice(), b].concat())),
        ("+", Value::Tuple(a), Value::Tuple(b)) => Ok(Value::Tuple([a.as_slice(), b].concat())),
        _ => Err(format!(
            "`{operator}` is not for {} and {}",
            left.kind(),
            right.kind()
        )),
    }
}

fn integers(operator: &str, a: i128, b: i128) -> Result<Value, String> {
    let too_large = || "the number is too large".to_owned();
    let nonzero = |value: Option<i128>| {
        if b == 0 {
            Err("division by zero".to_owned())
        } else {
            value.ok_or_else(too_large)
        }
    };
    let shift = || {
        u32::try_from(b)
            .ok()
            .filter(|&shift| shift < 127)
            .ok_or_else(too_large)
    };
    let value = match operator {
        "+" => a.checked_add(b).ok_or_else(too_large)?,
        "-" => a.checked_sub(b).ok_or_else(too_large)?,
        "*" => a.checked_mul(b).ok_or_else(too_large)?,
        "//" => nonzero(floor_div(a, b))?,
        "%" => {
            nonzero(floor_div(a, b).and_then(|quotient| a.checked_sub(quotient.checked_mul(b)?)))?
        }
        "/" => {
            nonzero(Some(0))?;
            #[allow(clippy::cast_precision_loss, reason = "as Python has it")]
            return Ok(Value::Float(a as f64 / b as f64));
        }
        "**" => {
            let exponent = u32::try_from(b).map_err(|_| "a negative power".to_owned())?;
            a.checked_pow(exponent).ok_or_else(too_large)?
        }
        "<<" => a.checked_mul(1_i128 << shift()?).ok_or_else(too_large)?,
        ">>" => a >> shift()?,
        "&" => a & b,
        "|" => a | b,
        "^" => a ^ b,
        _ => return Err(format!("`{operator}` is not understood")),
    };
    Ok(Value::Int(value))
}

fn floor_div(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let is_inexact = a.checked_rem(b)? != 0;
    Some(if is_inexact && (a < 0) != (b < 0) {
        quotient - 1
    } else {
        quotient
    })
}

fn floats(operator: &str, a: f64, b: f64) -> Result<Value, String> {
    if b == 0.0 && matches!(operator, "/" | "//" | "%") {
        return Err("division by zero".to_owned());
    }
    let value = match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "//" => (a / b).floor(),
        "%" => a - (a / b).floor() * b,
        "**" => a.powf(b),
        _ => return Err(format!("`{operator}` is not for floats")),
    };
    Ok(Value::Float(value))
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[Self]| {
            let all: Vec<String> = all.iter().map(quoted).collect();
            f.write_str(&all.join(", "))
        };
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Str(text) => f.write_str(text),
            Self::List(all) => {
                f.write_str("[")?;
                list(f, all)?;
                f.write_str("]")
            }
            Self::Tuple(all) => {
                f.write_str("(")?;
                list(f, all)?;
                f.write_str(if all.len() == 1 { ",)" } else { ")" })
            }
        }
    }
}

/// A value as code would write it.
pub(super) fn quoted(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}
