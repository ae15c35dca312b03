//! The native server of `regex`, which a container runs.

isolab_sdk::serve!(function_regex::handle, initialize = function_regex::initialize);
