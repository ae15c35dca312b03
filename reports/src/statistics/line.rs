//! The straight line through points, by repetition.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::bootstrap::normal_replicates;
use super::estimate::{Estimate, Interval, Spread};

/// A straight line with the uncertainty of both its numbers.
#[derive(Clone, Debug)]
pub struct LineFit {
    /// Growth per unit.
    pub slope: Estimate,
    /// The value at zero.
    pub intercept: Estimate,
    /// How far the points lie from it; `None` with fewer than three abscissas, or without growth.
    pub misfit: Option<Misfit>,
}

/// How far points lie from their lines: the mean of the repetitions' residuals at the abscissa
/// where it is greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Misfit {
    /// That abscissa.
    pub at: f64,
    /// The residual, as a part of the growth over all abscissas.
    pub part: f64,
    /// The chance of residuals this far from zero if the truth were straight; `None` with one
    /// repetition, which cannot tell a curve from noise.
    pub chance: Option<f64>,
}

impl Misfit {
    /// A smaller part does not matter to a reader, however certain it is.
    const SMALL: f64 = 0.05;
    /// A greater chance does not show a curve.
    const CHANCE: f64 = 0.05;

    /// Whether the points are straight as far as the run can tell.
    pub fn fits(&self) -> bool {
        self.part <= Self::SMALL || self.chance.is_some_and(|chance| chance > Self::CHANCE)
    }
}

/// A quantity of one repetition, with its standard error.
#[derive(Clone, Copy, Debug)]
struct Fitted {
    value: f64,
    error: f64,
}

/// One repetition's line.
#[derive(Clone, Copy, Debug)]
struct Fit {
    slope: Fitted,
    intercept: Fitted,
    freedom: f64,
}

/// Fits a line by least squares to the points (abscissa, ordinate) of each repetition, and takes
/// the means over the repetitions: every repetition is a process with its own intercept and
/// slope. `None` if no repetition has two different abscissas.
///
/// The intervals are Student's: the variance is that of the repetitions' values plus
/// the mean of the regressions' own, with the degrees of freedom of Welch and
/// Satterthwaite. With one repetition this is the t-interval of the regression
/// (N. R. Draper, H. Smith: Applied Regression Analysis, 3rd ed., §1.4).
pub fn line(repetitions: &[Vec<(f64, f64)>]) -> Option<LineFit> {
    let fits: Vec<Fit> = repetitions.iter().filter_map(|points| fit(points)).collect();
    if fits.is_empty() {
        return None;
    }
    let samples = repetitions.iter().map(Vec::len).sum();
    let freedom = fits.iter().map(|fit| fit.freedom).sum();
    let mean = |part: fn(&Fit) -> Fitted| mean(&fits.iter().map(part).collect::<Vec<_>>(), freedom, samples);
    let (slope, intercept) = (mean(|fit| fit.slope), mean(|fit| fit.intercept));
    let misfit = misfit(repetitions, slope.value);
    Some(LineFit { slope, intercept, misfit })
}

/// The test of lack of fit against the scatter between repetitions (Draper and Smith, §2.1): the
/// repetitions' mean residuals at L abscissas have L − 2 degrees of freedom, and the scatter of R
/// repetitions about those means has (R − 1)(L − 2), because each repetition has a line of its own.
fn misfit(repetitions: &[Vec<(f64, f64)>], slope: f64) -> Option<Misfit> {
    let mut residuals: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    let fitted = repetitions.iter().filter_map(|points| Some((points, fit(points)?)));
    let mut lines = 0.0;
    for (points, fit) in fitted {
        lines += 1.0;
        for (x, y) in points {
            let residual = y - fit.intercept.value - fit.slope.value * x;
            residuals.entry(*x as u64).or_default().push(residual);
        }
    }
    let growth = slope * (*residuals.keys().last()? - *residuals.keys().next()?) as f64;
    let free = residuals.len() as f64 - 2.0;
    if free < 1.0 || growth <= 0.0 {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mut lack, mut scatter) = (0.0, 0.0);
    for values in residuals.values() {
        let mean = mean(values);
        lack += mean * mean * values.len() as f64;
        scatter += values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    }
    let (at, greatest) = residuals
        .iter()
        .map(|(x, values)| (*x, mean(values).abs()))
        .max_by(|one, other| one.1.total_cmp(&other.1))?;
    let freedom = (lines - 1.0) * free;
    let chance = FisherSnedecor::new(free, freedom).ok().map(|distribution| {
        let quotient = (lack / free) / (scatter / freedom);
        if quotient.is_nan() { 1.0 } else { distribution.sf(quotient) }
    });
    Some(Misfit { at: at as f64, part: greatest / growth, chance })
}

fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if points.is_empty() || square == 0.0 {
        return None;
    }
    let product: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = product / square;
    let intercept = mean_y - slope * mean_x;
    let residual: f64 = points.iter().map(|(x, y)| (y - intercept - slope * x).powi(2)).sum();
    let freedom = count - 2.0;
    let variance = if freedom > 0.0 { residual / freedom } else { 0.0 };
    Some(Fit {
        slope: Fitted { value: slope, error: (variance / square).sqrt() },
        intercept: Fitted {
            value: intercept,
            error: (variance * (1.0 / count + mean_x * mean_x / square)).sqrt(),
        },
        freedom,
    })
}

