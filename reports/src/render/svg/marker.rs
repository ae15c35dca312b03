//! Markers, which distinguish executors also without colours.

use plotters::prelude::*;

use super::{Area, Drawing, Drawn, Ink, SCALE};

/// Half the width of a square marker, in pixels of the page. Others have the same weight.
pub(super) const HALF: f64 = 3.6;

/// Draws the marker of a slot around a place, hollow or filled.
pub(super) fn marker(area: &Area<'_>, slot: u8, place: (i32, i32), hollow: bool) -> Drawn {
    scaled_marker(area, slot, place, hollow, 1.0)
}

/// Draws a marker that is larger by a factor.
pub(super) fn scaled_marker(
    area: &Area<'_>,
    slot: u8,
    (x, y): (i32, i32),
    hollow: bool,
    factor: f64,
) -> Drawn {
    let outline = outline(slot, HALF * factor).into_iter().map(|(dx, dy)| (x + dx, y + dy));
    let mut outline: Vec<_> = outline.collect();
    let fill = if hollow { Ink::Surface } else { Ink::Executor(slot) };
    area.draw(&Polygon::new(outline.clone(), fill.color().filled()))?;
    if hollow {
        outline.push(outline[0]);
        area.draw(&PathElement::new(outline, Ink::Executor(slot).line(1.5)))?;
    }
    Ok(())
}

/// A short line with the marker of a slot on it, for legends.
pub(crate) fn swatch(slot: u8) -> Drawing {
    let mut drawing = super::draw(12, |area| {
        let middle = 6 * SCALE;
        let line = vec![(0, middle), (24 * SCALE, middle)];
        area.draw(&PathElement::new(line, Ink::Executor(slot).line(2.0)))?;
        marker(area, slot, (12 * SCALE, middle), false)
    });
    drawing.width = 24 * SCALE;
    drawing
}

/// Corners around the origin, of the weight of a square with this half of a side.
fn outline(slot: u8, half: f64) -> Vec<(i32, i32)> {
    let turned = |corners: u32, radius: f64, turn: f64| {
        let at = |corner: u32| {
            let angle = std::f64::consts::TAU * (f64::from(corner) / f64::from(corners) + turn);
            (radius * angle.sin(), -radius * angle.cos())
        };
        (0..corners).map(at).collect::<Vec<_>>()
    };
    let corners = match slot {
        1 => turned(12, half * 1.1, 0.0),
        2 => turned(4, half * 1.35, 0.125),
        3 => turned(3, half * 1.55, 0.0),
        4 => turned(4, half * 1.45, 0.0),
        5 => turned(3, half * 1.55, 0.5),
        6 => turned(5, half * 1.3, 0.0),
        7 => turned(6, half * 1.25, 0.0),
        8 => turned(3, half * 1.5, 0.25),
        _ => turned(3, half * 1.5, 0.75),
    };
    let scale = |value: f64| (value * f64::from(SCALE)).round() as i32;
    corners.into_iter().map(|(x, y)| (scale(x), scale(y))).collect()
}
