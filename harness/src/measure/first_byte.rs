//! The first byte: when an answer begins, and when it ends.

use anyhow::Result;
use isolab_core::Reuse;
use isolab_core::laps::nanoseconds;

use super::rows::Rows;
use super::{Bench, BlockProfile, identity};
use crate::http1::{Client, Wire};

/// Asks one time after the other. The client polls, and must be warm.
///
/// # Errors
/// If an answer is wrong, or the server gives no answer.
pub fn measure(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    reuse: Reuse,
    client: &mut Client,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let case = bench.load_case();
    let wire = Wire::of_case(case, bench.function(), &client.host())?;
    for sample in 0..u64::from(bench.amounts(profile).first_byte.requests) {
        let answer = client.send(&wire)?;
        identity::compare(case, &answer.response)?;
        let row = rows.row_of(reuse, "first-byte", sample);
        rows.add(&row, "first_byte_ns", nanoseconds(answer.first_byte));
        rows.add_duration(&row, answer.duration);
    }
    rows.commit()?;
    Ok(())
}
