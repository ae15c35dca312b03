//! Charts as SVG, drawn by `plotters`.
//!
//! A chart has no visible colours of its own: every [`ink`] is a placeholder colour that the
//! page's style sheet replaces, so that light, dark and print need only one drawing.

mod axis_unit;
mod bars;
mod dots;
mod ink;
mod labels;
mod lines;
mod marker;
mod marks;
mod ruler;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

pub(crate) use bars::bars;
pub(crate) use dots::dots;
pub(crate) use ink::Ink;
pub(crate) use lines::lines;
pub(crate) use marker::swatch;
pub(crate) use marks::marks;
pub(crate) use ruler::Ruler;

/// Units of a drawing for one pixel of the page: the library draws at whole numbers.
pub(crate) const SCALE: i32 = 4;
/// Width of a drawing in pixels of the page: that of a phone, or a third of a screen.
pub(crate) const WIDTH: i32 = 344;
/// Height of text in pixels of the page.
const TEXT: i32 = 12;
/// The library divides sizes by this to come to those of SVG.
const FONT_FACTOR: f64 = 1.24;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The inside of an SVG element, and its size in its own units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drawing {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) elements: String,
}

/// Draws on an area of the usual width and a height in pixels of the page.
fn draw(height: i32, on: impl FnOnce(&Area<'_>) -> Drawn) -> Drawing {
    let (width, height) = (WIDTH * SCALE, height * SCALE);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width.unsigned_abs(), height.unsigned_abs()))
            .into_drawing_area();
        on(&area).and_then(|()| area.present()).expect("writing to a string cannot fail");
    }
    // The page writes the outer element itself, with a title and no fixed size.
    let inside = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
    let elements = inside.map(|(elements, _)| elements.trim()).unwrap_or_default();
    // Drops attributes that the style sheet sets anyway; quotes in texts are escaped.
    let elements = elements.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "");
    Drawing { width, height, elements }
}

fn text(ink: Ink) -> TextStyle<'static> {
    ("sans-serif", f64::from(TEXT * SCALE) * FONT_FACTOR).into_font().color(&ink.color())
}

/// An upper estimate of the width of a text in pixels of the page.
fn width(text: &str) -> i32 {
    const LETTER: i32 = 7;
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX / LETTER) * LETTER
}

/// Shortens a text to a number of pixels of the page: leaves its middle out, because names
/// differ at their ends.
fn fitting(text: &str, pixels: i32) -> String {
    if width(text) <= pixels {
        return text.to_owned();
    }
    let most = usize::try_from(pixels / width("m")).unwrap_or_default();
    let (letters, end) = (text.chars().count(), most.saturating_sub(1) / 2);
    let start = text.chars().take(most.saturating_sub(1) - end);
    start.chain(['…']).chain(text.chars().skip(letters - end)).collect()
}

#[cfg(test)]
mod tests {
    use super::{fitting, width};

    #[test]
    fn a_long_name_keeps_both_ends() {
        let name = "a-function-with-a-long-name · rust";
        let fitted = fitting(name, 112);
        assert_eq!(fitted, "a-functi… · rust");
        assert!(width(&fitted) <= 112);
        assert_eq!(fitting("hello", 112), "hello");
    }
}
