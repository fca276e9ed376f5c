//! What to read of a table: columns, condition, order, number.
//!
//! `$skip`, `$search` and `$format` are absent because the service does not know them, `$apply` because nothing here adds up.

use wire::CallError;

use crate::{
    filter::Filter,
    odata::{self, encoded},
};

/// A query's options. The default asks for nothing in particular, which makes the service send every column: name some.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Columns: logical names, lookups as `_x_value`. The primary key always comes along.
    pub select: Vec<String>,
    /// Which rows.
    pub filter: Option<Filter>,
    /// In which order: `column` or `column desc`. End with the primary key, or pages may overlap.
    pub order_by: Vec<String>,
    /// At most so many, up to 5,000. The service ignores it where a page size is asked for, so that none is sent with it.
    pub top: Option<u32>,
    /// Rows of other tables to bring along.
    pub expand: Vec<Expand>,
    /// Whether to count. The count stops at 5,000: it is not a size.
    pub count: bool,
}

/// A row of another table that comes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expand {
    /// The navigation property; its case matters.
    pub navigation: String,
    /// The columns of the other table.
    pub select: Vec<String>,
}

impl Query {
    /// A query for these columns.
    pub fn select<T: Into<String>>(columns: impl IntoIterator<Item = T>) -> Self {
        Self { select: columns.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same with this condition.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// The same in this order.
    #[must_use]
    pub fn order_by(mut self, column: impl Into<String>) -> Self {
        self.order_by.push(column.into());
        self
    }

    /// Whether it holds anything that does not go with change tracking.
    pub(crate) fn is_plain(&self) -> bool {
        self.filter.is_none() && self.order_by.is_empty() && self.top.is_none() && self.expand.is_empty() && !self.count
    }

    /// The path of a set's rows with this query.
    pub(crate) fn path(&self, set: &str) -> Result<String, CallError> {
        if self.filter.as_ref().is_some_and(|filter| !filter.is_complete()) {
            return Err(CallError::Unwritable("a filter with an empty list".into()));
        }
        let mut path = format!("/{}", odata::name(set)?);
        let mut sign = '?';
        let mut option = |name: &str, value: &str| {
            path.push(sign);
            sign = '&';
            path.push_str(&format!("{name}={value}"));
        };
        if !self.select.is_empty() {
            option("$select", &encoded(&self.select.join(",")));
        }
        if let Some(filter) = &self.filter {
            option("$filter", &encoded(&filter.to_string()));
        }
        if !self.order_by.is_empty() {
            option("$orderby", &encoded(&self.order_by.join(",")));
        }
        if !self.expand.is_empty() {
            let expands: Vec<String> = self.expand.iter().map(Expand::text).collect();
            option("$expand", &expands.join(","));
        }
        if let Some(top) = self.top {
            option("$top", &top.to_string());
        }
        if self.count {
            option("$count", "true");
        }
        Ok(path)
    }
}

impl Expand {
    fn text(&self) -> String {
        let navigation = encoded(&self.navigation);
        if self.select.is_empty() { navigation } else { format!("{navigation}($select={})", encoded(&self.select.join(","))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_one_order() {
        let query = Query {
            expand: vec![Expand { navigation: "record2roleid".into(), select: vec!["name".into(), "category".into()] }],
            top: Some(5),
            count: true,
            ..Query::select(["_record1id_value", "statecode"])
                .filter(Filter::eq("name", "a&b"))
                .order_by("modifiedon desc")
                .order_by("connectionid")
        };
        assert_eq!(
            query.path("connections").unwrap(),
            "/connections?$select=_record1id_value,statecode&$filter=name%20eq%20%27a%26b%27&$orderby=modifiedon%20desc,connectionid\
             &$expand=record2roleid($select=name,category)&$top=5&$count=true"
        );
        assert_eq!(Query::default().path("leads").unwrap(), "/leads");
        assert!(Query::default().path("le/ads").is_err());
    }
}
