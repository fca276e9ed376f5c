//! What goes to stdout and to stderr: data to the first, talk to the second, colour only on a terminal.

use std::io::{IsTerminal, Write};

use base::Object;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use engine::{Summary, forecast::Forecast, schema_change::SchemaChange, summary::Outcome};
use tracing_subscriber::EnvFilter;

/// Starts the log on stderr.
pub(crate) fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info",
        _ => "debug,hyper=info,reqwest=info,hyper_util=info,azure_core=info,azure_identity=info",
    };
    let filter = EnvFilter::try_from_env("INSIGHT_BRIDGE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // A second start, in a test, changes nothing.
    let _ = log.try_init();
}

/// A line of data on stdout. A reader that has gone away, such as `head`, is no error.
pub(crate) fn data(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line of talk on stderr.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether stdout is a terminal whose user wants colours (<https://no-color.org>).
pub(crate) fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How wide the terminal is, where there is one.
pub(crate) fn width() -> Option<u16> {
    Table::new().width()
}

/// A table that fits into `width`, or the terminal. Where words would be broken for that, the rows stand below each other.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    if let Some(width) = width.map(usize::from).filter(|width| narrowest(header, &rows) > *width) {
        return blocks(header, &rows, width);
    }
    let mut table = Table::new();
    if let Some(width) = width {
        table.set_width(width);
    }
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for row in rows {
        let cells = row.into_iter().enumerate().map(|(column, text)| {
            let alignment = if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
            Cell::new(text).set_alignment(alignment)
        });
        table.add_row(cells);
    }
    table.to_string()
}

/// The width below which a table breaks words: the longest word of each column, a blank on both sides of it, and one between columns.
fn narrowest(header: &[&str], rows: &[Vec<String>]) -> usize {
    let longest = |text: &str| text.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
    let of_column = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|text| longest(text)).max().unwrap_or_default();
    header.iter().enumerate().map(|(at, name)| longest(name).max(of_column(at)) + 3).sum()
}

/// A table as blocks: the first cell of each row, and under it what of the others says something, as much in a line as fits.
fn blocks(header: &[&str], rows: &[Vec<String>], width: usize) -> String {
    let mut lines: Vec<String> = header.first().map(|name| (*name).to_owned()).into_iter().collect();
    for row in rows {
        let mut cells = row.iter().zip(header);
        lines.extend(cells.next().map(|(text, _)| format!("  {text}")));
        let mut line = String::new();
        for (text, name) in cells.filter(|(text, _)| !text.is_empty() && *text != "·") {
            let said = if name.is_empty() { text.clone() } else { format!("{name}: {text}") };
            if !line.is_empty() && line.chars().count() + said.chars().count() + 3 > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(if line.is_empty() { "    " } else { " · " });
            line.push_str(&said);
        }
        lines.extend(Some(line).filter(|line| !line.is_empty()));
    }
    lines.join("\n")
}

/// What a cycle is expected to do, in a line.
pub(crate) fn forecast(forecast: &Forecast) -> String {
    let records: u64 = forecast.records.values().sum();
    let part = forecast.of_today * 100.0;
    format!(
        "expected: {records} records, {} Marketo calls ({part:.1} % of what is left today), {}, until {}",
        forecast.calls_total(),
        duration(forecast.seconds),
        forecast.ends.strftime("%Y-%m-%d %H:%M:%S UTC")
    )
}

/// What a schema's change means for a field, and what to do.
pub(crate) fn schema_change(change: &SchemaChange) -> String {
    let what = if change.stops() { "; the field is left out until that is mended, and everything else goes on" } else { "" };
    let (place, since) = (change.place(), change.since.strftime("%Y-%m-%d %H:%M UTC"));
    format!("{}: {place}: {}{what} (seen {since})\n  what to do: {}", change.code, change.text, change.remedy)
}

/// A span of time in two parts.
pub(crate) fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A summary for people.
pub(crate) fn summary(summary: &Summary, width: Option<u16>) -> String {
    let count = |number: u64| if number == 0 { "·".to_owned() } else { number.to_string() };
    let rows = Object::ALL.into_iter().map(|object| {
        let pushed = summary.pushed.get(&object).cloned().unwrap_or_default();
        vec![
            object.plural().to_owned(),
            count(pushed.created),
            count(pushed.updated),
            count(pushed.linked),
            count(pushed.adopted),
            count(pushed.removed),
            count(pushed.fields),
            count(pushed.waiting),
            count(pushed.held_total()),
        ]
    });
    let header = ["Dynamics → Marketo", "created", "updated", "linked", "adopted", "removed", "fields", "waiting", "held"];
    let mut text = table(&header, rows.collect(), width);
    let captured: u64 = summary.captured.values().map(|captured| captured.rows).sum();
    let deleted: u64 = summary.captured.values().map(|captured| captured.deleted).sum();
    let cut: u64 = summary.captured.values().map(|captured| captured.cut).sum();
    text.push_str(&format!("\nread from Dynamics: {captured} rows, {deleted} deletions"));
    if cut > 0 {
        text.push_str(&format!("; {cut} texts cut to the length that Marketo takes"));
    }
    let back = &summary.written_back;
    text.push_str(&format!(
        "\nSales Insight fields back: {} people read, {} rows written, {} already right, {} not writable (closed leads)",
        back.read, back.written, back.unchanged, back.not_writable
    ));
    if back.put_off > 0 {
        text.push_str(&format!("\n  {} people wait for tomorrow: dynamics.daily_writes is used up", back.put_off));
    }
    for (code, number) in &back.refused {
        text.push_str(&format!("\n  Dynamics refused {number} rows: {code}"));
    }
    for (object, pushed) in &summary.pushed {
        for (code, number) in &pushed.held {
            text.push_str(&format!("\nheld: {number} {} · {code}", object.plural()));
        }
    }
    let people = summary.pushed.get(&Object::Lead).cloned().unwrap_or_default();
    let kept: u64 = summary.pushed.values().map(|pushed| pushed.kept).sum();
    for (number, what) in [
        (people.rekeyed, "people got the key of the record that stands for them now"),
        (people.merged, "people were merged into another"),
        (people.unlinked, "people were unlinked"),
        (kept, "records stay in Marketo, as policy says or because something refers to them"),
    ] {
        if number > 0 {
            text.push_str(&format!("\n{number} {what}"));
        }
    }
    for (code, number) in &summary.flagged {
        text.push_str(&format!("\nflagged: {number} · {code}"));
    }
    let calls: u64 = summary.marketo_calls.values().sum();
    let by_kind: Vec<String> = summary.marketo_calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    text.push_str(&format!("\nMarketo calls: {calls} ({})", by_kind.join(", ")));
    let took = base::time::since(summary.begun, summary.ended);
    if let Some(expected) = &summary.forecast {
        text.push_str(&format!("\nexpected were {} calls", expected.calls_total()));
        // Of what takes less than a second nobody needs a forecast.
        if expected.seconds > 0 || took.as_secs() > 0 {
            text.push_str(&format!(" in {}; it took {}", duration(expected.seconds), duration(took.as_secs())));
        }
    }
    for change in &summary.schema_changes {
        text.push_str(&format!("\n{}", schema_change(change)));
    }
    for warning in &summary.warnings {
        text.push_str(&format!("\nnote: {warning}"));
    }
    let outcome = match summary.outcome {
        Outcome::InStep => "Both sides are in step.",
        Outcome::Unfinished => "Done; what is left is listed above.",
        Outcome::Stopped => "Stopped before the end; what was confirmed is saved.",
    };
    text.push_str(&format!("\n{outcome} ({:.1} s)", took.as_secs_f64()));
    text
}
