//! The native server of `wait`, which a container runs.

isolab_sdk::serve!(function_wait::handle);
