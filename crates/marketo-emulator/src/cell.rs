//! One value, and a record as one packed block of bytes.
//!
//! A million records fit in memory because a row is a single allocation that holds only the columns that have a value: column number,
//! kind, value, in column order. Reading a column walks the row, which is short; writing builds a new one.

use crate::schema::Column;

/// A value that is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Seconds since the epoch.
    Time(i64),
    Text(String),
}

/// A value inside a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum View<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Time(i64),
    Text(&'a str),
}

impl Cell {
    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Self::Bool(value) => View::Bool(*value),
            Self::Int(value) => View::Int(*value),
            Self::Float(value) => View::Float(*value),
            Self::Time(value) => View::Time(*value),
            Self::Text(value) => View::Text(value),
        }
    }
}

impl<'a> View<'a> {
    pub(crate) fn to_cell(self) -> Cell {
        match self {
            Self::Bool(value) => Cell::Bool(value),
            Self::Int(value) => Cell::Int(value),
            Self::Float(value) => Cell::Float(value),
            Self::Time(value) => Cell::Time(value),
            Self::Text(value) => Cell::Text(value.to_owned()),
        }
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Time(_) => None,
        }
    }

    pub(crate) fn int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bool(_) | Self::Text(_) | Self::Float(_) | Self::Time(_) => None,
        }
    }

    fn write(self, column: Column, bytes: &mut Vec<u8>) {
        bytes.extend(column.to_le_bytes());
        match self {
            Self::Bool(value) => bytes.extend([0, u8::from(value)]),
            Self::Int(value) => {
                bytes.push(1);
                bytes.extend(value.to_le_bytes());
            }
            Self::Float(value) => {
                bytes.push(2);
                bytes.extend(value.to_le_bytes());
            }
            Self::Time(value) => {
                bytes.push(3);
                bytes.extend(value.to_le_bytes());
            }
            Self::Text(value) => {
                bytes.push(4);
                // A body is at most 10 MB, so no text is longer than 32 bits can say.
                bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend(value.as_bytes());
            }
        }
    }
}

/// The values of one record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row(Box<[u8]>);

/// A change of one column: the new value, or none to clear it.
pub(crate) type Change = (Column, Option<Cell>);

impl Row {
    pub(crate) fn new(changes: &[Change]) -> Self {
        Self::default().with(changes)
    }

    pub(crate) fn iter(&self) -> Cells<'_> {
        Cells(&self.0)
    }

    /// The same columns taken apart, for reading many of them.
    pub(crate) fn cells(&self) -> Vec<(Column, View<'_>)> {
        self.iter().collect()
    }

    pub(crate) fn get(&self, column: Column) -> Option<View<'_>> {
        self.iter().find(|(at, _)| *at == column).map(|(_, view)| view)
    }

    /// The same row with these columns set or cleared; the last change of a column counts.
    #[must_use]
    pub(crate) fn with(&self, changes: &[Change]) -> Self {
        let mut cells: Vec<(Column, View<'_>)> = self.iter().collect();
        for (column, cell) in changes {
            match (cells.binary_search_by_key(column, |(at, _)| *at), cell) {
                (Ok(at), Some(cell)) => {
                    if let Some(slot) = cells.get_mut(at) {
                        slot.1 = cell.view();
                    }
                }
                (Ok(at), None) => {
                    cells.remove(at);
                }
                (Err(at), Some(cell)) => cells.insert(at, (*column, cell.view())),
                (Err(_), None) => {}
            }
        }
        let mut bytes = Vec::with_capacity(cells.len() * 24);
        for (column, view) in cells {
            view.write(column, &mut bytes);
        }
        Self(bytes.into_boxed_slice())
    }
}

/// A column's value among those of [`Row::cells`].
pub(crate) fn among<'a>(cells: &[(Column, View<'a>)], column: Column) -> Option<View<'a>> {
    let at = cells.binary_search_by_key(&column, |(at, _)| *at).ok()?;
    cells.get(at).map(|(_, view)| *view)
}

/// The columns of a row, in order.
pub(crate) struct Cells<'a>(&'a [u8]);

impl<'a> Iterator for Cells<'a> {
    type Item = (Column, View<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<3>()?;
        let column = Column::from_le_bytes([head[0], head[1]]);
        let (view, rest) = match head[2] {
            0 => rest.split_first().map(|(byte, rest)| (View::Bool(*byte != 0), rest))?,
            4 => {
                let (length, rest) = rest.split_first_chunk::<4>()?;
                let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                (View::Text(str::from_utf8(text).ok()?), rest)
            }
            kind => {
                let (bytes, rest) = rest.split_first_chunk::<8>()?;
                let view = match kind {
                    1 => View::Int(i64::from_le_bytes(*bytes)),
                    2 => View::Float(f64::from_le_bytes(*bytes)),
                    _ => View::Time(i64::from_le_bytes(*bytes)),
                };
                (view, rest)
            }
        };
        self.0 = rest;
        Some((column, view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_back_what_was_put_in() {
        let row = Row::new(&[
            (7, Some(Cell::Text("Ann".into()))),
            (2, Some(Cell::Int(-5))),
            (9, Some(Cell::Bool(true))),
            (3, Some(Cell::Float(1.5))),
        ]);
        let row = row.with(&[(7, Some(Cell::Text("Änn Ortiz".into()))), (3, None), (1, Some(Cell::Time(12))), (40, None)]);
        let cells: Vec<_> = row.iter().collect();
        assert_eq!(cells, [(1, View::Time(12)), (2, View::Int(-5)), (7, View::Text("Änn Ortiz")), (9, View::Bool(true))]);
        assert_eq!(row.get(3), None);
    }
}
