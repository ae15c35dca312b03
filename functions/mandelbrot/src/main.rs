//! The native server of `mandelbrot`, which a container runs.

isolab_sdk::serve!(function_mandelbrot::handle);
