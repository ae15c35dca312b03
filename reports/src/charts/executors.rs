//! The executors of a run as charts show them.

use crate::rows::{ExecutorInfo, Run};

/// An executor of the run.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    /// The short name.
    pub(crate) name: String,
    /// Its colour and marker, the same in every chart of the run.
    pub(crate) slot: u8,
}

/// The executors of a run, in its order: [`Figures::place`](crate::figures::Figures::place)
/// is a place in this list.
pub(crate) fn executors(run: &Run) -> Vec<Executor> {
    let slots = slots(run.executors.iter().map(ExecutorInfo::is_baseline));
    let executor = |(executor, slot): (&ExecutorInfo, u8)| Executor { name: executor.name.clone(), slot };
    run.executors.iter().zip(slots).map(executor).collect()
}

/// The slot of the host itself and of what isolates nothing.
pub(crate) const BASELINE_SLOT: u8 = 1;

/// A slot for each executor: one for all baselines, the others in turn for the executors that
/// isolate, in the order of the run.
fn slots(are_baselines: impl Iterator<Item = bool>) -> Vec<u8> {
    const LAST: u8 = 9;
    let mut free = (BASELINE_SLOT + 1..=LAST).cycle();
    let slot = |is_baseline| if is_baseline { Some(BASELINE_SLOT) } else { free.next() };
    are_baselines.map(slot).map(|slot| slot.unwrap_or(LAST)).collect()
}

#[cfg(test)]
mod tests {
    use super::slots;

    #[test]
    fn the_baseline_has_its_colour_in_every_run() {
        assert_eq!(slots([true, false, false, false].into_iter()), [1, 2, 3, 4]);
        assert_eq!(slots([false, true, false].into_iter()), [2, 1, 3]);
        assert_eq!(slots([false; 10].into_iter()), [2, 3, 4, 5, 6, 7, 8, 9, 2, 3]);
    }
}
