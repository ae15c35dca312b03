//! The native server of `fibonacci`, which a container runs.

isolab_sdk::serve!(function_fibonacci::handle);
