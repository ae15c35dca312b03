//! The blocks of a run, and their order.

use isolab_core::{Function, Reuse, Spec, Variant};
use isolab_reports::Experiment;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// The function that does least. Its cost is that of the model, so it represents the others in
/// experiments that are measured with one function only.
pub const SMALLEST: &str = "hello";

/// The cells of one executor, function and variant. They are measured together, because
/// `prepare`, `start` and memory do not depend on reuse and are measured once for all of them.
#[derive(Clone, Debug)]
pub struct Block {
    /// The executor, with every setting.
    pub spec: Spec,
    /// The function.
    pub function: Function,
    /// The variant.
    pub variant: Variant,
    /// The reuse policies, one cell each.
    pub reuses: Vec<Reuse>,
    /// The experiments to measure.
    pub experiments: Vec<Experiment>,
    /// Whether this is the second, identical block of an A/A pair.
    pub is_twin: bool,
    /// The repetition of the matrix, counted from 0.
    pub repetition: u32,
}

impl Block {
    /// `wasm hello rust`.
    pub fn name(&self) -> String {
        let twin = if self.is_twin { " twin" } else { "" };
        format!("{} {} {}{twin}", self.spec, self.function.name(), self.variant)
    }

    /// Whether an experiment is to be measured.
    pub fn has(&self, experiment: Experiment) -> bool {
        self.experiments.contains(&experiment)
    }
}

/// The cells that a user chose: every combination of these lists.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Executors.
    pub specs: Vec<Spec>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Variants.
    pub variants: Vec<Variant>,
    /// Reuse policies.
    pub reuses: Vec<Reuse>,
    /// Experiments.
    pub experiments: Vec<Experiment>,
    /// Executors of which only the start is measured, beside the others and with one function.
    pub beside: Vec<Spec>,
}

impl Matrix {
    /// Every executor.
    pub fn all_specs(&self) -> impl Iterator<Item = &Spec> {
        self.specs.iter().chain(&self.beside)
    }

    /// The blocks of the executors of which only the start is measured.
    pub fn blocks_beside(&self) -> impl Iterator<Item = Block> + '_ {
        let function = &self.functions[self.representative()];
        let variant = function.variants().find(|variant| self.variants.contains(variant));
        self.beside.iter().filter_map(move |spec| {
            Some(Block {
                spec: spec.clone(),
                function: function.clone(),
                variant: variant?,
                // The cases are checked with one instance.
                reuses: vec![Reuse::Warm],
                experiments: vec![Experiment::Startup],
                is_twin: false,
                repetition: 0,
            })
        })
    }

    /// Every block of one repetition, in the order of the lists. Variants that a function does not
    /// have are left out. The `narrow` experiments are measured with one function only. Instances
    /// that answer once are measured without reuse, and not in experiments that invoke an instance
    /// many times.
    pub fn blocks<'a>(&'a self, narrow: &'a [Experiment]) -> impl Iterator<Item = Block> + 'a {
        let variants = |function: &Function| {
            let available: Vec<_> = function.variants().collect();
            self.variants
                .iter()
                .copied()
                .filter(move |variant| available.contains(variant))
                .collect::<Vec<_>>()
        };
        let representative = self.representative();
        self.specs.iter().flat_map(move |spec| {
            self.functions.iter().enumerate().flat_map(move |(index, function)| {
                let mut experiments = self.experiments.clone();
                experiments.retain(|it| index == representative || !narrow.contains(it));
                experiments.retain(|it| index == representative || !it.has_own_functions());
                variants(function).into_iter().map(move |variant| {
                    let mut block = Block {
                        spec: spec.clone(),
                        function: function.clone(),
                        variant,
                        reuses: self.reuses.clone(),
                        experiments: experiments.clone(),
                        is_twin: false,
                        repetition: 0,
                    };
                    if variant.answers_once() {
                        block.reuses = vec![Reuse::Fresh];
                        block.experiments.retain(|it| ![Experiment::Density, Experiment::Mix].contains(it));
                    }
                    block
                })
            })
        })
    }

    /// The index of the function that a narrow plan measures the models with.
    fn representative(&self) -> usize {
        let is_smallest = |function: &Function| function.name() == SMALLEST;
        self.functions.iter().position(is_smallest).unwrap_or_default()
    }
}

/// A second, identical block of each executor, to show how much two measurements of the same
/// thing differ. Experiments without verdicts are left out.
pub fn twins(blocks: &[Block]) -> Vec<Block> {
    let is_of_smallest = |block: &&Block| block.function.name() == SMALLEST;
    let mut twins: Vec<Block> = Vec::new();
    for block in blocks.iter().filter(is_of_smallest).chain(blocks) {
        if twins.iter().all(|twin| twin.spec != block.spec) {
            let mut twin = Block { is_twin: true, ..block.clone() };
            twin.experiments.retain(|experiment| !experiment.is_of_model());
            twins.push(twin);
        }
    }
    twins
}

