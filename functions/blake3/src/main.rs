//! The native server of `blake3`, which a container runs.

isolab_sdk::serve!(function_blake3::handle);
