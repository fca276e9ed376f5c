//! The conditions of a statement: what stands after WHERE and ON.
//!
//! In SQL a row without a value differs from nothing and is like nothing.

use super::{
    Check,
    condition::typed,
    sql::{DEPTH_MAX, Parser},
    token::Token,
};
use crate::{
    error::Outcome,
    odata::{
        like::{Pattern, Place},
        syntax::Operator,
        test::{Term, Test},
    },
    schema::Kind,
    value::Value,
};

impl Parser<'_> {
    pub(super) fn or(&mut self) -> Outcome<Check> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("it is nested too deeply"));
        }
        let mut parts = vec![self.and()?];
        while self.word("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 { parts.remove(0) } else { Check::Any(parts) })
    }

    fn and(&mut self) -> Outcome<Check> {
        let mut parts = vec![self.not()?];
        while self.word("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Check::All(parts) })
    }

    fn not(&mut self) -> Outcome<Check> {
        let mut negated = false;
        while self.word("not") {
            negated = !negated;
        }
        let inner = if self.sign("(") {
            let inner = self.or()?;
            self.need_sign(")")?;
            inner
        } else {
            self.predicate()?
        };
        Ok(if negated { Check::Not(Box::new(inner)) } else { inner })
    }

    fn predicate(&mut self) -> Outcome<Check> {
        let path = self.path()?;
        let (source, term, kind, _) = self.find(&path)?;
        let present = Check::On(source, Test::Compare(term.clone(), Operator::Ne, Term::Const(Value::Null)));
        if self.word("is") {
            let not = self.word("not");
            self.need("null")?;
            let missing = if term == Term::Key { Check::Missing(source) } else { Check::Not(Box::new(present)) };
            return Ok(if not { Check::Not(Box::new(missing)) } else { missing });
        }
        let negated = self.word("not");
        let test = if self.word("like") {
            Test::Like(term, Pattern::new(&self.literal()?, Place::Whole))
        } else if self.word("in") {
            self.need_sign("(")?;
            let mut values = vec![typed(&self.literal()?, kind)?];
            while self.sign(",") {
                values.push(typed(&self.literal()?, kind)?);
            }
            self.need_sign(")")?;
            Test::OneOf(term, values)
        } else if self.word("between") {
            let from = typed(&self.literal()?, kind)?;
            self.need("and")?;
            Test::Within(term, Some(from), Some(typed(&self.literal()?, kind)?))
        } else if negated {
            return Err(self.fault("LIKE, IN or BETWEEN expected"));
        } else {
            return self.comparison(source, term, kind, present);
        };
        let check = Check::On(source, test);
        Ok(if negated { Check::All(vec![present, Check::Not(Box::new(check))]) } else { check })
    }

    fn comparison(&mut self, source: usize, term: Term, kind: Kind, present: Check) -> Outcome<Check> {
        let operators = [
            ("=", Operator::Eq),
            ("<>", Operator::Ne),
            ("!=", Operator::Ne),
            ("<=", Operator::Le),
            (">=", Operator::Ge),
            ("<", Operator::Lt),
            (">", Operator::Gt),
        ];
        let found = operators.iter().find(|(sign, _)| self.sign(sign));
        let (_, operator) = found.ok_or_else(|| self.fault("an operator expected"))?;
        if matches!(self.tokens.get(self.at), Some(Token::Word(_) | Token::Quoted(_))) && !self.peek_is("null") {
            let other = self.path()?;
            let (right, other, ..) = self.find(&other)?;
            return Ok(Check::Pair((source, term), *operator, (right, other)));
        }
        if self.word("null") {
            // Nothing equals null, and nothing differs from it.
            return Ok(Check::Any(Vec::new()));
        }
        let value = typed(&self.literal()?, kind)?;
        // In SQL a row without a value doesn't differ from anything.
        Ok(Check::All(vec![present, Check::On(source, Test::Compare(term, *operator, Term::Const(value)))]))
    }

    fn literal(&mut self) -> Outcome<String> {
        let minus = self.sign("-");
        match self.tokens.get(self.at) {
            Some(Token::Number(text)) => {
                self.at += 1;
                Ok(if minus { format!("-{text}") } else { text.clone() })
            }
            Some(Token::Text(text)) if !minus => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(self.fault("a value expected")),
        }
    }
}
