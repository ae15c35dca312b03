//! The native server of `json`, which a container runs.

isolab_sdk::serve!(function_json::handle);
