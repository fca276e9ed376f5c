//! What marketing does all day, as far as Sales Insight shows it: interesting moments, scores, and the nightly re-cut of the tiers.

use base::{Dice, Timestamp};
use marketo_emulator::State;

const MOMENTS: &[(&str, &str, &str)] = &[
    ("Web", "Visited the pricing page three times", "Website"),
    ("Web", "Downloaded “Zehn Fragen vor dem Kauf”", "Content hub"),
    ("Web", "Filled in the contact form", "Website"),
    ("Email", "Opened the spring newsletter", "Newsletter 2026-Q2"),
    ("Email", "Clicked “Book a demonstration” in an e-mail", "Nurture stream B"),
    ("Milestone", "Attended the webinar on quality control", "Webinar series"),
    ("Milestone", "Reached 100 points", "Scoring"),
    ("Milestone", "Visited our stand at the fair", "Trade fair, Hannover"),
];

/// Of a hundred moments, so many change the scores as well.
const SCORED_PERCENT: f64 = 60.0;

/// Lets `count` interesting moments happen to random people who have an external person id; some of them change scores. Gives the ids of the people, in the order of events; fewer when nobody is there.
pub fn moments(marketo: &mut State, seed: u64, count: usize, now: Timestamp) -> Vec<i64> {
    let people: Vec<i64> = marketo.leads_by_person().into_values().flatten().collect();
    let mut dice = Dice::new(seed);
    let mut touched = Vec::with_capacity(count);
    for _ in 0..count {
        let (Some(id), Some((kind, description, source))) = (dice.pick(&people).copied(), dice.pick(MOMENTS).copied()) else { break };
        marketo.interesting_moment(id, kind, description, source, now);
        if dice.percent(SCORED_PERCENT) {
            let tier = |dice: &mut Dice| i64::try_from(dice.below(4)).unwrap_or(0);
            let priority = i64::try_from(1 + dice.below(100)).unwrap_or(1);
            let (urgency, score) = (tier(&mut dice), tier(&mut dice));
            marketo.change_score(id, priority, urgency, score, now);
        }
        touched.push(id);
    }
    touched
}

/// The nightly re-cut: tiers of people who have a score change, and no activity says so. Gives how many changed.
pub fn recut(marketo: &mut State, seed: u64, now: Timestamp) -> usize {
    marketo.recut_tiers(seed, now)
}
