//! The native server of `remember`, which a container runs.

isolab_sdk::serve!(function_remember::handle);
