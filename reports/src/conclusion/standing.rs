//! Which executor leads by a figure: in each variant of the headline function, and elsewhere.

use super::ranking::{Metric, Outcome, Ranking, drift};
use super::sentence::{One, Sentence, Subject, Words, list};
use crate::figures::{Group, Summary};
use crate::statistics::Ratio;

/// How many deviating functions a sentence names.
const NAMED: usize = 3;

/// The sentence about one or more figures.
pub(super) fn sentence(
    summary: &Summary,
    groups: &[&Group],
    subject: Subject,
    metrics: &[Metric],
) -> Sentence {
    let mut clauses: Vec<Words> =
        metrics.iter().flat_map(|metric| clauses(summary, groups, *metric)).collect();
    let agree = |metric: &Metric| matches!(elsewhere(summary, groups, *metric), Elsewhere::Agrees);
    if metrics.iter().any(agree)
        && !metrics.iter().any(|metric| matches!(elsewhere(summary, groups, *metric), Elsewhere::Differs(_)))
    {
        clauses.push(Words::default().say("the other functions agree"));
    }
    if clauses.is_empty() {
        let what = match subject {
            Subject::Start => "start time",
            Subject::Memory => "memory per live instance",
            _ => "requests per second",
        };
        clauses.push(Words::default().say(&format!("the run has no figure for {what}")));
    }
    Sentence::of(subject, clauses)
}

/// One variant in which an executor leads.
#[derive(Clone, Copy, Debug)]
struct Win<'a> {
    best: One<'a>,
    next: One<'a>,
    ratio: Ratio,
}

