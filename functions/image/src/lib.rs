//! Decodes a PNG image, resizes it with whole numbers, and encodes it: loops over bytes.
//!
//! The body of a POST is a PNG image with 8 bits a channel, RGB or RGBA, not interlaced, of 4,194,304 pixels at
//! most. The answer is the image in `width` x `height` pixels of RGBA (`?width=80&height=60`; each is 1 to 2,048).
//!
//! Each pixel of the result is the mean of the area that it covers, weighted by opacity, so that the colour
//! of transparent pixels does not count. All sums are whole, and each quotient is rounded to the nearest whole
//! number, halves upwards.
//!
//! The result is a PNG image whose pixels are stored and not compressed. Any compressor may write other bytes for the
//! same pixels, and those of two libraries do. Stored blocks, as long as they can be and without filters, are
//! the one form that all write alike, and every viewer shows them. `png` decodes and encodes in this variant. The
//! variant `js` takes `fflate` to inflate, which `scripts/bundle-handlers.mjs` puts into the one file of its
//! handler, and reads and writes the chunks itself.

mod resize;

use std::io::Cursor;

use isolab_sdk::{Request, Response};
use png::{BitDepth, ColorType, Compression, Decoder, DecodingError, Encoder, EncodingError, Filter, Limits};

use resize::{CHANNELS, Source};

const SIDE_MAX: usize = 2048;
const SOURCE_PIXELS_MAX: usize = 4_194_304;

const BAD_SIZE: &str = "the query needs width and height, whole numbers from 1 to 2048";
const BAD_IMAGE: &str =
    "POST a PNG image with 8 bits a channel, RGB or RGBA, not interlaced, of 4194304 pixels at most";

/// Answers with the resized image.
pub fn handle(request: &Request<'_>) -> Response {
    let side = |name| request.query_value(name).and_then(|text| parse_side(&text));
    let (Some(width), Some(height)) = (side("width"), side("height")) else {
        return Response::text(400, BAD_SIZE);
    };
    let decoded = if request.method == "POST" { decode(request.body) } else { Ok(None) };
    let Ok(Some(source)) = decoded else {
        return Response::text(400, BAD_IMAGE);
    };
    match encode(width, height, &source.resized(width, height)) {
        Ok(image) => Response::new(200, "image/png", image),
        Err(error) => Response::text(500, error.to_string()),
    }
}

isolab_sdk::export!(handle);

/// Stricter than `str::parse`, which accepts a sign.
fn parse_side(text: &str) -> Option<usize> {
    let digits = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let side = digits.then(|| text.parse().ok()).flatten();
    side.filter(|side| (1..=SIDE_MAX).contains(side))
}

/// The image of a file, `None` if this function does not take it.
fn decode(bytes: &[u8]) -> Result<Option<Source>, DecodingError> {
    let limits = Limits { bytes: SOURCE_PIXELS_MAX * CHANNELS };
    let mut reader = Decoder::new_with_limits(Cursor::new(bytes), limits).read_info()?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    let channels = match info.color_type {
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Grayscale | ColorType::GrayscaleAlpha | ColorType::Indexed => return Ok(None),
    };
    let is_plain = info.bit_depth == BitDepth::Eight && info.trns.is_none() && !info.interlaced;
    if !is_plain || width.saturating_mul(height) > SOURCE_PIXELS_MAX {
        return Ok(None);
    }
    let mut pixels = vec![0; width * height * channels];
    reader.next_frame(&mut pixels)?;
    // A file that ends here, or goes on with broken chunks, is broken.
    reader.finish()?;
    Ok(Some(Source { width, height, channels, pixels }))
}

fn encode(width: usize, height: usize, pixels: &[u8]) -> Result<Vec<u8>, EncodingError> {
    let mut image = Vec::with_capacity(pixels.len() + pixels.len() / 64 + 128);
    let mut encoder = Encoder::new(&mut image, width as u32, height as u32);
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::NoCompression);
    encoder.set_filter(Filter::NoFilter);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(image)
}
