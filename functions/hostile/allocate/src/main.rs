//! The native server of `allocate`, which a container runs.

isolab_sdk::serve!(function_allocate::handle);
