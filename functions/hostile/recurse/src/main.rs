//! The native server of `recurse`, which a container runs.

isolab_sdk::serve!(function_recurse::handle);
