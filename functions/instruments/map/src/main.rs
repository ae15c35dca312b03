//! The native server of `map`, which a container runs.

isolab_sdk::serve!(function_map::handle);
