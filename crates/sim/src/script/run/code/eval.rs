//! Statements done, expressions valued.

use std::collections::BTreeMap;

use super::CodeError;
use super::parser::{Expr, Statement, StatementKind};
use super::value::{Value, binary, quoted};

/// What code knows and says.
pub(super) struct Scope<'a> {
    pub(super) variables: &'a mut BTreeMap<String, Value>,
    /// Names that are not variables: fields and constants.
    pub(super) constants: &'a dyn Fn(&str) -> Result<Option<i128>, String>,
    pub(super) printed: Vec<String>,
}

type Valued = Result<Value, String>;

impl Scope<'_> {
    pub(super) fn run(&mut self, statements: &[Statement]) -> Result<(), CodeError> {
        for statement in statements {
            let line = statement.line;
            match &statement.kind {
                StatementKind::Pass => {}
                StatementKind::Expression(expr) => {
                    self.value(expr)
                        .map_err(|error| CodeError::new(line, error))?;
                }
                StatementKind::Assign(name, operator, expr) => {
                    self.assign(name, *operator, expr)
                        .map_err(|error| CodeError::new(line, error))?
                }
                StatementKind::Assert(condition, message, text) => {
                    self.assert(line, condition, message.as_ref(), text)?;
                }
                StatementKind::If(branches, otherwise) => {
                    let mut chosen = otherwise;
                    for (condition, block) in branches {
                        let value = self.value(condition);
                        if value
                            .map_err(|error| CodeError::new(line, error))?
                            .is_true()
                        {
                            chosen = block;
                            break;
                        }
                    }
                    self.run(chosen)?;
                }
            }
        }
        Ok(())
    }

    fn assign(&mut self, name: &str, operator: Option<&str>, expr: &Expr) -> Result<(), String> {
        let mut value = self.value(expr)?;
        if let Some(operator) = operator {
            value = binary(operator, &self.name(name)?, &value)?;
        }
        self.variables.insert(name.to_owned(), value);
        Ok(())
    }

    fn assert(
        &mut self,
        line: usize,
        condition: &Expr,
        message: Option<&Expr>,
        text: &str,
    ) -> Result<(), CodeError> {
        let wrong = |error| CodeError::new(line, error);
        if self.value(condition).map_err(wrong)?.is_true() {
            return Ok(());
        }
        let message = match message {
            Some(message) => Some(self.value(message).map_err(wrong)?.to_string()),
            None => None,
        };
        let mut names = Vec::new();
        names_in(condition, &mut names);
        let values = names.into_iter().filter_map(|name| {
            let value = self.name(name).ok()?;
            Some(format!("{name} = {}", quoted(&value)))
        });
        Err(CodeError {
            line,
            message: "the assertion does not hold".to_owned(),
            assertion: Some((text.to_owned(), values.collect(), message)),
        })
    }

    fn name(&self, name: &str) -> Valued {
        match name {
            "True" => return Ok(Value::Bool(true)),
            "False" => return Ok(Value::Bool(false)),
            "None" => return Ok(Value::None),
            _ => {}
        }
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        let constant = (self.constants)(name)?;
        constant
            .map(Value::Int)
            .ok_or_else(|| format!("unknown name: {name}"))
    }

    fn value(&mut self, expr: &Expr) -> Valued {
        match expr {
            Expr::Int(value) => Ok(Value::Int(*value)),
            Expr::Float(value) => Ok(Value::Float(*value)),
            Expr::Str(text) => Ok(Value::Str(text.clone())),
            Expr::Name(name) => self.name(name),
            Expr::Tuple(all) => self.values(all).map(Value::Tuple),
            Expr::List(all) => self.values(all).map(Value::List),
            Expr::Unary(operator, of) => unary(operator, &self.value(of)?),
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                binary(operator, &left, &right)
            }
            Expr::Compare(first, links) => self.compare(first, links),
            Expr::And(left, right) => {
                let left = self.value(left)?;
                if left.is_true() {
                    self.value(right)
                } else {
                    Ok(left)
                }
            }
            Expr::Or(left, right) => {
                let left = self.value(left)?;
                if left.is_true() {
                    Ok(left)
                } else {
                    self.value(right)
                }
            }
            Expr::Choice(condition, then, otherwise) => {
                if self.value(condition)?.is_true() {
                    self.value(then)
                } else {
                    self.value(otherwise)
                }
            }
            Expr::Call(name, arguments) => {
                let arguments = self.values(arguments)?;
                self.call(name, arguments)
            }
            Expr::Index(of, place) => {
                let (of, place) = (self.value(of)?, self.value(place)?);
                index(&of, &place)
            }
        }
    }

    fn values(&mut self, all: &[Expr]) -> Result<Vec<Value>, String> {
        all.iter().map(|expr| self.value(expr)).collect()
    }

    fn compare(&mut self, first: &Expr, links: &[(&str, Expr)]) -> Valued {
        let mut left = self.value(first)?;
        for (operator, right) in links {
            let right = self.value(right)?;
            let holds = match *operator {
                "==" => left.equals(&right),
                "!=" => !left.equals(&right),
                "in" => right.contains(&left)?,
                "not in" => !right.contains(&left)?,
                "<" => left.order(&right)?.is_lt(),
                "<=" => left.order(&right)?.is_le(),
                ">" => left.order(&right)?.is_gt(),
                _ => left.order(&right)?.is_ge(),
            };
            if !holds {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn call(&mut self, name: &str, arguments: Vec<Value>) -> Valued {
        match (name, arguments.as_slice()) {
            ("print", all) => {
                let all: Vec<String> = all.iter().map(Value::to_string).collect();
                self.printed.push(all.join(" "));
                Ok(Value::None)
            }
            ("min" | "max", [Value::List(all) | Value::Tuple(all)]) => extreme(name, all),
            ("min" | "max", all) => extreme(name, all),
            ("len", [Value::List(all) | Value::Tuple(all)]) => Ok(Value::Int(all.len() as i128)),
            ("len", [Value::Str(text)]) => Ok(Value::Int(text.chars().count() as i128)),
            ("abs", [Value::Float(value)]) => Ok(Value::Float(value.abs())),
            ("abs", [one]) => one
                .int()
                .and_then(i128::checked_abs)
                .map(Value::Int)
                .ok_or_else(|| format!("abs is not for {one}")),
            ("int", [one]) => to_int(one),
            ("round", [one]) => one
                .float()
                .ok_or_else(|| format!("round is not for {one}"))
                .and_then(|value| to_int(&Value::Float(value.round_ties_even()))),
            ("float", [one]) => one
                .float()
                .map(Value::Float)
                .ok_or_else(|| format!("float is not for {one}")),
            ("str", [one]) => Ok(Value::Str(one.to_string())),
            ("bool", [one]) => Ok(Value::Bool(one.is_true())),
            ("len" | "abs" | "int" | "round" | "float" | "str" | "bool", all) => {
                Err(format!("{name} is not for {} such arguments", all.len()))
            }
            _ => Err(format!("unknown function: {name}")),
        }
    }
}

fn unary(operator: &str, of: &Value) -> Valued {
    let wrong = || format!("`{operator}` is not for {of}");
    match (operator, of) {
        ("not", of) => Ok(Value::Bool(!of.is_true())),
        ("-", Value::Float(value)) => Ok(Value::Float(-value)),
        ("+", Value::Float(value)) => Ok(Value::Float(*value)),
        ("-", of) => of
            .int()
            .and_then(i128::checked_neg)
            .map(Value::Int)
            .ok_or_else(wrong),
        ("+", of) => of.int().map(Value::Int).ok_or_else(wrong),
        (_, of) => of.int().map(|value| Value::Int(!value)).ok_or_else(wrong),
    }
}

fn index(of: &Value, place: &Value) -> Valued {
    let (Value::List(all) | Value::Tuple(all)) = of else {
        return Err(format!("{of} has no parts"));
    };
    let place = place.int().ok_or("a place is an integer")?;
    let from_end = if place < 0 { all.len() as i128 } else { 0 };
    let found = usize::try_from(place + from_end)
        .ok()
        .and_then(|place| all.get(place));
    found
        .cloned()
        .ok_or_else(|| format!("there is no part {place}"))
}

fn extreme(name: &str, all: &[Value]) -> Valued {
    let (first, rest) = all
        .split_first()
        .ok_or_else(|| format!("{name} of nothing"))?;
    rest.iter().try_fold(first.clone(), |best, one| {
        let order = one.order(&best)?;
        let is_better = if name == "min" {
            order.is_lt()
        } else {
            order.is_gt()
        };
        Ok(if is_better { one.clone() } else { best })
    })
}

fn to_int(value: &Value) -> Valued {
    let wrong = || format!("{value} is no integer");
    match value {
        // Python cuts off.
        #[allow(clippy::cast_possible_truncation, reason = "it saturates")]
        Value::Float(value) if value.is_finite() => Ok(Value::Int(*value as i128)),
        Value::Str(text) => text.trim().parse().map(Value::Int).map_err(|_| wrong()),
        other => other.int().map(Value::Int).ok_or_else(wrong),
    }
}

/// The names in an expression, each once, in order.
fn names_in<'a>(expr: &'a Expr, names: &mut Vec<&'a str>) {
    match expr {
        Expr::Name(name) => {
            let is_constant =
                name.starts_with("TCP") || matches!(name.as_str(), "True" | "False" | "None");
            if !is_constant && !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        Expr::Int(_) | Expr::Float(_) | Expr::Str(_) => {}
        Expr::Tuple(all) | Expr::List(all) | Expr::Call(_, all) => {
            all.iter().for_each(|one| names_in(one, names));
        }
        Expr::Unary(_, of) => names_in(of, names),
        Expr::Binary(_, a, b) | Expr::And(a, b) | Expr::Or(a, b) | Expr::Index(a, b) => {
            names_in(a, names);
            names_in(b, names);
        }
        Expr::Compare(first, links) => {
            names_in(first, names);
            links.iter().for_each(|(_, one)| names_in(one, names));
        }
        Expr::Choice(a, b, c) => {
            names_in(a, names);
            names_in(b, names);
            names_in(c, names);
        }
    }
}
