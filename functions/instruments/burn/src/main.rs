//! The native server of `burn`, which a container runs.

isolab_sdk::serve!(function_burn::handle);
