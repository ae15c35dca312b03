//! Escape counts of the Mandelbrot set over a grid: floating-point arithmetic in a loop, without memory.
//!
//! The grid has `size` x `size` points (`?size=128`, the default; at most 1,024). They are the middles of
//! equal squares that cover the real parts from -2 to 1 and the imaginary parts from -1.5 to 1.5. The count
//! of a point c is the number of steps z = z² + c, from z = 0, after which |z|² first exceeds 4. It is
//! `limit` for a point that has not escaped by then (`?limit=100`, the default; at most 10,000).
//!
//! The answer is `{"size":128,"limit":100,"inside":2830,"steps":344494,"checksum":"d6973b55"}`: the
//! number of points that have not escaped, the sum of the counts, and the FNV-1a hash of the counts, row by row.
//!
//! A point near the border of the set escapes sooner or later with the last bit of a product. So the variants agree
//! only if every engine computes with 64-bit numbers, rounds each operation, and fuses none of them.
//! Rust and JavaScript require that of `+`, `-`, `*` and `/`.

use isolab_sdk::{Request, Response};

const SIZE: Number = Number { default: 128, greatest: 1_024 };
const LIMIT: Number = Number { default: 100, greatest: 10_000 };

const OUT_OF_RANGE: &str =
    r#"{"error":"size must be a whole number from 1 to 1024, and limit one from 1 to 10000"}"#;

/// Length of a side of the part of the plane that the grid covers.
const SIDE: f64 = 3.0;
/// Its smallest real part.
const LEFT: f64 = -2.0;
/// Its smallest imaginary part.
const LOWEST: f64 = -1.5;

/// <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>, with the parameters for 32 bits.
const FNV_BASIS: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

/// Answers with the counts of the grid that the request asks for.
pub fn handle(request: &Request<'_>) -> Response {
    let number = |name, bounds: Number| bounds.parse(request.query_value(name).as_deref());
    let (Some(size), Some(limit)) = (number("size", SIZE), number("limit", LIMIT)) else {
        return Response::json(400, OUT_OF_RANGE);
    };
    let Grid { inside, steps, checksum } = grid(size, limit);
    let body = format!(
        r#"{{"size":{size},"limit":{limit},"inside":{inside},"steps":{steps},"checksum":"{checksum:08x}"}}"#
    );
    Response::json(200, body)
}

isolab_sdk::export!(handle);

struct Grid {
    inside: u32,
    steps: u64,
    checksum: u32,
}

fn grid(size: u32, limit: u32) -> Grid {
    let step = SIDE / f64::from(size);
    let middle = |index: u32| step * (f64::from(index) + 0.5);
    let mut grid = Grid { inside: 0, steps: 0, checksum: FNV_BASIS };
    for row in 0..size {
        for column in 0..size {
            let count = escape_count(LEFT + middle(column), LOWEST + middle(row), limit);
            grid.inside += u32::from(count == limit);
            grid.steps += u64::from(count);
            for byte in [count & 0xff, count >> 8] {
                grid.checksum = (grid.checksum ^ byte).wrapping_mul(FNV_PRIME);
            }
        }
    }
    grid
}

/// The number of steps before the point escapes, `limit` at most.
fn escape_count(c_re: f64, c_im: f64, limit: u32) -> u32 {
    let (mut re, mut im) = (0.0, 0.0);
    for count in 0..limit {
        let (re_squared, im_squared) = (re * re, im * im);
        if re_squared + im_squared > 4.0 {
            return count;
        }
        im = 2.0 * re * im + c_im;
        re = re_squared - im_squared + c_re;
    }
    limit
}

/// The bounds of a number in the query.
#[derive(Clone, Copy)]
struct Number {
    default: u32,
    greatest: u32,
}

impl Number {
    /// Stricter than `str::parse`, which accepts a sign.
    fn parse(self, text: Option<&str>) -> Option<u32> {
        let Some(text) = text else { return Some(self.default) };
        let digits = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.filter(|number| (1..=self.greatest).contains(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_escape_after_the_steps_that_one_counts_by_hand() {
        // 0 stays; 2 is on the border at |z| = 2 and leaves with 6; 1 goes 1, 2, 5; -2 stays at 2.
        for (c_re, count) in [(0.0, 50), (2.0, 2), (1.0, 3), (-2.0, 50), (3.0, 1)] {
            assert_eq!(escape_count(c_re, 0.0, 50), count, "{c_re}");
        }
    }

    #[test]
    fn only_digits_are_a_number() {
        assert_eq!(SIZE.parse(None), Some(128));
        assert_eq!(SIZE.parse(Some("007")), Some(7));
        for text in ["", "0", "+5", "1025", "000001", "1e2"] {
            assert_eq!(SIZE.parse(Some(text)), None, "{text}");
        }
    }
}
