//! The native server of `attempts`, which a container runs.

isolab_sdk::serve!(function_attempts::handle);
