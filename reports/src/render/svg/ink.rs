//! Colours by their meaning.

use plotters::prelude::*;

/// The role of a colour in a chart. `page.css` selects by these colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// An executor, by its slot from 1 on: `#0S0000`.
    Executor(u8),
    /// The same, dashed: `#0S0100`.
    Dashed(u8),
    /// A part of a bar, from 0 on: `#FP0000`.
    Part(u8),
    /// Lines of the grid: `#E00000`.
    Grid,
    /// The axes: `#E10000`.
    Axis,
    /// Text: `#E20000`.
    Text,
    /// Less important text: `#E30000`.
    Muted,
    /// The background: `#E40000`.
    Surface,
}

impl Ink {
    pub(super) fn color(self) -> RGBColor {
        match self {
            Self::Executor(slot) => RGBColor(slot, 0, 0),
            Self::Dashed(slot) => RGBColor(slot, 1, 0),
            Self::Part(part) => RGBColor(0xF0 + part, 0, 0),
            Self::Grid => RGBColor(0xE0, 0, 0),
            Self::Axis => RGBColor(0xE1, 0, 0),
            Self::Text => RGBColor(0xE2, 0, 0),
            Self::Muted => RGBColor(0xE3, 0, 0),
            Self::Surface => RGBColor(0xE4, 0, 0),
        }
    }

    pub(super) fn line(self, pixels: f64) -> ShapeStyle {
        self.color().stroke_width((pixels * f64::from(super::SCALE)) as u32)
    }
}
