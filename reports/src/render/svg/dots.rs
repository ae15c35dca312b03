//! Draws dots: executors side by side.

use plotters::prelude::*;

use super::bars::cover;
use super::lines::{ruled, ruled_height};
use super::marker::marker;
use super::{Area, Drawing, Drawn, Ink, Ruler, SCALE, WIDTH, draw, fitting, text, width};
use crate::charts::{Dot, DotRow, Executor};
use crate::statistics::Interval;

/// Height of a line of dots with its label.
const ROW: i32 = 40;

/// Draws one panel: each line of dots below its name.
pub(crate) fn dots(rows: &[DotRow], x: &Ruler, executors: &[Executor]) -> Drawing {
    draw(ruled_height(rows.len(), ROW, x), |area| {
        ruled(area, x, |at| {
            for (place, row) in rows.iter().enumerate() {
                let top = i32::try_from(place).unwrap_or_default() * ROW * SCALE;
                let name = fitting(&row.name, WIDTH - 16);
                cover(area, top, 0, width(&name) + 6)?;
                area.draw(&Text::new(name, (4 * SCALE, top + 4 * SCALE), text(Ink::Text)))?;
                let middle = top + 29 * SCALE;
                let dots = || row.dots.iter().filter(|dot| x.takes(dot.value));
                let places = dots().map(|dot| at(dot.value));
                if let (Some(from), Some(to)) = (places.clone().min(), places.max()) {
                    area.draw(&PathElement::new(vec![(from, middle), (to, middle)], Ink::Axis.line(1.0)))?;
                }
                for (dot, aside) in dots().zip(asides(dots().map(|dot| at(dot.value)))) {
                    let place = (at(dot.value), middle + aside);
                    let slot = executors[dot.executor].slot;
                    whisker(area, dot, at, place.1, Ink::Executor(slot))?;
                    marker(area, slot, place, false)?;
                }
            }
            Ok(())
        })
    })
}

/// Draws the interval of a dot below its marker, which hides a narrow one.
fn whisker(area: &Area<'_>, dot: &Dot, at: &dyn Fn(f64) -> i32, y: i32, ink: Ink) -> Drawn {
    /// Half the height of an end.
    const CAP: i32 = 3 * SCALE;
    let Some(Interval { low, high }) = dot.interval else { return Ok(()) };
    let (low, high) = (at(low), at(high));
    for ends in [[(low, y), (high, y)], [(low, y - CAP), (low, y + CAP)], [(high, y - CAP), (high, y + CAP)]]
    {
        area.draw(&PathElement::new(ends.to_vec(), ink.line(1.5)))?;
    }
    Ok(())
}

/// How far markers move up or down where they would cover each other.
fn asides(places: impl Iterator<Item = i32>) -> Vec<i32> {
    /// Markers nearer than this touch.
    const NEAR: i32 = 8 * SCALE;
    /// The room above and below.
    const ROOM: i32 = 15 * SCALE;
    let places: Vec<_> = places.collect();
    let mut order: Vec<_> = (0..places.len()).collect();
    order.sort_by_key(|dot| places[*dot]);
    let mut asides = vec![0; places.len()];
    for crowd in order.chunk_by(|a, b| places[*b] - places[*a] < NEAR) {
        let last = i32::try_from(crowd.len()).unwrap_or(1) - 1;
        let step = (ROOM / last.max(1)).min(NEAR);
        for (nth, dot) in (0..).zip(crowd) {
            asides[*dot] = step * nth - step * last / 2;
        }
    }
    asides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_markers_that_would_touch_step_aside() {
        assert_eq!(asides([500, 4, 0].into_iter()), [0, 16, -16]);
        assert_eq!(asides([0, 100].into_iter()), [0, 0]);
    }
}
