//! Mapping expressions in CEL (the Common Expression Language): typed, without loops or side effects.
//!
//! Every column is a variable of its name, and `<column>_label` is a choice's label. A column without value is `null`. Besides the
//! language's own functions there are `lower`, `upper`, `trim` and `has_value`.

use std::{fmt, sync::Arc};

use cel::{Context, Env, Program, Value as Cel};
use serde_json::Value;

use crate::{
    Row,
    convert::{ChoiceAs, canonical},
    schema::Columns,
};

/// A compiled expression and the columns it reads.
#[derive(Clone)]
pub struct Expression {
    text: String,
    program: Arc<Program>,
    env: Arc<Env>,
    /// Variables, each with the column behind it and how its choice is written.
    variables: Vec<(String, String, ChoiceAs)>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

/// Compiles expressions; one for all, because its environment is the costly part.
#[derive(Clone)]
pub struct Compiler(Arc<Env>);

impl Default for Compiler {
    fn default() -> Self {
        Self(Arc::new(Env::stdlib()))
    }
}

impl Compiler {
    /// Compiles `text` against a table's columns.
    ///
    /// # Errors
    /// What is wrong with it, in words: its grammar, or a name that is no column.
    pub fn compile(&self, text: &str, columns: &Columns) -> Result<Expression, String> {
        let program = self.0.compile(text).map_err(|errors| format!("is not a valid CEL expression: {errors}"))?;
        let mut variables = Vec::new();
        let mut names: Vec<String> = program.references().variables().into_iter().map(str::to_owned).collect();
        names.sort();
        for name in names {
            let label = name.strip_suffix("_label").filter(|column| columns.contains_key(*column));
            match (columns.contains_key(&name), label) {
                (true, _) => variables.push((name.clone(), name, ChoiceAs::Number)),
                (false, Some(column)) => variables.push((name.clone(), column.to_owned(), ChoiceAs::Label)),
                (false, None) => return Err(unknown(&name, columns)),
            }
        }
        Ok(Expression { text: text.to_owned(), program: Arc::new(program), env: self.0.clone(), variables })
    }
}

fn unknown(name: &str, columns: &Columns) -> String {
    let hint = crate::schema::nearest(name, columns.keys().map(String::as_str));
    let hint = hint.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    format!("refers to {name}, which is no column of the table{hint}")
}

impl Expression {
    /// The columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(_, column, _)| column.as_str())
    }

    /// Its value for a row.
    ///
    /// # Errors
    /// What CEL says, for example that null can't be added to text.
    pub fn value(&self, row: Row<'_>, columns: &Columns) -> Result<Value, String> {
        let mut context = Context::with_env(self.env.clone());
        for (name, column, choice) in &self.variables {
            let value = columns.get(column).and_then(|column| {
                let value = row.of_column(column)?;
                Some(to_cel(&canonical(column, value, *choice)))
            });
            let value = value.unwrap_or(Cel::Null);
            context.add_variable_from_value(name.clone(), value);
        }
        let text = |act: fn(&str) -> String| move |text: Arc<String>| act(&text);
        let added = context
            .add_function("lower", text(str::to_lowercase))
            .and_then(|()| context.add_function("upper", text(str::to_uppercase)))
            .and_then(|()| context.add_function("trim", text(|text| text.trim().to_owned())))
            .and_then(|()| context.add_function("has_value", |value: Cel| !matches!(value, Cel::Null)));
        added.map_err(|e| e.to_string())?;
        let value = self.program.execute(&context).map_err(|e| e.to_string())?;
        value.json().map_err(|e| e.to_string())
    }
}

/// Numbers become CEL's `int` where they are whole, because `uint` and `int` don't add up.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Bool(yes) => Cel::Bool(*yes),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cel::Int(whole),
            (None, Some(float)) => Cel::Float(float),
            (None, None) => Cel::Null,
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Null | Value::Array(_) | Value::Object(_) => Cel::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{Column, ColumnKind};

    fn columns() -> Columns {
        let column = |name: &str, kind| Column {
            name: name.into(),
            labels: vec![],
            kind,
            max_length: None,
            options: vec![(2, "Warm".into())],
            readable: true,
            updatable: true,
            secured: false,
        };
        [column("firstname", ColumnKind::Text), column("rating", ColumnKind::Choice), column("employees", ColumnKind::Integer)]
            .map(|column| (column.name.clone(), column))
            .into()
    }

    #[track_caller]
    fn check(text: &str, expected: Value) {
        let row = json!({"firstname": "Änne", "rating": 2, "employees": 41});
        let expression = Compiler::default().compile(text, &columns()).unwrap();
        assert_eq!(expression.value(Row(row.as_object().unwrap()), &columns()), Ok(expected), "{text}");
    }

    #[test]
    fn expressions_see_columns_and_labels() {
        check("firstname + '!'", json!("Änne!"));
        check("upper(firstname)", json!("ÄNNE"));
        check("rating == 2 ? rating_label : 'none'", json!("Warm"));
        check("employees + 1", json!(42));
        check("has_value(firstname) && employees > 40", json!(true));
    }

    #[test]
    fn a_wrong_name_or_grammar_is_told_when_loaded() {
        let wrong = |text: &str| Compiler::default().compile(text, &columns()).unwrap_err();
        assert_eq!(wrong("firstnam + 'x'"), "refers to firstnam, which is no column of the table; did you mean firstname?");
        assert!(wrong("firstname +").starts_with("is not a valid CEL expression"), "{}", wrong("firstname +"));
    }
}
