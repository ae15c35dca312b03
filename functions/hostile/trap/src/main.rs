//! The native server of `trap`, which a container runs.

isolab_sdk::serve!(function_trap::handle);
