//! Sentences whose numbers know where they come from.

use std::fmt;

use crate::figures::{Comparison, Figure, Figures, Group, Settings};
use crate::statistics::{Interval, Ratio};
use crate::words::precision::{self, Rounded};

/// The five sentences, in the order in which they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    /// One for each [`Subject`].
    pub sentences: [Sentence; 5],
}

/// The question that a sentence answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Which executor starts fastest.
    Start,
    /// Which executor holds least memory.
    Memory,
    /// Which executor answers most requests.
    Throughput,
    /// The cost of isolation against no isolation.
    Floor,
    /// How far the run can be trusted.
    Trust,
}

impl Subject {
    /// In a word or three, to be found at a glance.
    pub fn title(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Memory => "Memory",
            Self::Throughput => "Throughput",
            Self::Floor => "Cost of isolation",
            Self::Trust => "Trust",
        }
    }
}

/// One sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// The question that it answers.
    pub subject: Subject,
    parts: Vec<Part>,
}

/// A number in a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Quoted {
    /// As it is written, with its unit if it has one.
    pub text: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A figure, or an end of its interval.
    Figure(FigureRef, End),
    /// By how many times the first figure is ahead of the second or behind it
    /// ([`Comparison::factor`]), or an end of that ratio's interval.
    Ratio(FigureRef, FigureRef, End),
    /// The smallest difference of two figures that the run would have shown.
    LeastVisible(FigureRef, FigureRef),
    /// The count of invocations at which a figure of memory is compared.
    Invocations(FigureRef),
    /// The spread of the host's calibration loop.
    Drift,
    /// The number of repetitions.
    Repetitions,
    /// How many comparisons of identical cells there are.
    Pairs,
    /// How many of them show a difference.
    DifferingPairs,
    /// How many of them chance alone would make differ.
    PairsOfChance,
    /// How many cells of the plan have no outcome but a reason.
    UnmeasuredCells,
    /// How many cells the plan has.
    Cells,
    /// How many warnings there are about the host.
    HostWarnings,
    /// How many cells the load generator made invalid.
    InvalidCells,
}

/// The value itself or an end of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The value.
    Value,
    /// The lower end.
    Low,
    /// The upper end.
    High,
}

/// The name of one figure of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureRef {
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The executor spec with all its settings.
    pub executor: String,
    /// The figure's name.
    pub figure: String,
    /// The settings that tell it from others of its name.
    pub settings: Settings,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Words(String),
    Number(Box<Quoted>),
    /// An interval in parentheses, which a terminal leaves out.
    Aside(Vec<Self>),
}

/// One executor's figure, with what names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct One<'a> {
    pub(super) group: &'a Group,
    pub(super) executor: &'a Figures,
    pub(super) figure: &'a Figure,
}

impl One<'_> {
    /// The executor's name as code.
    pub(super) fn name(&self) -> String {
        format!("`{}`", self.executor.name)
    }

    /// This one against another; `None` where no ratio can be made of them.
    pub(super) fn against(&self, other: &Self) -> Option<Comparison> {
        self.group.compare(self.figure, other.figure)
    }

    fn reference(&self) -> FigureRef {
        FigureRef {
            function: self.group.function.clone(),
            variant: self.group.variant.clone(),
            executor: self.executor.spec.clone(),
            figure: self.figure.name.clone(),
            settings: self.figure.settings.clone(),
        }
    }
}

impl Sentence {
    /// The parts of several, joined by `; `, as one sentence.
    pub(super) fn of(subject: Subject, clauses: Vec<Words>) -> Self {
        let mut all = Words::default();
        for (place, clause) in clauses.into_iter().enumerate() {
            all = if place == 0 { all } else { all.say("; ") };
            all.0.extend(clause.0);
        }
        Self { subject, parts: all.say(".").0 }
    }

    /// The sentence with all intervals.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// The sentence without the intervals in parentheses, for a narrow place.
    pub fn short(&self) -> String {
        let parts = self.parts.iter().filter(|part| !matches!(part, Part::Aside(_)));
        capital(parts.map(ToString::to_string).collect())
    }

