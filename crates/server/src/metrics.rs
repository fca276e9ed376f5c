//! `/metrics`: what Prometheus reads. Names and labels are listed in `docs/guide/operating.md`.

use std::fmt;

use base::{Timestamp, time::since};
use engine::supervisor::{Passes, View};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, prometheus_text},
    metrics::MetricType,
    registry::Registry,
};
use wire::Pace;

use crate::backlog::Backlog;

pub(crate) use prometheus_text::CONTENT_TYPE;

/// A bridge as it was seen at one moment.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) view: View,
    pub(crate) backlog: Option<Backlog>,
}

/// All bridges in Prometheus' text format.
pub(crate) fn text(bridges: Vec<Seen>, now: Timestamp) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("insight_bridge");
    registry.register_collector(Box::new(Snapshot { bridges, now }));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Snapshot {
    bridges: Vec<Seen>,
    now: Timestamp,
}

/// A name and its value.
type Label<'a> = (&'static str, &'a str);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        self.bridges(out)?;
        self.passes(out)?;
        self.backlog(out)?;
        self.calls(out)
    }
}

impl Snapshot {
    fn bridges(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let flags = |holds: fn(&View) -> bool| {
            self.bridges.iter().map(move |seen| (vec![("bridge", seen.name.as_str())], u64::from(holds(&seen.view)))).collect::<Vec<_>>()
        };
        gauge(
            out,
            "open",
            "Whether the bridge is open: its state can be used and no other process has it",
            flags(|view| view.bridge().is_some()),
        )?;
        gauge(out, "ready", "Whether it does its work, as /readyz says", flags(|view| view.not_ready().is_none()))?;
        gauge(out, "paused", "Whether it is paused", flags(|view| view.paused.is_some()))?;
        let lag = |seen: &Seen| {
            let whole = seen.view.passes.get(&engine::supervisor::PassKind::Changes)?.finished.as_ref()?;
            Some(since(whole.begun, self.now).as_secs_f64())
        };
        let lags = self.bridges.iter().filter_map(|seen| Some((vec![("bridge", seen.name.as_str())], lag(seen)?)));
        gauge(
            out,
            "lag_seconds",
            "How long ago the last whole cycle began that nothing stopped: what changed before has been taken in",
            lags,
        )
    }

    fn passes(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all =
            || self.bridges.iter().flat_map(|seen| seen.view.passes.iter().map(|(kind, passes)| (seen.name.as_str(), kind.name(), passes)));
        let labels = |bridge, pass| vec![("bridge", bridge), ("pass", pass)];
        let of = |value: fn(&Passes) -> Option<f64>| {
            all().filter_map(|(bridge, pass, passes)| Some((labels(bridge, pass), value(passes)?))).collect::<Vec<_>>()
        };
        let running = all().map(|(bridge, pass, passes)| (labels(bridge, pass), u64::from(passes.running.is_some())));
        gauge(out, "pass_running", "Whether a pass is running", running)?;
        let took = |passes: &Passes| passes.last.summary().map(|last| since(last.begun, last.ended).as_secs_f64());
        gauge(out, "last_pass_seconds", "How long the last pass took", of(took))?;
        let finished = |passes: &Passes| passes.finished.as_ref().map(|last| seconds(last.ended));
        gauge(out, "last_finished_pass_timestamp_seconds", "When the last pass ended that nothing stopped", of(finished))?;
        counter(out, "pass_seconds", "How long all passes took", of(|passes| Some(passes.took.as_secs_f64())))?;
        let ended = all().flat_map(|(bridge, pass, passes)| {
            let label = move |outcome: &'static str| vec![("bridge", bridge), ("pass", pass), ("outcome", outcome)];
            passes.ended.iter().map(move |(outcome, count)| (label(outcome.name()), *count))
        });
        counter(out, "passes", "Passes that have ended, by how", ended)
    }

    fn backlog(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = || {
            let backlogs = self.bridges.iter().filter_map(|seen| Some((seen.name.as_str(), seen.backlog.as_ref()?)));
            backlogs.flat_map(|(bridge, backlog)| backlog.iter().map(move |(object, left)| (bridge, object.name(), left)))
        };
        let backlog = all().flat_map(|(bridge, object, left)| {
            [("ready", left.ready), ("waiting", left.waiting)]
                .map(|(state, count)| (vec![("bridge", bridge), ("object", object), ("state", state)], count))
        });
        gauge(out, "backlog", "Records that are to be sent, or wait for another", backlog)?;
        let oldest = all().filter_map(|(bridge, object, left)| {
            Some((vec![("bridge", bridge), ("object", object)], since(left.oldest?, self.now).as_secs_f64()))
        });
        gauge(out, "backlog_oldest_seconds", "How long the oldest of them has been there", oldest)?;
        let held = all().flat_map(|(bridge, object, left)| {
            let label = move |reason| vec![("bridge", bridge), ("object", object), ("reason", reason)];
            left.held.iter().map(move |(reason, count)| (label(reason.as_str()), *count))
        });
        gauge(out, "held", "Records that are held until a person changes something, by the code of the reason", held)
    }

    fn calls(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let open = || self.bridges.iter().filter_map(|seen| Some((seen.name.as_str(), seen.view.bridge()?)));
        let calls = open().flat_map(|(bridge, sides)| {
            let of = move |side: &'static str, pace: &Pace| {
                let labels = move |kind, outcome| vec![("bridge", bridge), ("side", side), ("kind", kind), ("outcome", outcome)];
                pace.ended().into_iter().map(|((kind, ended), count)| (labels(kind, ended.name()), count)).collect::<Vec<_>>()
            };
            [of("marketo", sides.marketo.pace()), of("dynamics", sides.dynamics.pace())].concat()
        });
        counter(out, "calls", "Calls that have ended since the bridge was opened, by kind and by how", calls)?;
        let left = open().filter_map(|(bridge, sides)| Some((vec![("bridge", bridge)], sides.marketo.pace().budget()?.left)));
        gauge(
            out,
            "marketo_calls_left",
            "Marketo calls that may still be made until midnight US Central, by our own cap and by what others leave",
            left,
        )
    }
}

/// Seconds since 1970, as Prometheus counts.
fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn gauge<'a, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<Label<'a>>, V)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
}

fn counter<'a, V: EncodeCounterValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<Label<'a>>, V)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None))
}
