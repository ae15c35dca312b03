//! Draws lines: values against values.

use plotters::chart::MeshStyle;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use super::marker::marker;
use super::{Area, Drawing, Drawn, Ink, Ruler, SCALE, TEXT, draw, text};
use crate::charts::{BASELINE_SLOT, Executor, Line, Point};

const HEIGHT: i32 = 236;

/// Draws one panel.
pub(crate) fn lines(lines: &[Line], x: &Ruler, y: &Ruler, executors: &[Executor]) -> Drawing {
    let draw_lines = |area: &Area<'_>, at: &dyn Fn((f64, f64)) -> (i32, i32)| -> Drawn {
        let shown = |point: &Point| x.takes(point.x) && y.takes(point.y);
        for line in lines {
            let slot = slot(line, executors);
            let joined: Vec<_> = match line.fit.as_slice() {
                [] => line
                    .points
                    .iter()
                    .filter(|point| shown(point))
                    .map(|point| at((point.x, point.y)))
                    .collect(),
                fit => fit.iter().map(|point| at(*point)).collect(),
            };
            let ink = if line.dashed { Ink::Dashed(slot) } else { Ink::Executor(slot) };
            area.draw(&PathElement::new(joined, ink.line(1.75)))?;
        }
        for line in lines {
            for point in line.points.iter().filter(|point| shown(point)) {
                // The markers of a long line would hide it.
                if line.points.len() <= 40 {
                    marker(area, slot(line, executors), at((point.x, point.y)), point.saturated)?;
                }
            }
        }
        Ok(())
    };
    draw(HEIGHT, |area| plane(area, x, y, |at| draw_lines(area, at)))
}

/// The room around a plane, in pixels of the page: above, at the right, below with the labels, and at the left with
/// the labels.
pub(super) const AROUND: [i32; 4] = [8, 14, 40, 56];

/// Two axes and a grid, on which `then` draws.
pub(super) fn plane(
    area: &Area<'_>,
    x: &Ruler,
    y: &Ruler,
    then: impl FnOnce(&dyn Fn((f64, f64)) -> (i32, i32)) -> Drawn,
) -> Drawn {
    let [above, right, below, left] = AROUND.map(|pixels| pixels * SCALE);
    let mut chart = ChartBuilder::on(area)
        .margin_top(above)
        .margin_right(right)
        .x_label_area_size(below)
        .y_label_area_size(left)
        .build_cartesian_2d(x.clone(), y.clone())?;
    mesh(&mut chart.configure_mesh(), x)?;
    then(&|point| chart.backend_coord(&point))
}

fn slot(line: &Line, executors: &[Executor]) -> u8 {
    line.executor.map_or(BASELINE_SLOT, |executor| executors[executor].slot)
}

/// The grid, and the axes with their labels.
fn mesh<Y>(mesh: &mut MeshStyle<'_, '_, Ruler, Y, SVGBackend<'_>>, x: &Ruler) -> Drawn
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    mesh.bold_line_style(Ink::Grid.line(1.0))
        .light_line_style(TRANSPARENT)
        .axis_style(Ink::Axis.line(1.0))
        .set_all_tick_mark_size(4 * SCALE)
        .label_style(text(Ink::Muted))
        .axis_desc_style(text(Ink::Muted))
        .x_desc(&x.axis.title)
        .draw()
}

/// A single axis below rows that `then` draws.
pub(super) fn ruled(area: &Area<'_>, x: &Ruler, then: impl FnOnce(&dyn Fn(f64) -> i32) -> Drawn) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin_left(18 * SCALE)
        .margin_right(22 * SCALE)
        .x_label_area_size(below(x) * SCALE)
        .build_cartesian_2d(x.clone(), 0.0..1.0)?;
    mesh(chart.configure_mesh().disable_y_mesh().y_labels(0), x)?;
    then(&|value| chart.backend_coord(&(value, 0.0)).0)
}

/// The height of the labels below such an axis, and of its title if it has one.
fn below(x: &Ruler) -> i32 {
    if x.axis.title.is_empty() { TEXT + 12 } else { 40 }
}

/// The height of a drawing with this number of rows above an axis.
pub(super) fn ruled_height(rows: usize, row: i32, x: &Ruler) -> i32 {
    i32::try_from(rows).unwrap_or_default() * row + below(x) + 6
}
