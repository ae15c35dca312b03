//! The native server of `image`, which a container runs.

isolab_sdk::serve!(function_image::handle);
