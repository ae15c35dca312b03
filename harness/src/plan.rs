//! What is measured, in which order.

use isolab_core::{Function, Reuse, Spec, Variant};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// The cells of one executor, function and variant. They are measured one after the
/// other, because what does not depend on reuse (`prepare`, `start`, memory) is
/// measured once for all of them.
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
    /// Which repetition of the matrix this is part of, counted from 0.
    pub repetition: u32,
}

impl Block {
    /// `wasm hello rust`.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.spec, self.function.name(), self.variant)
    }
}

/// What the user asked for, everything resolved.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Executors.
    pub specs: Vec<Spec>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Variants.
    pub variants: Vec<Variant>,
    /// Reuse policies.
    pub reuses: Vec<Reuse>,
}

impl Selection {
    /// Every block of one repetition, in the order in which they were asked for.
    /// Variants that a function does not have are left out.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let variants = |function: &Function| {
            let there: Vec<_> = function.variants().collect();
            self.variants.iter().copied().filter(move |variant| there.contains(variant)).collect::<Vec<_>>()
        };
        self.specs.iter().flat_map(move |spec| {
            self.functions.iter().flat_map(move |function| {
                variants(function).into_iter().map(move |variant| Block {
                    spec: spec.clone(),
                    function: function.clone(),
                    variant,
                    reuses: self.reuses.clone(),
                    repetition: 0,
                })
            })
        })
    }
}

/// Repeats blocks and shuffles each repetition, and the policies in each block, so
/// that a drift of the machine meets no executor more than another.
pub fn shuffled(blocks: &[Block], repetitions: u32, seed: u64) -> Vec<Block> {
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
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> Selection {
        let library = isolab_core::conformance::library().unwrap();
        Selection {
            specs: Spec::parse_list("wasm,direct").unwrap(),
            functions: ["hello", "blake3"].map(|name| library.get(name).unwrap().clone()).to_vec(),
            variants: vec![Variant::Rust, Variant::Js, Variant::Command],
            reuses: vec![Reuse::Fresh, Reuse::Warm],
        }
    }

    #[test]
    fn the_matrix_has_every_variant_that_is_there() {
        let names: Vec<_> = selection().blocks().map(|block| block.name()).collect();
        assert_eq!(names[..4], ["wasm hello rust", "wasm hello js", "wasm blake3 rust", "wasm blake3 js"]);
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn a_seed_decides_the_order_and_nothing_is_lost() {
        let blocks: Vec<_> = selection().blocks().collect();
        let order = |seed| {
            let names = shuffled(&blocks, 2, seed).into_iter();
            names
                .map(|block| format!("{} {} {:?}", block.name(), block.repetition, block.reuses))
                .collect::<Vec<_>>()
        };
        assert_eq!(order(7), order(7));
        assert!((0..9).any(|seed| order(seed) != order(7)));
        let mut plain: Vec<_> =
            shuffled(&blocks, 2, 7).iter().map(|block| (block.repetition, block.name())).collect();
        assert!(plain.is_sorted_by_key(|(repetition, _)| *repetition));
        plain.sort();
        plain.dedup();
        assert_eq!(plain.len(), 16);
    }
}
