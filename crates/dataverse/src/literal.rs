//! Values as OData writes them in filters and keys: texts in apostrophes, GUIDs and dates bare.

use std::fmt;

use base::{Guid, Timestamp};
use jiff::civil::Date;

/// A value in a filter or an alternate key.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A text.
    Text(String),
    /// A GUID.
    Guid(Guid),
    /// A whole number.
    Number(i64),
    /// A number with digits after the point, as its text.
    Decimal(String),
    /// True or false.
    Boolean(bool),
    /// An instant, to the second: the service keeps no finer.
    Time(Timestamp),
    /// A day.
    Date(Date),
    /// No value.
    Null,
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Guid(guid) => write!(f, "{guid}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Decimal(text) => f.write_str(text),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Time(at) => f.write_str(&base::time::whole_seconds(*at)),
            Self::Date(day) => write!(f, "{day}"),
            Self::Null => f.write_str("null"),
        }
    }
}

macro_rules! literal_from {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for Literal {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

literal_from!(&str => Text, String => Text, Guid => Guid, i64 => Number, i32 => Number, bool => Boolean, Timestamp => Time, Date => Date);
