//! Mapping expressions in CEL (the Common Expression Language): typed, without loops or side effects.
//!
//! Every column is a variable of its name, and `<column>_label` is a choice's label. A column without value is `null`. Besides the
//! language's own functions there are `lower`, `upper`, `trim` and `has_value`.

use std::{fmt, sync::Arc};

use cel::{Context, Env, ExecutionError, Program, Value as Cel};
use serde_json::Value;

use crate::{
    Row,
    convert::{ChoiceAs, canonical},
    schema::{ColumnKind, Columns},
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
    /// What is wrong with it, in words: its grammar, a name that is no column, or a function that doesn't exist.
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
        let functions: Vec<String> = program.references().functions().into_iter().map(str::to_owned).collect();
        let expression = Expression { text: text.to_owned(), program: Arc::new(program), env: self.0.clone(), variables };
        if let Some(name) = functions.iter().find(|name| is_word(name) && !self.knows(name)) {
            return Err(no_function(name));
        }
        // A function of texts that is called like one of the language, or the other way round, shows when it is run only.
        for sample in SAMPLES {
            if let Err(ExecutionError::UndeclaredReference(name)) = expression.run(|column, _| sample(columns.get(column)?.kind)) {
                return Err(format!("{}; a function of a value is written behind it, as in lastname.startsWith('A')", no_function(&name)));
            }
        }
        Ok(expression)
    }

    /// Whether there is a function of this name, whatever it takes.
    fn knows(&self, function: &str) -> bool {
        let is_known = |call: String| {
            let Ok(program) = self.0.compile(&call) else { return true };
            let Ok(context) = context(&self.0) else { return true };
            !matches!(program.execute(&context), Err(ExecutionError::UndeclaredReference(_)))
        };
        is_known(format!("{function}()")) || is_known(format!("''.{function}()"))
    }
}

/// Values of rows that don't exist, by which a mistake shows before there is any row.
const SAMPLES: [fn(ColumnKind) -> Option<Cel>; 3] = [|kind| Some(sample(kind, true)), |kind| Some(sample(kind, false)), |_| None];

fn sample(kind: ColumnKind, truth: bool) -> Cel {
    match kind {
        ColumnKind::Boolean => Cel::Bool(truth),
        ColumnKind::Integer | ColumnKind::Choice => Cel::Int(i64::from(truth)),
        ColumnKind::Decimal => Cel::Float(if truth { 1.5 } else { 0.0 }),
        ColumnKind::Date => Cel::String(Arc::new("2026-01-31".into())),
        ColumnKind::DateTime => Cel::String(Arc::new("2026-01-31T09:30:00Z".into())),
        ColumnKind::Text | ColumnKind::Choices | ColumnKind::Id | ColumnKind::Lookup | ColumnKind::Other => {
            Cel::String(Arc::new(if truth { "A".into() } else { String::new() }))
        }
    }
}

/// Whether a function is called by its name; operators have names of their own.
fn is_word(function: &str) -> bool {
    function.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn no_function(name: &str) -> String {
    format!("calls {name}, which is no function here")
}

fn context(env: &Arc<Env>) -> Result<Context<'static, 'static>, String> {
    let mut context = Context::with_env(env.clone());
    let text = |act: fn(&str) -> String| move |text: Arc<String>| act(&text);
    context
        .add_function("lower", text(str::to_lowercase))
        .and_then(|()| context.add_function("upper", text(str::to_uppercase)))
        .and_then(|()| context.add_function("trim", text(|text| text.trim().to_owned())))
        .and_then(|()| context.add_function("has_value", |value: Cel| !matches!(value, Cel::Null)))
        .map_err(|error| error.to_string())?;
    Ok(context)
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
        let value = self.run(|column, choice| {
            let column = columns.get(column)?;
            Some(to_cel(&canonical(column, row.of_column(column)?, choice)))
        });
        let value = value.map_err(|error| error.to_string())?;
        value.json().map_err(|e| e.to_string())
    }

    /// Whether rows of whatever values give neither true nor false: what a filter must not do.
    pub(crate) fn gives_no_truth(&self, columns: &Columns) -> Option<String> {
        let values = SAMPLES.map(|sample| self.run(|column, _| sample(columns.get(column)?.kind)));
        let is_truth = |value: &Cel| matches!(value, Cel::Bool(_) | Cel::Null);
        let given = values.into_iter().filter_map(Result::ok).find(|value| !is_truth(value))?;
        Some(given.json().map_or_else(|_| "no value".to_owned(), |json| json.to_string()))
    }

    fn run(&self, value_of: impl Fn(&str, ChoiceAs) -> Option<Cel>) -> Result<Cel, ExecutionError> {
        let mut context = context(&self.env).map_err(|error| ExecutionError::function_error("context", error))?;
        for (name, column, choice) in &self.variables {
            context.add_variable_from_value(name.clone(), value_of(column, *choice).unwrap_or(Cel::Null));
        }
        self.program.execute(&context)
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
        assert_eq!(expression.value(Row(&row.as_object().unwrap().clone().into()), &columns()), Ok(expected), "{text}");
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
        assert_eq!(wrong("employees > 5 && foo(firstname)"), "calls foo, which is no function here");
        assert_eq!(wrong("has_value(firstname) && firstname.bar()"), "calls bar, which is no function here");
        let behind =
            "calls startsWith, which is no function here; a function of a value is written behind it, as in lastname.startsWith('A')";
        assert_eq!(wrong("startsWith(firstname, 'A')"), behind);
    }

    #[test]
    fn functions_of_the_language_are_known() {
        for text in [
            "firstname.startsWith('A') || firstname.matches('^b') || firstname.contains('c')",
            "size(firstname) > 2 ? int('3') + employees : 0",
            "firstname in ['a', 'b'] || !(employees in [1, 2])",
            "trim(lower(firstname)) == string(employees)",
        ] {
            Compiler::default().compile(text, &columns()).unwrap();
        }
    }
}
