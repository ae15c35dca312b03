//! The comparisons of a run that are judged together.

use super::{Comparison, Figure, Figures, Group, Verdict};
use crate::statistics::discoveries;

/// The level of the chance below which a comparison of the run shows a difference. The family
/// holds every headline figure of every executor, and its best rates and their processor time,
/// each against the best of its group: all ratios that reports give a verdict on.
pub(super) fn level(groups: &[Group]) -> f64 {
    discoveries::level(groups.iter().flat_map(chances))
}

fn chances(group: &Group) -> Vec<f64> {
    let mut chances = Vec::new();
    for executor in &group.executors {
        for figure in executor.figures.iter().filter(|figure| figure.is_headline()) {
            chances.extend(chance(group, figure, |other| other.figure(&figure.name, &figure.settings)));
        }
        for policy in ["fresh", "warm"] {
            let Some(rate) = executor.best_rate(policy) else { continue };
            chances.extend(chance(group, rate, |other| other.best_rate(policy)));
            let cpu = |other: &'_ Figures| other.best_rate(policy).map(|rate| rate.settings.clone());
            let Some(own) = executor.figure("load_cpu", &rate.settings) else { continue };
            chances.extend(chance(group, own, |other| other.figure("load_cpu", &cpu(other)?)));
        }
    }
    chances
}

/// The chance of a figure against the best of its group, unless it is the best itself.
fn chance<'a>(
    group: &'a Group,
    figure: &Figure,
    pick: impl Fn(&'a Figures) -> Option<&'a Figure>,
) -> Option<f64> {
    let best = group.best(pick).filter(|best| !std::ptr::eq(*best, figure))?;
    let comparison = Comparison::of(figure, best)?;
    comparison.chance().filter(|_| comparison.verdict != Verdict::Unknown)
}
