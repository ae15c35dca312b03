//! Names beside marks, none over another.

/// The height of a name, in pixels of the page.
pub(super) const ROW: i32 = 14;
/// The step from one place of a name to the next.
const STEP: i32 = 4;
/// The room between a mark and its name.
const APART: i32 = 3;

/// A rectangle, in pixels of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Rect {
    pub(super) fn middle(&self) -> (i32, i32) {
        (i32::midpoint(self.left, self.right), i32::midpoint(self.top, self.bottom))
    }

    /// The point of the rectangle that is nearest to a point.
    pub(super) fn nearest(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }

    /// The distance to another one, as the sum of that across and that down.
    pub(super) fn gap(&self, other: &Self) -> i32 {
        let across = (self.left - other.right).max(other.left - self.right).max(0);
        let down = (self.top - other.bottom).max(other.top - self.bottom).max(0);
        across + down
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// A place in the frame for the name of each mark, by the widths of the names: the free one nearest to the mark, or
/// nearest to its right. Names never cover each other. A name covers a mark only if all other places are taken.
///
/// Names stand in rows. So there is a place for each, if the frame has at least a row for each name and is wider than
/// the names.
pub(super) fn named(marks: &[Rect], widths: &[i32], frame: Rect) -> Vec<Rect> {
    let mut names: Vec<Rect> = Vec::with_capacity(marks.len());
    for (mark, width) in marks.iter().zip(widths) {
        let mut places = places(*width, frame);
        places.sort_by_key(|place| distance(place, mark));
        let is_free = |place: &&Rect| names.iter().all(|name| !name.overlaps(place));
        let is_clear = |place: &&Rect| marks.iter().all(|other| !other.overlaps(place));
        let best = places.iter().find(|place| is_free(place) && is_clear(place));
        let best = best.or_else(|| places.iter().find(is_free)).or(places.first());
        names.push(best.copied().unwrap_or(*mark));
    }
    names
}

/// Every place of a name of this width.
fn places(width: i32, frame: Rect) -> Vec<Rect> {
    let rows = (frame.bottom - frame.top) / ROW;
    let steps = ((frame.right - frame.left - width) / STEP).max(0);
    let place = |row: i32, step: i32| {
        let (left, top) = (frame.left + step * STEP, frame.top + row * ROW);
        Rect { left, top, right: left + width, bottom: top + ROW }
    };
    (0..rows).flat_map(|row| (0..=steps).map(move |step| place(row, step))).collect()
}

/// How far a name is from its mark. Names at the right are read most easily, then those at the left.
fn distance(name: &Rect, mark: &Rect) -> i32 {
    let (_, y) = mark.middle();
    let (_, middle) = name.middle();
    let side = if name.left >= mark.right + APART {
        0
    } else if name.right <= mark.left - APART {
        14
    } else {
        40
    };
    4 * name.gap(mark) + (middle - y).abs() + side
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Rect = Rect { left: 56, top: 8, right: 330, bottom: 358 };

    fn mark(x: i32, y: i32, half: i32) -> Rect {
        Rect { left: x - half, top: y - half, right: x + half, bottom: y + half }
    }

    #[test]
    fn a_lone_name_stands_at_the_right_of_its_mark() {
        let mark = mark(100, 100, 6);
        let name = named(&[mark], &[70], FRAME)[0];
        assert!(name.left >= mark.right + APART && name.gap(&mark) < ROW, "{name:?}");
        assert!((name.middle().1 - 100).abs() <= ROW / 2, "{name:?}");
    }

    #[test]
    fn a_name_without_room_at_the_right_stands_at_the_left() {
        let name = named(&[mark(320, 100, 6)], &[70], FRAME)[0];
        assert!(name.right <= 314 - APART, "{name:?}");
    }

    proptest! {
        #[test]
        fn no_name_covers_another_or_leaves_the_frame(
            marks in prop::collection::vec((56i32..330, 8i32..358, 4i32..17, 14i32..200), 1..25)
        ) {
            let rects: Vec<_> = marks.iter().map(|(x, y, half, _)| mark(*x, *y, *half)).collect();
            let widths: Vec<_> = marks.iter().map(|(.., width)| *width).collect();
            let names = named(&rects, &widths, FRAME);
            for (nth, name) in names.iter().enumerate() {
                let is_inside = FRAME.left <= name.left
                    && name.right <= FRAME.right
                    && FRAME.top <= name.top
                    && name.bottom <= FRAME.bottom;
                prop_assert!(is_inside, "{name:?}");
                prop_assert_eq!(name.right - name.left, widths[nth]);
                prop_assert!(names[..nth].iter().all(|other| !other.overlaps(name)), "{names:?}");
            }
        }
    }
}
