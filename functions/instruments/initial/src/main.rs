//! The native server of `initial`, which a container runs.

isolab_sdk::serve!(function_initial::handle, initialize = function_initial::initialize);
