//! The native server of `template`, which a container runs.

isolab_sdk::serve!(function_template::handle, initialize = function_template::initialize);
