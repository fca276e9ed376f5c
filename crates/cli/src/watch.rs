//! Live progress on a terminal, with how fast it goes, how long it still takes and how many Marketo calls are left; nothing where there is none.

use std::{
    io::IsTerminal,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use engine::{Progress, Step};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printer;

/// A display of a cycle's steps on stderr.
pub(crate) fn progress() -> Progress {
    if !std::io::stderr().is_terminal() {
        return Progress::silent();
    }
    let counting = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let sending = ProgressStyle::with_template("{spinner} {msg:28} {bar:24} {pos}/{len} {per_sec} {eta} left  {prefix}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─");
    let last = Mutex::new(String::new());
    // What is read meanwhile, and the calls that are left: behind the bar.
    let beside = Mutex::new([String::new(), String::new()]);
    let tell_beside = move |bar: &ProgressBar, [reading, quota]: [Option<String>; 2]| {
        if let Ok(mut beside) = beside.lock() {
            let [was_reading, was_quota] = &*beside;
            *beside = [reading.unwrap_or_else(|| was_reading.clone()), quota.unwrap_or_else(|| was_quota.clone())];
            bar.set_prefix(beside.join("  "));
        }
    };
    // Most commands have no steps, and show nothing.
    let bar = OnceLock::new();
    Progress::new(move |step| {
        let bar = bar.get_or_init(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(counting.clone());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let show = |message: String, done: u64, total: u64| {
            if let Ok(mut last) = last.lock()
                && *last != message
            {
                bar.reset();
                tell_beside(bar, [Some(String::new()), None]);
                bar.set_style(if total > 0 { sending.clone() } else { counting.clone() });
                bar.set_message(message.clone());
                *last = message;
            }
            if total > 0 {
                bar.set_length(total);
                bar.set_position(done);
            }
        };
        match step {
            Step::Forecast(forecast) => bar.suspend(|| printer::say(&printer::forecast(&forecast))),
            Step::Preparing => show("reading both sides' metadata".into(), 0, 0),
            Step::Captured { table, rows } => {
                let reading = format!("reading {table}: {rows} rows");
                // In a first load, tables are read while others are sent.
                if last.lock().is_ok_and(|last| last.starts_with("sending")) {
                    tell_beside(bar, [Some(reading), None]);
                } else {
                    show(format!("reading {table}"), 0, 0);
                    bar.set_message(reading);
                }
            }
            Step::Pushed { object, done, total } => show(format!("sending {}", object.plural()), done, total),
            Step::WrittenBack { read, total, .. } => show("Sales Insight fields back".into(), read, total),
            Step::Audited { table, rows, total } => match total {
                // Dynamics may have counted it a day ago.
                Some(total) if total > 0 => show(format!("comparing {table}"), rows, total.max(rows)),
                Some(_) | None => {
                    show(format!("comparing {table}"), 0, 0);
                    bar.set_message(format!("comparing {table}: {rows} rows"));
                }
            },
            Step::Quota { left } => tell_beside(bar, [None, Some(format!("{left} Marketo calls left today"))]),
            Step::Done => bar.finish_and_clear(),
        }
    })
}
