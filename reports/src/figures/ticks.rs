//! User and system time, which the kernel tells in clock ticks of 10 ms: too coarse for the
//! window of a load, so they split the exact time and do not replace it.

/// Parts of `exact` in the proportion of user and system time; `None` of less than a tick.
pub(crate) fn split(exact: f64, user: f64, system: f64) -> Option<(f64, f64)> {
    let scale = exact / (user + system);
    scale.is_finite().then_some((user * scale, system * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_split_the_exact_time() {
        assert_eq!(split(9e6, 1e7, 2e7), Some((3e6, 6e6)));
        assert_eq!(split(4e6, 1e7, 0.0), Some((4e6, 0.0)));
        assert_eq!(split(9e6, 0.0, 0.0), None);
    }
}
