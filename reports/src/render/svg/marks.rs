//! Draws marks: executors in a plane, with their names beside them.

use plotters::prelude::*;

use super::labels::{ROW, Rect, named};
use super::lines::{AROUND, plane};
use super::marker::{HALF, scaled_marker};
use super::{Area, Drawing, Drawn, Ink, Ruler, SCALE, WIDTH, draw, fitting, text, width};
use crate::charts::{Executor, Mark, Spot};

/// The least height of a panel.
const HEIGHT: i32 = 300;
/// How much larger the largest marker is than the smallest.
const LARGEST: f64 = 3.0;
/// The longest name.
const NAME: i32 = 200;

/// A marker, and how much larger it is than others.
struct Marker<'a> {
    executor: &'a Executor,
    place: (i32, i32),
    factor: f64,
}

/// Draws one panel. The rulers are those of both axes and of the size.
pub(crate) fn marks(marks: &[Mark], [x, y, size]: [&Ruler; 3], executors: &[Executor]) -> Drawing {
    let spots: Vec<(&Executor, Spot)> = marks
        .iter()
        .filter_map(|mark| Some((&executors[mark.executor], *mark.spot.as_ref().ok()?)))
        .collect();
    let [above, right, below, left] = AROUND;
    // A row for each name, and half as many again, so that most names are near their marks.
    let rows = i32::try_from(spots.len() * 3 / 2).unwrap_or_default();
    let height = HEIGHT.max(above + below + rows * ROW);
    let frame = Rect { left, top: above, right: WIDTH - right, bottom: height - below };
    draw(height, |area| {
        plane(area, x, y, |at| {
            let markers = spots.iter().map(|(executor, spot)| Marker {
                executor,
                place: at((spot.x, spot.y)),
                factor: 1.0 + size.part(spot.size) * (LARGEST - 1.0),
            });
            named_markers(area, &markers.collect::<Vec<_>>(), frame)
        })
    })
}

/// Draws markers, and names that none of them hides.
fn named_markers(area: &Area<'_>, markers: &[Marker<'_>], frame: Rect) -> Drawn {
    let names: Vec<String> = markers.iter().map(|marker| fitting(&marker.executor.name, NAME)).collect();
    let widths: Vec<i32> = names.iter().map(|name| width(name)).collect();
    let rects: Vec<Rect> = markers.iter().map(around).collect();
    let labels = named(&rects, &widths, frame);
    for (marker, (rect, label)) in markers.iter().zip(rects.iter().zip(&labels)) {
        // A name that is not beside its marker is joined to it.
        if label.gap(rect) > ROW {
            let (x, y) = label.nearest(rect.middle());
            let ends = vec![marker.place, (x * SCALE, y * SCALE)];
            area.draw(&PathElement::new(ends, Ink::Axis.line(1.0)))?;
        }
    }
    for Marker { executor, place, factor } in markers {
        scaled_marker(area, executor.slot, *place, false, *factor)?;
    }
    for (name, label) in names.into_iter().zip(&labels) {
        area.draw(&Text::new(name, (label.left * SCALE, label.top * SCALE), text(Ink::Text)))?;
    }
    Ok(())
}

/// The rectangle around a marker, in pixels of the page.
fn around(marker: &Marker<'_>) -> Rect {
    // The widest marker reaches further than a square.
    let half = (HALF * marker.factor * 1.5).ceil() as i32;
    let (x, y) = (marker.place.0 / SCALE, marker.place.1 / SCALE);
    Rect { left: x - half, top: y - half, right: x + half, bottom: y + half }
}