fn clauses(summary: &Summary, groups: &[&Group], metric: Metric) -> Vec<Words> {
    let drift = drift(summary);
    let place = Place { is_needed: groups.len() > 1 };
    let ranked: Vec<(&Group, Ranking<'_>)> =
        groups.iter().map(|group| (*group, Ranking::of(summary, group, metric))).collect();
    let mut wins: Vec<Vec<Win<'_>>> = Vec::new();
    let mut unclear = Vec::new();
    for (group, ranking) in &ranked {
        match ranking.outcome(drift) {
            Outcome::First { best, next, ratio } => {
                let win = Win { best, next, ratio };
                let name = |one: &One<'_>| one.executor.spec.clone();
                let same = wins
                    .iter_mut()
                    .find(|wins| name(&wins[0].best) == name(&best) && name(&wins[0].next) == name(&next));
                if let Some(wins) = same { wins.push(win) } else { wins.push(vec![win]) }
            }
            outcome => unclear.extend(without_a_winner(metric, &outcome, &place.of(group))),
        }
    }
    let mut clauses: Vec<Words> = wins.iter().map(|wins| won(metric, wins, place)).collect();
    clauses.extend(unclear);
    let is_ranked = !clauses.is_empty();
    if let (true, Elsewhere::Differs(words)) = (is_ranked, elsewhere(summary, groups, metric)) {
        clauses.push(words);
    }
    clauses.extend(absent(&ranked, place));
    clauses
}

/// Whether the variant has to be named.
#[derive(Clone, Copy, Debug)]
struct Place {
    is_needed: bool,
}

impl Place {
    fn of(self, group: &Group) -> String {
        if self.is_needed { format!(" in `{}`", group.variant) } else { String::new() }
    }
}

/// The same executor leads the same other one, in one or more variants.
fn won(metric: Metric, wins: &[Win<'_>], place: Place) -> Words {
    let (best, next) = (wins[0].best.name(), wins[0].next.name());
    let (lead, unit) = match metric {
        Metric::Start => (format!("{best} starts fastest: {next}, the next, takes "), " as long".to_owned()),
        Metric::Memory => (format!("{best} holds least memory per live instance"), " as much".to_owned()),
        Metric::Fresh => (
            format!("with a fresh instance for each request, {best} answers most: "),
            format!(" as many requests as {next}, the next,"),
        ),
        Metric::Warm => (
            format!("with warm instances, {best} answers most: "),
            format!(" as many requests as {next}, the next,"),
        ),
    };
    let mut words = Words::default().say(&lead);
    if metric == Metric::Memory {
        let counts = || wins.iter().map(|win| win.best.figure.settings.invocations);
        words = if counts().all(|count| Some(count) == counts().next()) {
            words.after(&wins[0].best)
        } else {
            words
        };
        words = words.say(&format!(": {next}, the next, holds "));
    }
    for (nth, Win { best, next, ratio }) in wins.iter().enumerate() {
        let place = place.of(best.group);
        words = if nth == 0 { words } else { words.say(" and ") };
        let unit = if nth == 0 { unit.trim_end_matches(if place.is_empty() { "," } else { "" }) } else { "" };
        words = words.times(best, next, *ratio, &format!("{unit}{place}"));
    }
    words
}

fn without_a_winner(metric: Metric, outcome: &Outcome<'_>, place: &str) -> Option<Words> {
    let what = metric.name();
    Some(match outcome {
        Outcome::Absent | Outcome::First { .. } => return None,
        Outcome::Alone(one) => Words::default()
            .say(&format!(
                "only {} was measured{place}, so there is no comparison: its {what} is ",
                one.name()
            ))
            .figure(one),
        Outcome::Tied { best, equals, behind } => {
            let names: Vec<String> = std::iter::once(best).chain(equals).map(One::name).collect();
            // The least certain of the comparisons says what could have been seen.
            let widest = equals.iter().max_by(|a, b| effect(best, a).total_cmp(&effect(best, b)))?;
            let words = Words::default()
                .say(&format!("the {what} of {} does not differ visibly{place}", list(&names, "and")))
                .least_visible(best, widest);
            match behind {
                Some((behind, ratio)) => words
                    .say(&format!(", and {} leads {} by ", best.name(), behind.name()))
                    .times(best, behind, *ratio, ""),
                None => words,
            }
        }
        Outcome::Drowned { best, next, ratio } => Words::default()
            .say(&format!("the {what} of {} is better than that of {}{place} by ", best.name(), next.name()))
            .times(best, next, *ratio, "")
            .say(", which may be less than the host drifted and so proves nothing"),
        Outcome::Unproved { best, next } => Words::default()
            .say(&format!("{} has the best {what}{place}, ", best.name()))
            .figure(best)
            .say(" against ")
            .figure(next)
            .say(&format!(" of {}, but the run has too few repetitions to prove a lead", next.name())),
    })
}

fn effect(best: &One<'_>, other: &One<'_>) -> f64 {
    best.against(other).and_then(|comparison| comparison.smallest_effect()).unwrap_or(0.0)
}

/// A figure with other functions.
#[derive(Debug)]
enum Elsewhere {
    /// No other function has the figure of two executors.
    Unknown,
    /// Each has the headline function's winner, or none where that has none.
    Agrees,
    /// Some have another.
    Differs(Words),
}

fn elsewhere(summary: &Summary, groups: &[&Group], metric: Metric) -> Elsewhere {
    let drift = drift(summary);
    let winner = |group| match Ranking::of(summary, group, metric).outcome(drift) {
        Outcome::Absent | Outcome::Alone(_) => None,
        Outcome::First { best, .. } => Some(Some(best.name())),
        _ => Some(None),
    };
    let mut is_known = false;
    let mut differing: Vec<(Option<String>, Vec<String>)> = Vec::new();
    for group in summary.groups.iter().filter(|group| groups.iter().all(|own| own.function != group.function))
    {
        let own = groups.iter().find(|own| own.variant == group.variant).and_then(|own| winner(own));
        let (Some(own), Some(found)) = (own, winner(group)) else { continue };
        is_known = true;
        if found != own {
            let place = format!("`{}` (`{}`)", group.function, group.variant);
            match differing.iter_mut().find(|(name, _)| *name == found) {
                Some((_, places)) => places.push(place),
                None => differing.push((found, vec![place])),
            }
        }
    }
    let count: usize = differing.iter().map(|(_, places)| places.len()).sum();
    let clauses = differing.iter().map(|(name, places)| {
        let outcome =
            name.as_ref().map_or_else(|| "no executor leads".to_owned(), |name| format!("{name} leads"));
        format!("{outcome} in {}", list(places, "and"))
    });
    match count {
        0 if is_known => Elsewhere::Agrees,
        0 => Elsewhere::Unknown,
        few if few <= NAMED => {
            let clauses: Vec<String> = clauses.collect();
            Elsewhere::Differs(Words::default().say(&format!("but {}", list(&clauses, "and"))))
        }
        _ => Elsewhere::Differs(
            Words::default().say("but several other functions have another outcome, which their tables show"),
        ),
    }
}

/// The executors of the plan that could not be ranked.
fn absent(ranked: &[(&Group, Ranking<'_>)], place: Place) -> Option<Words> {
    let mut names: Vec<String> = Vec::new();
    for (group, ranking) in ranked {
        for (name, why) in &ranking.absent {
            let is_everywhere = ranked.iter().all(|(_, other)| other.absent.contains(&(*name, *why)));
            let place = if is_everywhere { String::new() } else { place.of(group) };
            let name = format!("`{name}`{place} ({why})");
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    (!names.is_empty()).then(|| Words::default().say(&format!("not ranked: {}", list(&names, "and"))))
}
