//! Filter expressions as a tree. Names aren't looked up here; [`super::test`] does that against a table.

pub(crate) use super::literal::Literal;

use super::{literal::number_or_date, uri::Options};
use crate::error::{Outcome, Refusal};

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Path(String),
    Literal(Literal),
}

/// A comparison's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Operand, Operator, Operand),
    /// `contains(a,'b')`, `Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=['b'])`: names of arguments are empty where none were given.
    Call(String, Vec<(String, Operand)>),
    /// `contacts/any(c:c/lastname eq 'x')`; no body for a bare `any()`.
    Lambda {
        path: String,
        all: bool,
        variable: String,
        body: Option<Box<Expression>>,
    },
}

impl Literal {
    /// Reads one literal.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let options = Options::default();
        let mut parser = Parser { text, at: 0, options: &options, depth: 0 };
        let literal = parser.literal()?;
        parser.end()?;
        Ok(literal)
    }
}

impl Expression {
    /// Reads a `$filter`; `@name` stands for what the query's option of that name says.
    pub(crate) fn parse(text: &str, options: &Options) -> Outcome<Self> {
        let mut parser = Parser { text, at: 0, options, depth: 0 };
        let expression = parser.or()?;
        parser.end()?;
        Ok(expression)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    options: &'a Options,
    depth: usize,
}

/// Deeper nesting than anyone writes, and shallow enough for the stack.
const DEPTH_MAX: usize = 100;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault(&self, what: &str) -> Refusal {
        Refusal::query(format!("Syntax error at position {} in '{}': {what}.", self.at, self.text))
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: char) -> bool {
        self.blanks();
        let hit = self.rest().starts_with(token);
        if hit {
            self.at += token.len_utf8();
        }
        hit
    }

    fn expect(&mut self, token: char) -> Outcome<()> {
        if self.eat(token) { Ok(()) } else { Err(self.fault(&format!("'{token}' expected"))) }
    }

