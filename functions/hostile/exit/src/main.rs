//! The native server of `exit`, which a container runs.

isolab_sdk::serve!(function_exit::handle);
