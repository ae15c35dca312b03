//! The native server of `spin`, which a container runs.

isolab_sdk::serve!(function_spin::handle);
