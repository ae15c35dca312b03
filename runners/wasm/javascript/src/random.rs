//! `Math.random`.
//!
//! `QuickJS` seeds its own generator from the clock when a context is made. In a pre-initialised
//! module that happens once for all instances, and all would draw the same numbers. This
//! generator asks for its seed at the first draw.

use std::cell::Cell;
use std::rc::Rc;

use rquickjs::{Ctx, Function, Object, Result};

/// The state of the generator; `None` until the first draw.
#[derive(Clone, Default)]
pub(crate) struct Random(Rc<Cell<Option<u64>>>);

impl Random {
    /// Puts `Math.random` in place.
    pub(crate) fn install(&self, ctx: &Ctx<'_>, seed: fn() -> u64) -> Result<()> {
        let state = self.0.clone();
        let random = Function::new(ctx.clone(), move || {
            let (next, number) = draw(state.get().unwrap_or_else(seed));
            state.set(Some(next));
            number
        })?;
        ctx.globals().get::<_, Object<'_>>("Math")?.set("random", random.with_name("random")?)
    }

    /// Asks for a new seed at the next draw.
    pub(crate) fn forget(&self) {
        self.0.set(None);
    }
}

/// One step of `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014): the next state, and 53 bits of the output as a number from 0
/// up to but not including 1.
fn draw(state: u64) -> (u64, f64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let bits = (mixed ^ (mixed >> 31)) >> 11;
    (state, bits as f64 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for the seed 1234567, as published with the reference implementation.
        let outputs = [6_457_827_717_110_365_317_u64, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        let mut state = 1_234_567;
        for output in outputs {
            let (next, number) = draw(state);
            assert_eq!((number * (1u64 << 53) as f64) as u64, output >> 11);
            state = next;
        }
    }
}