    fn end(&mut self) -> Outcome<()> {
        self.blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.fault("end of the expression expected")) }
    }

    /// The word that comes next, without taking it.
    fn peek_word(&mut self) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let end = rest.find(|char: char| !(char.is_alphanumeric() || "_-.:/@$+".contains(char))).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let hit = self.peek_word() == word;
        if hit {
            self.at += word.len();
        }
        hit
    }

    fn or(&mut self) -> Outcome<Expression> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Refusal::query("The expression is nested too deeply."));
        }
        let mut parts = vec![self.and()?];
        while self.eat_word("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn and(&mut self) -> Outcome<Expression> {
        let mut parts = vec![self.not()?];
        while self.eat_word("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn not(&mut self) -> Outcome<Expression> {
        let mut negated = false;
        while self.eat_word("not") {
            negated = !negated;
        }
        let inner = self.primary()?;
        Ok(if negated { Expression::Not(Box::new(inner)) } else { inner })
    }

    fn primary(&mut self) -> Outcome<Expression> {
        if self.eat('(') {
            let inner = self.or()?;
            self.expect(')')?;
            return Ok(inner);
        }
        let word = self.peek_word();
        let follows = self.text.get(self.at + word.len()..).unwrap_or_default();
        if !word.is_empty() && follows.starts_with('(') {
            self.at += word.len() + 1;
            let call = self.call(word)?;
            return self.truth(call);
        }
        let left = self.operand()?;
        let operator = match self.peek_word() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            "" => return Ok(Expression::Compare(left, Operator::Eq, Operand::Literal(Literal::Bool(true)))),
            "and" | "or" => return Ok(Expression::Compare(left, Operator::Eq, Operand::Literal(Literal::Bool(true)))),
            _ => return Err(self.fault("an operator expected")),
        };
        self.at += 2;
        Ok(Expression::Compare(left, operator, self.operand()?))
    }

    /// A Boolean call may be compared with a Boolean: `startswith(a,'b') eq true`.
    fn truth(&mut self, call: Expression) -> Outcome<Expression> {
        let equal = match self.peek_word() {
            "eq" => true,
            "ne" => false,
            _ => return Ok(call),
        };
        self.at += 2;
        match self.literal()? {
            Literal::Bool(wanted) if wanted == equal => Ok(call),
            Literal::Bool(_) => Ok(Expression::Not(Box::new(call))),
            Literal::Null
            | Literal::Text(_)
            | Literal::Int(_)
            | Literal::Float(_)
            | Literal::Guid(_)
            | Literal::Time(_)
            | Literal::Day(_)
            | Literal::Member(_)
            | Literal::List(_) => Err(self.fault("a function can be compared with true or false only")),
        }
    }

    fn call(&mut self, name: &str) -> Outcome<Expression> {
        if let Some((path, kind)) = name.rsplit_once('/')
            && matches!(kind, "any" | "all")
        {
            return self.lambda(path, kind == "all");
        }
        let mut arguments = Vec::new();
        if self.eat(')') {
            return Ok(Expression::Call(name.to_owned(), arguments));
        }
        loop {
            let word = self.peek_word();
            let follows = self.text.get(self.at + word.len()..).unwrap_or_default();
            let label = if !word.is_empty() && follows.starts_with('=') {
                self.at += word.len() + 1;
                word.to_owned()
            } else {
                String::new()
            };
            arguments.push((label, self.operand()?));
            if self.eat(')') {
                return Ok(Expression::Call(name.to_owned(), arguments));
            }
            self.expect(',')?;
        }
    }

    fn lambda(&mut self, path: &str, all: bool) -> Outcome<Expression> {
        let path = path.to_owned();
        if self.eat(')') {
            return Ok(Expression::Lambda { path, all, variable: String::new(), body: None });
        }
        // A colon is a word character because of times, so the variable is cut off by hand.
        self.blanks();
        let (variable, _) = self.rest().split_once(':').ok_or_else(|| self.fault("a range variable expected"))?;
        self.at += variable.len() + 1;
        let body = Some(Box::new(self.or()?));
        self.expect(')')?;
        Ok(Expression::Lambda { path, all, variable: variable.trim().to_owned(), body })
    }

    fn operand(&mut self) -> Outcome<Operand> {
        self.blanks();
        if self.rest().starts_with(['\'', '[', '"', '(']) {
            return self.literal().map(Operand::Literal);
        }
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.fault("a name or a value expected"));
        }
        if let Some(alias) = word.strip_prefix('@') {
            self.at += word.len();
            let value = self.options.get(&format!("@{alias}")).map(Literal::parse).transpose()?;
            return Ok(Operand::Literal(value.unwrap_or(Literal::Null)));
        }
        let start = self.at;
        if let Ok(literal) = self.literal() {
            return Ok(Operand::Literal(literal));
        }
        self.at = start + word.len();
        if !word.starts_with(|char: char| char.is_alphabetic() || char == '_' || char == '$') {
            return Err(self.fault(&format!("'{word}' is neither a name nor a value")));
        }
        Ok(Operand::Path(word.to_owned()))
    }

    fn literal(&mut self) -> Outcome<Literal> {
        self.blanks();
        match self.rest().chars().next() {
            Some('\'') => return self.quoted('\'').map(Literal::Text),
            Some('"') => return self.quoted('"').map(Literal::Text),
            Some('[') => return self.list('[', ']'),
            Some('(') => return self.list('(', ')'),
            _ => {}
        }
        let word = self.peek_word();
        let after = self.at + word.len();
        if !word.is_empty() && self.text.get(after..).unwrap_or_default().starts_with('\'') {
            self.at = after;
            return self.quoted('\'').map(Literal::Member);
        }
        let literal = match word {
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            _ => number_or_date(word).ok_or_else(|| self.fault("a value expected"))?,
        };
        self.at = after;
        Ok(literal)
    }

    fn list(&mut self, open: char, close: char) -> Outcome<Literal> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Refusal::query("The expression is nested too deeply."));
        }
        let mut items = Vec::new();
        if self.eat(close) {
            return Ok(Literal::List(items));
        }
        loop {
            items.push(self.literal()?);
            if self.eat(close) {
                self.depth -= 1;
                return Ok(Literal::List(items));
            }
            self.expect(',')?;
        }
    }

    fn quoted(&mut self, quote: char) -> Outcome<String> {
        self.at += 1;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().peekable();
        while let Some((index, char)) = chars.next() {
            if char != quote {
                out.push(char);
            } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
                out.push(quote);
                chars.next();
            } else {
                self.at += index + 1;
                return Ok(out);
            }
        }
        Err(self.fault("the text isn't closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{parse_day, parse_time};

    fn read(text: &str) -> Outcome<Expression> {
        Expression::parse(text, &Options::parse("@p1='x'"))
    }

    #[test]
    fn precedence_is_not_then_and_then_or() {
        let Ok(Expression::Or(parts)) = read("a eq 1 and not b eq 2 or (c eq 3 or d eq 4) and e eq null") else { unreachable!("an or") };
        assert!(matches!(parts.as_slice(), [Expression::And(_), Expression::And(_)]), "{parts:?}");
    }

    #[test]
    fn literals_of_every_kind() {
        for (text, expected) in [
            ("'O''Brien'", Literal::Text("O'Brien".into())),
            ("-5", Literal::Int(-5)),
            ("1.5", Literal::Float(1.5)),
            ("2026-02-11", Literal::Day(parse_day("2026-02-11").unwrap())),
            ("2026-02-11T08:00:00Z", Literal::Time(parse_time("2026-02-11T08:00:00Z").unwrap())),
            ("0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415", Literal::Guid("0f21b6d20c414f7eb1aa6e2d8c3f9415".parse().unwrap())),
            ("Microsoft.Dynamics.CRM.AttributeTypeCode'Picklist'", Literal::Member("Picklist".into())),
            (r#"["a","b"]"#, Literal::List(vec![Literal::Text("a".into()), Literal::Text("b".into())])),
        ] {
            assert_eq!(Literal::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn functions_aliases_and_lambdas() {
        let Ok(Expression::Call(name, arguments)) = read("Microsoft.Dynamics.CRM.In(PropertyName='leadid',PropertyValues=['a'])") else {
            unreachable!()
        };
        assert_eq!((name.as_str(), arguments[1].0.as_str()), ("Microsoft.Dynamics.CRM.In", "PropertyValues"));
        assert_eq!(read("n eq @p1"), read("n eq 'x'"));
        assert_eq!(read("n eq @p2"), read("n eq null"));
        assert!(matches!(read("x/any(c:c/name eq 'a')"), Ok(Expression::Lambda { all: false, .. })));
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic() {
        for text in [
            "",
            "a",
            "a eq",
            "a eq 'b",
            "(a eq 1",
            "a eq 1)",
            "a foo 1",
            "é eq 'é' and",
            &"(".repeat(5000),
            &"not ".repeat(5000),
            &format!("a eq {}", "[".repeat(5000)),
        ] {
            if text != "a" {
                assert!(read(text).is_err(), "{text}");
            }
        }
    }
}
