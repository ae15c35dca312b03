//! Which of many comparisons may be called differences.
//!
//! A verdict with a confidence of 95 % is wrong in one of twenty comparisons of equals, so a
//! table of hundreds would show a dozen false differences. Y. Benjamini and Y. Hochberg
//! (Controlling the False Discovery Rate, J. R. Statist. Soc. B 57, 1995) bound the part of false
//! ones among the differences that are shown: the k comparisons with the least chances are
//! differences if the k-th chance is at most k·q / m, for the greatest such k of m comparisons.
//! This also holds for comparisons that share one side, as those with the best do (Y. Benjamini,
//! D. Yekutieli, Ann. Statist. 29, 2001, on positive dependence).

/// The part of the differences shown that may be false: q.
pub const FALSE_DISCOVERIES: f64 = 0.05;

/// The greatest chance that still counts as a difference, given the chances of all comparisons of
/// a family. One more comparison with at most this chance would be a difference, too.
pub fn level(chances: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = chances.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let bound = |place: usize| FALSE_DISCOVERIES * (place + 1) as f64 / count;
    let found = (0..sorted.len()).rev().find(|place| sorted[*place] <= bound(*place));
    let differences = found.map_or(0, |place| place + 1);
    if sorted.is_empty() { FALSE_DISCOVERIES } else { bound(differences).min(FALSE_DISCOVERIES) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fifteen values of Benjamini and Hochberg's own example (1995, §3.2).
    const EXAMPLE: [f64; 15] = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
        0.6528, 0.7590, 1.0,
    ];

    #[test]
    fn the_authors_example_has_four_differences() {
        let level = level(EXAMPLE);
        assert_eq!(EXAMPLE.iter().filter(|chance| **chance <= level).count(), 4);
        assert!((level - 0.05 * 5.0 / 15.0).abs() < 1e-12, "{level}");
    }

    #[test]
    fn a_single_comparison_has_the_usual_level() {
        for chances in [&[][..], &[0.04], &[0.9]] {
            assert!((level(chances.iter().copied()) - FALSE_DISCOVERIES).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn a_level_shows_what_the_definition_does(chances in prop::collection::vec(0.0f64..0.2, 1..60)) {
            let mut sorted = chances.clone();
            sorted.sort_by(f64::total_cmp);
            let count = sorted.len() as f64;
            let places = (1..=sorted.len()).filter(|k| sorted[k - 1] <= *k as f64 * FALSE_DISCOVERIES / count);
            let level = level(chances);
            prop_assert_eq!(sorted.iter().filter(|chance| **chance <= level).count(), places.max().unwrap_or(0));
        }
    }
}
