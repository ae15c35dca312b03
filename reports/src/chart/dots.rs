//! Executors side by side.

use plotters::prelude::*;

use super::bars::cover;
use super::lines::{ruled, ruled_height};
use super::marker::marker;
use super::{Drawing, Ink, Ruler, SCALE, WIDTH, draw, fitting, text};
use crate::curves::{DotRow, Model};

/// Height of a line of dots with its label.
const ROW: i32 = 36;

/// Draws one panel: each line of dots below its name.
pub(crate) fn dots(rows: &[DotRow], x: &Ruler, models: &[Model]) -> Drawing {
    draw(ruled_height(rows.len(), ROW, x), |area| {
        ruled(area, x, |at| {
            for (place, row) in rows.iter().enumerate() {
                let top = i32::try_from(place).unwrap_or_default() * ROW * SCALE;
                cover(area, top)?;
                let name = fitting(&row.name, WIDTH - 16);
                area.draw(&Text::new(name, (4 * SCALE, top + 4 * SCALE), text(Ink::Text)))?;
                let middle = top + 27 * SCALE;
                let places = row.dots.iter().map(|dot| at(dot.value));
                if let (Some(from), Some(to)) = (places.clone().min(), places.max()) {
                    area.draw(&PathElement::new(vec![(from, middle), (to, middle)], Ink::Axis.line(1.0)))?;
                }
                for dot in &row.dots {
                    marker(area, models[dot.model].slot, (at(dot.value), middle), false)?;
                }
            }
            Ok(())
        })
    })
}
