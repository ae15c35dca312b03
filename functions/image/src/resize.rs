//! The mean of areas, in whole numbers.

/// Bytes of a pixel of a result: red, green, blue, opacity.
pub(crate) const CHANNELS: usize = 4;

/// An image to be resized.
pub(crate) struct Source {
    /// In pixels.
    pub(crate) width: usize,
    /// In pixels.
    pub(crate) height: usize,
    /// Bytes of a pixel: 3 without opacity, or 4.
    pub(crate) channels: usize,
    /// The pixels, row by row.
    pub(crate) pixels: Vec<u8>,
}

/// Sums over an area: each colour times its opacity, and the opacity. At most 2^22 pixels of 2^16.
type Sums = [u64; CHANNELS];

impl Source {
    /// The image in `width` x `height` pixels of [`CHANNELS`] bytes.
    pub(crate) fn resized(&self, width: usize, height: usize) -> Vec<u8> {
        let (columns, rows) = (parts(self.width, width), parts(self.height, height));
        let mut sums = vec![Sums::default(); width * height];
        let mut line = vec![Sums::default(); width];
        let mut rows = rows.iter().peekable();
        for (y, pixels) in self.pixels.chunks_exact(self.width * self.channels).enumerate() {
            self.sum_line(&mut line, pixels, &columns);
            while let Some(row) = rows.next_if(|row| row.from == y) {
                for (sum, part) in sums[row.to * width..].iter_mut().zip(&line) {
                    for (total, value) in sum.iter_mut().zip(part) {
                        *total += value * row.weight;
                    }
                }
            }
        }
        let area = (self.width * self.height) as u64;
        sums.iter().flat_map(|sums| pixel(sums, area)).collect()
    }

    /// The sums of one line of the image, for each pixel of the result.
    fn sum_line(&self, line: &mut [Sums], pixels: &[u8], columns: &[Part]) {
        line.fill(Sums::default());
        for column in columns {
            let pixel = &pixels[column.from * self.channels..][..self.channels];
            let opacity = u64::from(pixel.get(3).copied().unwrap_or(u8::MAX)) * column.weight;
            let sums = &mut line[column.to];
            for (sum, colour) in sums.iter_mut().zip(&pixel[..3]) {
                *sum += u64::from(*colour) * opacity;
            }
            sums[3] += opacity;
        }
    }
}

fn pixel(sums: &Sums, area: u64) -> [u8; CHANNELS] {
    let [red, green, blue, opacity] = *sums;
    let colour = |sum| if opacity == 0 { 0 } else { rounded(sum, opacity) };
    [colour(red), colour(green), colour(blue), rounded(opacity, area)]
}

/// The quotient, which is at most 255, to the nearest whole number, halves upwards.
fn rounded(dividend: u64, divisor: u64) -> u8 {
    ((dividend + divisor / 2) / divisor) as u8
}

/// A part of a pixel of the source that belongs to one pixel of the result, in one direction.
struct Part {
    from: usize,
    to: usize,
    weight: u64,
}

/// How a side of `count` pixels is divided among `new_count`. A pixel of the source is `new_count` units wide,
/// and one of the result `count` units.
fn parts(count: usize, new_count: usize) -> Vec<Part> {
    let mut parts = Vec::with_capacity(count + new_count);
    let mut at = 0;
    while at < count * new_count {
        let (from, to) = (at / new_count, at / count);
        let end = ((from + 1) * new_count).min((to + 1) * count);
        parts.push(Part { from, to, weight: (end - at) as u64 });
        at = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(pixels: &[[u8; 4]], width: usize, new_width: usize, new_height: usize) -> Vec<[u8; 4]> {
        let height = pixels.len() / width;
        let source = Source { width, height, channels: 4, pixels: pixels.concat() };
        let result = source.resized(new_width, new_height);
        result.chunks_exact(4).map(|pixel| pixel.try_into().unwrap()).collect()
    }

    #[test]
    fn the_parts_of_a_side_have_its_length() {
        for (count, new_count) in [(1, 1), (3, 2), (2, 3), (7, 5), (512, 128), (1, 9)] {
            let parts = parts(count, new_count);
            for to in 0..new_count {
                let weights = parts.iter().filter(|part| part.to == to).map(|part| part.weight);
                assert_eq!(weights.sum::<u64>(), count as u64, "{count} to {new_count}, at {to}");
            }
        }
    }

    #[test]
    fn a_pixel_is_the_mean_of_its_area() {
        let [black, white] = [[0, 0, 0, 255], [255, 255, 255, 255]];
        assert_eq!(resized(&[black, white], 2, 1, 1), [[128, 128, 128, 255]]);
        assert_eq!(resized(&[black, white, white], 3, 2, 1), [[85, 85, 85, 255], white]);
        assert_eq!(resized(&[black, white], 2, 4, 1), [black, black, white, white]);
    }

    #[test]
    fn the_colour_of_what_is_not_seen_does_not_count() {
        let (red, nothing) = ([255, 0, 0, 255], [0, 255, 0, 0]);
        assert_eq!(resized(&[red, nothing], 1, 1, 1), [[255, 0, 0, 128]]);
        assert_eq!(resized(&[nothing, nothing], 2, 1, 1), [[0, 0, 0, 0]]);
    }
}
