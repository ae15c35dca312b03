//! The native server of `hello`, which a container runs.

isolab_sdk::serve!(function_hello::handle);
