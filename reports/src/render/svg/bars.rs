//! Draws bars: the parts of a whole.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::lines::{ruled, ruled_height};
use super::marker::marker;
use super::{Drawing, Ink, Ruler, SCALE, WIDTH, draw, fitting, text, width};
use crate::charts::{Bar, Executor};

/// Height of a bar with its label.
const ROW: i32 = 38;
const THICK: i32 = 13;

/// Draws one panel: each bar below its name and its total.
pub(crate) fn bars(bars: &[Bar], x: &Ruler, executors: &[Executor]) -> Drawing {
    draw(ruled_height(bars.len(), ROW, x), |area| {
        ruled(area, x, |at| {
            for (row, bar) in bars.iter().enumerate() {
                let top = i32::try_from(row).unwrap_or_default() * ROW * SCALE;
                let executor = &executors[bar.executor];
                let name = text(Ink::Text);
                let total = text(Ink::Text).pos(Pos::new(HPos::Right, VPos::Top));
                let below = top + 3 * SCALE;
                let shown = fitting(&executor.name, 190);
                cover(area, top, 0, width(&shown) + 20)?;
                cover(area, top, WIDTH - 6 - width(&bar.total), WIDTH)?;
                marker(area, executor.slot, (8 * SCALE, top + 9 * SCALE), false)?;
                area.draw(&Text::new(shown, (18 * SCALE, below), name))?;
                area.draw(&Text::new(bar.total.clone(), ((WIDTH - 4) * SCALE, below), total))?;
                let (above, under) = (top + 20 * SCALE, top + (20 + THICK) * SCALE);
                for part in &bar.parts {
                    // A gap between parts, unless the part is too narrow for one.
                    let (from, to) = (at(part.from), at(part.to));
                    let to = if to - from > 3 * SCALE { to - SCALE } else { to };
                    let kind = u8::try_from(part.kind).unwrap_or_default();
                    let style = Ink::Part(kind).color().filled();
                    area.draw(&Rectangle::new([(from, above), (to, under)], style))?;
                }
            }
            Ok(())
        })
    })
}

/// Hides the grid behind a label between two places.
pub(super) fn cover(area: &super::Area<'_>, top: i32, from: i32, to: i32) -> super::Drawn {
    let corners = [(from * SCALE, top), (to * SCALE, top + 18 * SCALE)];
    area.draw(&Rectangle::new(corners, Ink::Surface.color().filled()))
}
