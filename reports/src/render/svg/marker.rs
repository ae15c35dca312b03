//! Markers, which distinguish executors also without colours.

use plotters::prelude::*;

use super::{Area, Drawing, Drawn, Ink, SCALE};

/// Draws the marker of a slot around a place, hollow or filled.
pub(super) fn marker(area: &Area<'_>, slot: u8, (x, y): (i32, i32), hollow: bool) -> Drawn {
    let outline = outline(slot).into_iter().map(|(dx, dy)| (x + dx, y + dy));
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

/// Corners around the origin.
fn outline(slot: u8) -> Vec<(i32, i32)> {
    /// Half the width of a square of the same weight.
    const HALF: f64 = 3.6;
    let turned = |corners: u32, radius: f64, turn: f64| {
        let at = |corner: u32| {
            let angle = std::f64::consts::TAU * (f64::from(corner) / f64::from(corners) + turn);
            (radius * angle.sin(), -radius * angle.cos())
        };
        (0..corners).map(at).collect::<Vec<_>>()
    };
    let corners = match slot {
        1 => turned(12, HALF * 1.1, 0.0),
        2 => turned(4, HALF * 1.35, 0.125),
        3 => turned(3, HALF * 1.55, 0.0),
        4 => turned(4, HALF * 1.45, 0.0),
        5 => turned(3, HALF * 1.55, 0.5),
        6 => turned(5, HALF * 1.3, 0.0),
        7 => turned(6, HALF * 1.25, 0.0),
        8 => turned(3, HALF * 1.5, 0.25),
        _ => turned(3, HALF * 1.5, 0.75),
    };
    let scale = |value: f64| (value * f64::from(SCALE)).round() as i32;
    corners.into_iter().map(|(x, y)| (scale(x), scale(y))).collect()
}