/// A block and its place in the order in which all are measured.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The place in the order, counted from 0.
    pub place: u32,
    /// The block.
    pub block: Block,
}

/// Repeats the blocks. Shuffles each repetition, and the reuse policies in each block, so that
/// a drift of the machine affects all executors alike.
pub fn shuffled(blocks: &[Block], repetitions: u32, seed: u64) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut all = Vec::with_capacity(blocks.len() * repetitions as usize);
    for repetition in 0..repetitions {
        let mut blocks = blocks.to_vec();
        blocks.shuffle(&mut random);
        for block in &mut blocks {
            block.repetition = repetition;
            block.reuses.shuffle(&mut random);
        }
        all.append(&mut blocks);
    }
    (0..).zip(all).map(|(place, block)| Planned { place, block }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        let library = isolab_core::conformance::library().unwrap();
        Matrix {
            specs: Spec::parse_list("wasm,direct").unwrap(),
            functions: ["blake3", "hello"].map(|name| library.get(name).unwrap().clone()).to_vec(),
            variants: vec![Variant::Rust, Variant::Js, Variant::Command],
            reuses: vec![Reuse::Fresh, Reuse::Warm],
            experiments: Experiment::ALL.to_vec(),
            beside: Vec::new(),
        }
    }

    #[test]
    fn a_narrow_plan_measures_the_model_with_one_function() {
        let with = |experiment, narrow: &[Experiment]| -> Vec<_> {
            let matrix = matrix();
            let blocks = matrix.blocks(narrow).filter(|block| block.has(experiment));
            blocks.map(|block| block.function.name().to_owned()).collect()
        };
        assert_eq!(with(Experiment::Density, &[Experiment::Density]), ["hello"; 4]);
        assert_eq!(with(Experiment::Density, &[]).len(), 8);
        assert_eq!(with(Experiment::Load, &[Experiment::Density]).len(), 8);
    }

    #[test]
    fn only_the_start_is_measured_beside() {
        let beside = Spec::parse_list("wasm:compiler=winch").unwrap();
        let matrix = Matrix { beside, ..matrix() };
        let blocks: Vec<_> = matrix.blocks_beside().collect();
        let names: Vec<_> = blocks.iter().map(Block::name).collect();
        assert_eq!(names, ["wasm:compiler=winch hello rust"]);
        assert_eq!(blocks[0].experiments, [Experiment::Startup]);
        assert_eq!(matrix.all_specs().count(), 3);
    }

    #[test]
    fn each_executor_has_one_twin() {
        let blocks: Vec<_> = matrix().blocks(&[]).collect();
        let names: Vec<_> = twins(&blocks).iter().map(Block::name).collect();
        assert_eq!(names, ["wasm hello rust twin", "direct hello rust twin"]);
    }

    #[test]
    fn the_matrix_has_every_variant_of_each_function() {
        let names: Vec<_> = matrix().blocks(&[]).map(|block| block.name()).collect();
        assert_eq!(names[..4], ["wasm blake3 rust", "wasm blake3 js", "wasm hello rust", "wasm hello js"]);
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn a_command_is_measured_without_reuse() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("module.wasm");
        std::fs::write(&module, "").unwrap();
        let matrix = Matrix { functions: vec![Function::load(&module).unwrap()], ..matrix() };
        let blocks: Vec<_> = matrix.blocks(&[]).collect();
        assert_eq!(blocks.len(), 2, "one for each executor");
        assert_eq!((&blocks[0].reuses[..], blocks[0].has(Experiment::Density)), (&[Reuse::Fresh][..], false));
        assert!(blocks[0].has(Experiment::Load));
    }

    #[test]
    fn a_seed_decides_the_order_and_nothing_is_lost() {
        let blocks: Vec<_> = matrix().blocks(&[]).collect();
        let order = |seed| {
            let names = shuffled(&blocks, 2, seed).into_iter();
            names
                .map(|Planned { block, .. }| {
                    format!("{} {} {:?}", block.name(), block.repetition, block.reuses)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(order(7), order(7));
        assert!((0..9).any(|seed| order(seed) != order(7)));
        let planned = shuffled(&blocks, 2, 7);
        let mut plain: Vec<_> =
            planned.iter().map(|planned| (planned.block.repetition, planned.block.name())).collect();
        assert!(planned.iter().map(|planned| planned.place).eq(0..16));
        assert!(plain.is_sorted_by_key(|(repetition, _)| *repetition));
        plain.sort();
        plain.dedup();
        assert_eq!(plain.len(), 16);
    }
}
