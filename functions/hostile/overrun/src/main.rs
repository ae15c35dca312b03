//! The native server of `overrun`, which a container runs.

isolab_sdk::serve!(function_overrun::handle);
