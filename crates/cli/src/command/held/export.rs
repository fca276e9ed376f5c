//! `held export`: the list as a file that spreadsheets read (RFC 4180).
//!
//! A spreadsheet takes what begins like a formula for one and would compute it, whoever wrote it in Dynamics; an apostrophe before it makes it
//! text.

use base::Timestamp;
use engine::{
    codes::{Advice, advice},
    held::HeldRecord,
};
use store::Store;

use super::lines::{Line, Lines};
use crate::{
    args::held::{Export, word},
    exit::{Failure, IN_STEP},
    printer,
    private_file::PrivateFile,
    spreadsheet::plain,
};

const HEADER: [&str; 18] = [
    "object",
    "table",
    "id",
    "part",
    "state",
    "code",
    "reason",
    "meaning",
    "remedy",
    "page",
    "since",
    "attempts",
    "retry_at",
    "waits_for",
    "owner",
    "dismissed_at",
    "dismissed_by",
    "dismissed_why",
];

/// Runs it. However much there is, only a page of it is in memory.
pub(super) async fn export(store: &dyn Store, args: &Export) -> Result<u8, Failure> {
    let mut lines = Lines::new(store, args.chosen.among(&[]), args.dismissed, args.waiting);
    let mut file = PrivateFile::begin(&args.file, args.force)?;
    let mut count = 0u64;
    {
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut file);
        let mut written = rows.write_record(HEADER);
        while written.is_ok()
            && let Some(page) = lines.next_page().await?
        {
            count += page.len() as u64;
            written = page.iter().try_for_each(|line| rows.write_record(cells(line).map(|cell| plain(&cell))));
        }
        written.and_then(|()| Ok(rows.flush()?))
    }
    .map_err(|error| file.not_written(&error.into()))?;
    file.finish()?;
    printer::say(&format!("{count} records written"));
    Ok(IN_STEP)
}

/// A row, in the order of the header.
fn cells(line: &Line) -> [String; HEADER.len()] {
    let HeldRecord {
        object,
        table,
        id,
        part,
        asks: _,
        state,
        code,
        reason,
        since,
        attempts,
        retry_at,
        waits_for,
        owner,
        team: _,
        company: _,
    } = &line.record;
    let advice = code.as_deref().map(advice);
    let (meaning, remedy, page) = advice.map(|Advice { meaning, remedy, page }| (meaning, remedy, page)).unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let dismissed = line.dismissed.as_ref();
    [
        word(*object).into(),
        table.to_string(),
        id.to_string(),
        text(part),
        state.name().into(),
        text(code),
        text(reason),
        meaning.into(),
        remedy.into(),
        page,
        seconds(*since),
        attempts.to_string(),
        retry_at.map(seconds).unwrap_or_default(),
        waits_for.map(|on| on.to_string()).unwrap_or_default(),
        owner.map(|owner| owner.to_string()).unwrap_or_default(),
        dismissed.map(|dismissed| seconds(dismissed.at)).unwrap_or_default(),
        dismissed.map(|dismissed| dismissed.by.clone()).unwrap_or_default(),
        dismissed.map(|dismissed| dismissed.why.clone()).unwrap_or_default(),
    ]
}

/// A moment that spreadsheets understand.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, as_text) in [
            ("", ""),
            ("plain = text", "plain = text"),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("- 7 owner", "'- 7 owner"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("'already", "'already"),
        ] {
            assert_eq!(plain(cell), as_text);
        }
    }
}
