//! The few figures that answer the question at a glance.

use crate::curves::{
    Axis, Chart, DotRow, Group, Index, Panel, Quantity, Sampled, load, median, memory, startup::all,
};

/// A figure that everybody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headline {
    /// Median of `start`.
    Start,
    /// Host memory for one more instance.
    Memory,
    /// Right answers in a second from warm instances, at best.
    Warm,
    /// Right answers in a second with an instance for each request, at best.
    Fresh,
}

impl Headline {
    pub(crate) const ALL: [Self; 4] = [Self::Start, Self::Memory, Self::Warm, Self::Fresh];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Start => "start, median",
            Self::Memory => "memory per live instance",
            Self::Warm => "requests/s, warm instances",
            Self::Fresh => "requests/s, a fresh instance each",
        }
    }

    pub(crate) fn quantity(self) -> Quantity {
        match self {
            Self::Start => Quantity::Duration,
            Self::Memory => Quantity::Bytes,
            Self::Warm | Self::Fresh => Quantity::Rate,
        }
    }

    /// Whether less of it is better.
    pub(crate) fn less_is_better(self) -> bool {
        matches!(self, Self::Start | Self::Memory)
    }

    pub(crate) fn of(self, group: &Group<'_>, model: usize) -> Option<Sampled> {
        let rate = |reuse| load::best(group, model, reuse).map(|(_, rate)| rate);
        match self {
            Self::Start => median(group.rows(model, "start").iter().copied(), "duration_ns"),
            Self::Memory => memory::per_instance(group, model).filter(|slope| slope.value > 0.0),
            Self::Warm => rate("warm"),
            Self::Fresh => rate("fresh"),
        }
    }
}

/// One chart for each figure: every group, every executor.
pub(crate) fn at_a_glance(index: &Index<'_>) -> Vec<(Headline, Chart)> {
    let chart = |headline: Headline| {
        let row = |group: &Group<'_>| DotRow {
            name: group.title(),
            dots: all(index, &|model| headline.of(group, model)),
        };
        let items: Vec<_> = index.groups.iter().map(row).filter(|row| !row.dots.is_empty()).collect();
        let x = Axis::log("", headline.quantity());
        let panels = vec![Panel { title: headline.title().into(), items }];
        (!panels[0].items.is_empty()).then_some((headline, Chart::Dots { x, panels }))
    };
    Headline::ALL.into_iter().filter_map(chart).collect()
}

/// The group that speaks for the run: measured by the most executors, and of those the
/// first by name, but `hello` before all.
pub(crate) fn spokesman<'i, 'a>(index: &'i Index<'a>) -> Option<&'i Group<'a>> {
    let measured = |group: &Group<'_>| {
        let models = 0..index.models.len();
        models
            .filter(|model| Headline::ALL.iter().any(|headline| headline.of(group, *model).is_some()))
            .count()
    };
    let rank = |group: &&Group<'_>| (measured(group), group.title().starts_with("hello "));
    index.groups.iter().rev().max_by_key(rank).filter(|group| measured(group) > 0)
}
