//! The straight line through points, by repetition.

use super::bootstrap::normal_replicates;
use super::estimate::{Estimate, Interval, Spread};

/// A straight line with the uncertainty of both its numbers.
#[derive(Clone, Debug)]
pub struct LineFit {
    /// Growth per unit.
    pub slope: Estimate,
    /// The value at zero.
    pub intercept: Estimate,
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
    Some(LineFit { slope: mean(|fit| fit.slope), intercept: mean(|fit| fit.intercept) })
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
    fn points_at_one_abscissa_have_no_line() {
        assert!(line(&[vec![(1.0, 2.0), (1.0, 3.0)]]).is_none());
        assert!(line(&[]).is_none() && line(&[Vec::new()]).is_none());
        let two = line(&[vec![(1.0, 2.0), (2.0, 4.0)]]).unwrap();
        assert!((two.slope.value - 2.0).abs() < 1e-12 && two.slope.interval.is_none());
    }
}
