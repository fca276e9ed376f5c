//! Texts of others in files that people open in a spreadsheet.

/// What a formula begins with; a tab and a carriage return are passed over by some programs.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell that no spreadsheet takes for a formula.
pub(crate) fn plain(cell: &str) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}