    /// Every number in the sentence.
    pub fn numbers(&self) -> Vec<&Quoted> {
        let numbers = self.parts.iter().flat_map(|part| match part {
            Part::Aside(parts) => parts.as_slice(),
            part => std::slice::from_ref(part),
        });
        numbers.filter_map(Part::number).collect()
    }
}

impl Part {
    fn number(&self) -> Option<&Quoted> {
        if let Self::Number(quoted) = self { Some(quoted) } else { None }
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&capital(self.parts.iter().map(ToString::to_string).collect()))
    }
}

/// A sentence begins with a capital, unless it begins with a name in backticks.
fn capital(text: String) -> String {
    if text.starts_with('`') { text } else { crate::words::capital(&text) }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => formatter.write_str(words),
            Self::Number(quoted) => formatter.write_str(&quoted.text),
            Self::Aside(parts) => {
                formatter.write_str(" (")?;
                parts.iter().try_for_each(|part| part.fmt(formatter))?;
                formatter.write_str(")")
            }
        }
    }
}

/// A sentence in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Vec<Part>);

impl Words {
    /// Goes on with words that hold no number outside of backticks.
    #[must_use]
    pub(super) fn say(mut self, words: &str) -> Self {
        self.0.push(Part::Words(words.to_owned()));
        self
    }

    /// Goes on with a number.
    #[must_use]
    pub(super) fn number(mut self, text: String, source: Source) -> Self {
        self.0.push(Part::Number(Box::new(Quoted { text, source })));
        self
    }

    /// Goes on with a figure in the digits that its interval supports, and the interval.
    #[must_use]
    pub(super) fn figure(self, one: &One<'_>) -> Self {
        let of = |end| Source::Figure(one.reference(), end);
        let words = self.number(one.figure.about(), of(End::Value));
        let Some(Interval { low, high }) = one.figure.estimate.interval else { return words };
        let digits = precision::digits(one.figure.estimate.value, one.figure.estimate.interval).max(2);
        let [low, high] = [low, high].map(|value| one.figure.unit.show_to(value, digits));
        words.aside(Self::default().number(low, of(End::Low)).say(" to ").number(high, of(End::High)))
    }

    /// Goes on with by how many times one figure leads the other, words about that, and the
    /// interval of it.
    #[must_use]
    pub(super) fn times(self, one: &One<'_>, other: &One<'_>, ratio: Ratio, words: &str) -> Self {
        let of = |end| Source::Ratio(one.reference(), other.reference(), end);
        let Rounded { value, ends } = Rounded::of(ratio);
        let words = self.say("about ").number(value, of(End::Value)).say(" times").say(words);
        match ends {
            Some([low, high]) => {
                words.aside(Self::default().number(low, of(End::Low)).say(" to ").number(high, of(End::High)))
            }
            None => words,
        }
    }

    /// Goes on with the smallest difference that would have been seen between two.
    #[must_use]
    pub(super) fn least_visible(self, one: &One<'_>, other: &One<'_>) -> Self {
        let shown = one.against(other).and_then(|comparison| comparison.least_visible());
        let Some(text) = shown else { return self };
        let number = Self::default()
            .say("less than ")
            .number(text, Source::LeastVisible(one.reference(), other.reference()))
            .say(" would not show");
        self.aside(number)
    }

    /// Goes on with the count of invocations at which memory is compared, if the figure has one.
    #[must_use]
    pub(super) fn after(self, one: &One<'_>) -> Self {
        let Some(count) = one.figure.settings.invocations else { return self };
        let words = self.say(" after ").number(count.to_string(), Source::Invocations(one.reference()));
        words.say(if count == 1 { " invocation" } else { " invocations" })
    }

    /// Goes on with a number of things.
    #[must_use]
    pub(super) fn count(self, count: usize, source: Source) -> Self {
        self.number(count.to_string(), source)
    }

    fn aside(mut self, other: Self) -> Self {
        self.0.push(Part::Aside(other.0));
        self
    }
}

/// Names in a row, such as `a`, `b` and `c`.
pub(super) fn list(names: &[String], last: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}
