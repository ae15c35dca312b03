//! The cost of isolation: the executors that isolate against the one that does not.

use super::ranking::{Lead, Metric, Ranking, drift};
use super::sentence::{One, Sentence, Subject, Words, list};
use crate::figures::{Group, Summary};

pub(super) fn sentence(summary: &Summary, groups: &[&Group]) -> Sentence {
    let clauses = groups.iter().find_map(|group| {
        let rankings = |metric| Ranking::of(summary, group, metric);
        let [start, fresh, warm] = [Metric::Start, Metric::Fresh, Metric::Warm].map(rankings);
        let rates = rates(&fresh, &warm, drift(summary));
        rates.or_else(|| starts(&start, drift(summary)))
    });
    let clauses = clauses.unwrap_or_else(|| {
        vec![Words::default().say(
            "the run cannot say what isolation itself costs, because it has no figures of `direct` to compare with",
        )]
    });
    Sentence::of(Subject::Floor, clauses)
}

/// Requests per second: every executor with warm instances, the best one with fresh ones.
fn rates(fresh: &Ranking<'_>, warm: &Ranking<'_>, drift: Option<f64>) -> Option<Vec<Words>> {
    let fresh =
        fresh.baseline.zip(fresh.isolating.first().copied()).map(|(floor, best)| (floor, best, "fresh"));
    let warm = warm.isolating.iter().filter_map(|one| Some((warm.baseline?, *one, "warm")));
    let pairs: Vec<_> = fresh.into_iter().chain(warm).collect();
    let (floor, ..) = pairs.first()?;
    let head = format!("{}, which isolates nothing, answers ", floor.name());
    Some(compared(&head, [" the requests per second of", " those of"], &pairs, drift))
}

/// Start times, where no load was measured.
fn starts(start: &Ranking<'_>, drift: Option<f64>) -> Option<Vec<Words>> {
    let floor = start.baseline?;
    let pairs: Vec<_> = start.isolating.iter().map(|one| (floor, *one, "a fresh")).collect();
    let head = format!("{}, which isolates nothing, starts ", floor.name());
    (!pairs.is_empty()).then(|| compared(&head, [" as fast as"; 2], &pairs, drift))
}

/// The floor against others: by how much it leads those that it leads, and which it does not.
fn compared(
    head: &str,
    [first, further]: [&str; 2],
    pairs: &[(One<'_>, One<'_>, &str)],
    drift: Option<f64>,
) -> Vec<Words> {
    let mut shown = Vec::new();
    let (mut equal, mut drowned, mut unproved, mut ahead) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (floor, one, state) in pairs {
        let name = format!("{state} {}", one.name());
        match Lead::of(floor, one, drift) {
            Lead::Shown(_) if Ranking::is_better(one.figure, floor.figure) => ahead.push(name),
            Lead::Shown(ratio) => shown.push((name, *floor, *one, ratio)),
            Lead::Drowned(_) => drowned.push(name),
            Lead::Unseen => equal.push((name, *floor, *one)),
            Lead::Unproved => unproved.push(name),
        }
    }
    let mut clauses = Vec::new();
    let mut words = Words::default().say(head);
    for (nth, (name, floor, one, ratio)) in shown.iter().enumerate() {
        let before = match nth {
            0 => "",
            _ if nth + 1 == shown.len() => " and ",
            _ => ", ",
        };
        let of = if nth == 0 { first } else { further };
        words = words.say(before).times(floor, one, *ratio, &format!("{of} {name}"));
    }
    if !shown.is_empty() {
        clauses.push(words);
    }
    let widest = equal.iter().max_by(|a, b| effect(a).total_cmp(&effect(b)));
    if let Some((_, floor, one)) = widest {
        let names: Vec<String> = equal.iter().map(|(name, ..)| name.clone()).collect();
        let words = format!("no difference shows between {} and {}", floor.name(), list(&names, "or"));
        clauses.push(Words::default().say(&words).least_visible(floor, one));
    }
    for (names, why) in [
        (drowned, "differ from `direct` by what may be less than the host drifted"),
        (unproved, "need more repetitions for a verdict against `direct`"),
        (ahead, "are better than those of `direct`, which isolation cannot explain"),
    ] {
        if !names.is_empty() {
            clauses.push(Words::default().say(&format!("the figures of {} {why}", list(&names, "and"))));
        }
    }
    clauses
}

fn effect((_, floor, one): &(String, One<'_>, One<'_>)) -> f64 {
    floor.against(one).and_then(|comparison| comparison.smallest_effect()).unwrap_or(0.0)
}
