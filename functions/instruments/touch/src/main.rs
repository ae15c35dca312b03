//! The native server of `touch`, which a container runs.

isolab_sdk::serve!(function_touch::handle);