fn mean(fitted: &[Fitted], freedom: f64, samples: usize) -> Estimate {
    let count = fitted.len() as f64;
    let value = fitted.iter().map(|one| one.value).sum::<f64>() / count;
    let between = fitted.iter().map(|one| (one.value - value).powi(2)).sum::<f64>() / count / count;
    let within = fitted.iter().map(|one| one.error * one.error).sum::<f64>() / count / count;
    let square = if value == 0.0 { 1.0 } else { value * value };
    let spread = Spread {
        replicates: normal_replicates(value, (between + within).sqrt()),
        between: between / square,
        within: within / square,
        repetitions: count,
        freedom,
    };
    let half = Spread::width(&[&spread]).least * square.sqrt();
    let mut estimate = Estimate::new(value, samples, spread);
    // Only ratios need the deviates; the interval itself is known exactly.
    estimate.interval = estimate.interval.map(|_| Interval { low: value - half, high: value + half });
    estimate
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [(f64, f64); 5] =
        [(1.0, 9.2e6), (4.0, 9.25e6), (16.0, 9.61e6), (32.0, 9.98e6), (64.0, 10.83e6)];

    fn near(value: f64, other: f64) -> bool {
        (value / other - 1.0).abs() < 1e-6
    }

    #[test]
    fn one_repetition_gives_the_interval_of_the_regression() {
        // scipy.stats.linregress with the t-interval of 3 degrees of freedom.
        let line = line(&[POINTS.to_vec()]).unwrap();
        let slope = line.slope.interval.unwrap();
        assert!(near(line.slope.value, 25_942.301_898_162_1), "{line:?}");
        assert!(
            near(slope.low, 24_532.875_231_970_556) && near(slope.high, 27_351.728_564_353_64),
            "{slope:?}"
        );
        let intercept = line.intercept.interval.unwrap();
        assert!(near(line.intercept.value, 9_166_950.135_583_008));
        assert!(near(intercept.low, 9_120_661.679_866_455) && near(intercept.high, 9_213_238.591_299_56));
    }

    #[test]
    fn repetitions_on_exact_lines_give_students_interval_of_their_slopes() {
        // Slopes 90, 100 and 110: mean 100, and t(2) · 10 / √3, with the table's t.
        let exact = |slope: f64| [1.0, 4.0, 16.0].map(|x| (x, 1e6 + slope * x)).to_vec();
        let line = line(&[exact(90.0), exact(100.0), exact(110.0)]).unwrap();
        let interval = line.slope.interval.unwrap();
        let half = 4.302_653 * 10.0 / 3f64.sqrt();
        assert!(
            (interval.low - (100.0 - half)).abs() < 1e-3 && (interval.high - (100.0 + half)).abs() < 1e-3,
            "{interval:?}"
        );
    }

    #[test]
    fn a_bend_is_found_against_the_scatter_of_repetitions() {
        // y = 1000 + 40 x, and 30 less at x = 1, with a scatter of a few units. The chance is that
        // of scipy.stats.f.sf with the sums of squares of numpy.polyfit's residuals.
        let points = |noise: [f64; 4]| {
            let straight =
                [1.0, 4.0, 8.0, 16.0].map(|x| 1000.0 + 40.0 * x - if x < 2.0 { 30.0 } else { 0.0 });
            [1.0, 4.0, 8.0, 16.0]
                .into_iter()
                .zip(straight)
                .zip(noise)
                .map(|((x, y), noise)| (x, y + noise))
                .collect()
        };
        let repetitions =
            [points([1.0, -2.0, 2.0, 0.0]), points([-1.0, 0.0, -3.0, 2.0]), points([2.0, 1.0, 0.0, -2.0])];
        let bent = line(&repetitions).unwrap().misfit.unwrap();
        assert!(bent.at < 2.0 && (bent.part - 0.020_509).abs() < 1e-6, "{bent:?}");
        assert!((bent.chance.unwrap() / 2.1339e-04 - 1.0).abs() < 1e-3, "{bent:?}");
        let once = line(&repetitions[..1]).unwrap().misfit.unwrap();
        assert_eq!(once.chance, None);
    }

    #[test]
    fn a_small_or_uncertain_bend_fits() {
        let of = |part, chance| Misfit { at: 1.0, part, chance }.fits();
        assert!(of(0.04, Some(1e-9)) && of(0.2, Some(0.3)) && of(0.04, None));
        assert!(!of(0.06, Some(0.01)) && !of(0.06, None));
        let straight = [1.0, 4.0, 16.0].map(|x| (x, 7.0 + 2.0 * x)).to_vec();
        assert!(line(&[straight.clone(), straight]).unwrap().misfit.unwrap().fits());
    }

    #[test]
    fn points_at_one_abscissa_have_no_line() {
        assert!(line(&[vec![(1.0, 2.0), (1.0, 3.0)]]).is_none());
        assert!(line(&[]).is_none() && line(&[Vec::new()]).is_none());
        let two = line(&[vec![(1.0, 2.0), (2.0, 4.0)]]).unwrap();
        assert!((two.slope.value - 2.0).abs() < 1e-12 && two.slope.interval.is_none());
    }
}
