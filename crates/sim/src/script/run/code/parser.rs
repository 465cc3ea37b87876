//! Tokens to statements.

use super::CodeError;
use super::lexer::{Kind, Token};

/// A statement, and its line within the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) line: usize,
    pub(super) kind: StatementKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum StatementKind {
    /// `assert CONDITION, MESSAGE`, with the condition as it is written.
    Assert(Expr, Option<Expr>, String),
    /// `name = value`, or `name += value` with its operator.
    Assign(String, Option<&'static str>, Expr),
    Expression(Expr),
    Pass,
    /// Conditions with their blocks, and what is done otherwise.
    If(Vec<(Expr, Vec<Statement>)>, Vec<Statement>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Int(i128),
    Float(f64),
    Str(String),
    Name(String),
    Tuple(Vec<Expr>),
    List(Vec<Expr>),
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a < b <= c`
    Compare(Box<Expr>, Vec<(&'static str, Expr)>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    /// `then if condition else otherwise`: condition, then, otherwise.
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    Index(Box<Expr>, Box<Expr>),
}

/// How deep brackets and blocks may stand in each other.
const MAX_DEPTH: usize = 50;

/// How many operands may follow each other: each is a level of the tree, too.
const MAX_OPERANDS: usize = 200;

/// Words of Python that are not understood here.
const REFUSED: [&str; 17] = [
    "async", "await", "break", "class", "continue", "def", "del", "for", "from", "global",
    "import", "lambda", "raise", "return", "try", "while", "with",
];

/// Operators that bind alike, from the loosest on.
const LEVELS: [&[&str]; 6] = [
    &["|"],
    &["^"],
    &["&"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "//", "%"],
];

/// The statements of code.
pub(super) fn parse(text: &str, tokens: &[Token]) -> Result<Vec<Statement>, CodeError> {
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        depth: 0,
    };
    let mut statements = Vec::new();
    while parser.peek() != &Kind::End {
        parser.statement(&mut statements)?;
    }
    Ok(statements)
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, CodeError>;

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        self.tokens
            .get(self.at)
            .map_or(&Kind::End, |token| &token.kind)
    }

    fn line(&self) -> usize {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(0, |token| token.line)
    }

    fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(CodeError::new(self.line(), message))
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Kind::Op(next) if *next == op)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Name(next) if next == word)
    }

    fn take_op(&mut self, op: &str) -> bool {
        let is_there = self.is_op(op);
        self.at += usize::from(is_there);
        is_there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        self.at += usize::from(is_there);
        is_there
    }

    fn need_op(&mut self, op: &str) -> Parsed<()> {
        if self.take_op(op) {
            return Ok(());
        }
        self.error(format!("`{op}` is expected, not {}", self.seen()))
    }

    fn seen(&self) -> String {
        match self.peek() {
            Kind::End | Kind::Newline => "the end of the line".to_owned(),
            Kind::Indent | Kind::Dedent => "another indentation".to_owned(),
            _ => {
                let token = &self.tokens[self.at];
                format!("`{}`", &self.text[token.start..token.end])
            }
        }
    }

    /// One level deeper, as far as that is allowed.
    fn deeper<T>(&mut self, what: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return self.error("too many levels");
        }
        self.depth += 1;
        let result = what(self);
        self.depth -= 1;
        result
    }

    fn one_more(&self, count: &mut usize) -> Parsed<()> {
        *count += 1;
        if *count > MAX_OPERANDS {
            return self.error("too many operands");
        }
        Ok(())
    }

    fn statement(&mut self, into: &mut Vec<Statement>) -> Parsed<()> {
        let line = self.line();
        if self.take_word("if") {
            let kind = self.deeper(Self::branches)?;
            into.push(Statement { line, kind });
            return Ok(());
        }
        self.simple_line(into)
    }

    fn branches(&mut self) -> Parsed<StatementKind> {
        let mut branches = Vec::new();
        loop {
            let condition = self.expression()?;
            branches.push((condition, self.block()?));
            if !self.take_word("elif") {
                break;
            }
        }
        let otherwise = if self.take_word("else") {
            self.block()?
        } else {
            Vec::new()
        };
        Ok(StatementKind::If(branches, otherwise))
    }

    /// What follows a colon: the rest of the line, or an indented block.
    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.need_op(":")?;
        let mut statements = Vec::new();
        if self.peek() != &Kind::Newline {
            self.simple_line(&mut statements)?;
            return Ok(statements);
        }
        self.at += 1;
        if self.peek() != &Kind::Indent {
            return self.error("an indented block is expected");
        }
        self.at += 1;
        while !matches!(self.peek(), Kind::Dedent | Kind::End) {
            self.statement(&mut statements)?;
        }
        self.at += usize::from(self.peek() == &Kind::Dedent);
        Ok(statements)
    }

    fn simple_line(&mut self, into: &mut Vec<Statement>) -> Parsed<()> {
        loop {
            let line = self.line();
            let kind = self.simple()?;
            into.push(Statement { line, kind });
            let has_more = self.take_op(";");
            match self.peek() {
                Kind::Newline => {
                    self.at += 1;
                    return Ok(());
                }
                Kind::End => return Ok(()),
                _ if has_more => {}
                _ => {
                    let seen = self.seen();
                    return self.error(format!("the statement should end before {seen}"));
                }
            }
        }
    }

    fn simple(&mut self) -> Parsed<StatementKind> {
        if self.take_word("pass") {
            return Ok(StatementKind::Pass);
        }
        if self.take_word("assert") {
            let from = self.at;
            let condition = self.expression()?;
            let (start, end) = (self.tokens[from].start, self.tokens[self.at - 1].end);
            let text = self.text[start..end].to_owned();
            let message = if self.take_op(",") {
                Some(self.expression()?)
            } else {
                None
            };
            return Ok(StatementKind::Assert(condition, message, text));
        }
        if let Kind::Name(word) = self.peek()
            && REFUSED.contains(&word.as_str())
        {
            return self.error(format!("`{word}` is not understood"));
        }
        let target = self.list()?;
        let assigned = match self.peek() {
            Kind::Op("=") => Some(None),
            Kind::Op(op) => op
                .strip_suffix('=')
                .filter(|op| !op.is_empty() && !"=!<>".contains(op))
                .map(Some),
            _ => None,
        };
        let Some(operator) = assigned else {
            return Ok(StatementKind::Expression(target));
        };
        let Expr::Name(name) = target else {
            return self.error("only a name can be assigned to");
        };
        self.at += 1;
        let value = self.list()?;
        Ok(StatementKind::Assign(name, operator, value))
    }

    /// One expression, or several with commas between: a tuple.
    fn list(&mut self) -> Parsed<Expr> {
        let first = self.expression()?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.take_op(",") {
            if matches!(
                self.peek(),
                Kind::Newline | Kind::End | Kind::Op(")" | "=" | ";")
            ) {
                break;
            }
            all.push(self.expression()?);
        }
        Ok(Expr::Tuple(all))
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.deeper(|parser| {
            let value = parser.or()?;
            if !parser.take_word("if") {
                return Ok(value);
            }
            let condition = parser.or()?;
            if !parser.take_word("else") {
                return parser.error("`else` is expected");
            }
            let otherwise = parser.expression()?;
            Ok(Expr::Choice(
                Box::new(condition),
                Box::new(value),
                Box::new(otherwise),
            ))
        })
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        let mut count = 0;
        while self.take_word("or") {
            self.one_more(&mut count)?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.not()?;
        let mut count = 0;
        while self.take_word("and") {
            self.one_more(&mut count)?;
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expr> {
        if self.take_word("not") {
            let of = self.deeper(Self::not)?;
            return Ok(Expr::Unary("not", Box::new(of)));
        }
        let left = self.binary(0)?;
        let mut links = Vec::new();
        while let Some(operator) = self.comparison() {
            links.push((operator, self.binary(0)?));
        }
        if links.is_empty() {
            return Ok(left);
        }
        Ok(Expr::Compare(Box::new(left), links))
    }

    fn comparison(&mut self) -> Option<&'static str> {
        for operator in ["==", "!=", "<=", ">=", "<", ">"] {
            if self.take_op(operator) {
                return Some(operator);
            }
        }
        if self.take_word("in") {
            return Some("in");
        }
        if self.take_word("is") {
            return Some(if self.take_word("not") { "!=" } else { "==" });
        }
        let next = self.tokens.get(self.at + 1).map(|token| &token.kind);
        let is_not_in =
            self.is_word("not") && matches!(next, Some(Kind::Name(word)) if word == "in");
        if is_not_in {
            self.at += 2;
            return Some("not in");
        }
        None
    }

    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        let mut count = 0;
        while let Kind::Op(next) = *self.peek()
            && operators.contains(&next)
        {
            self.at += 1;
            self.one_more(&mut count)?;
            left = Expr::Binary(next, Box::new(left), Box::new(self.binary(level + 1)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        for operator in ["-", "+", "~"] {
            if self.take_op(operator) {
                let of = self.deeper(Self::unary)?;
                return Ok(Expr::Unary(operator, Box::new(of)));
            }
        }
        let base = self.postfix()?;
        if self.take_op("**") {
            let exponent = self.deeper(Self::unary)?;
            return Ok(Expr::Binary("**", Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let mut value = self.atom()?;
        let mut count = 0;
        loop {
            self.one_more(&mut count)?;
            if self.take_op("(") {
                let Expr::Name(name) = value else {
                    return self.error("only functions can be called");
                };
                value = Expr::Call(name, self.items(")")?);
            } else if self.take_op("[") {
                let place = self.expression()?;
                self.need_op("]")?;
                value = Expr::Index(Box::new(value), Box::new(place));
            } else {
                return Ok(value);
            }
        }
    }

    fn items(&mut self, close: &'static str) -> Parsed<Vec<Expr>> {
        let mut all = Vec::new();
        while !self.take_op(close) {
            all.push(self.expression()?);
            if !self.take_op(",") {
                self.need_op(close)?;
                break;
            }
        }
        Ok(all)
    }

    fn atom(&mut self) -> Parsed<Expr> {
        let value = match self.peek() {
            Kind::Int(value) => Expr::Int(*value),
            Kind::Float(value) => Expr::Float(*value),
            Kind::Str(_) => return Ok(self.strings()),
            Kind::Name(word) if REFUSED.contains(&word.as_str()) => {
                let message = format!("`{word}` is not understood");
                return self.error(message);
            }
            Kind::Name(name) => Expr::Name(name.clone()),
            Kind::Op("(") => return self.in_brackets(),
            Kind::Op("[") => {
                self.at += 1;
                return self.items("]").map(Expr::List);
            }
            _ => {
                let seen = self.seen();
                return self.error(format!("a value is expected, not {seen}"));
            }
        };
        let end = self.tokens[self.at].end;
        self.at += 1;
        let is_prefix = self
            .tokens
            .get(self.at)
            .is_some_and(|next| next.start == end);
        if is_prefix && matches!((&value, self.peek()), (Expr::Name(_), Kind::Str(_))) {
            return self.error("strings with a prefix are not understood");
        }
        Ok(value)
    }

    fn in_brackets(&mut self) -> Parsed<Expr> {
        self.at += 1;
        if self.take_op(")") {
            return Ok(Expr::Tuple(Vec::new()));
        }
        let inner = self.list()?;
        self.need_op(")")?;
        Ok(inner)
    }

    /// Strings side by side are one.
    fn strings(&mut self) -> Expr {
        let mut whole = String::new();
        while let Some(Token {
            kind: Kind::Str(part),
            ..
        }) = self.tokens.get(self.at)
        {
            whole.push_str(part);
            self.at += 1;
        }
        Expr::Str(whole)
    }
}
