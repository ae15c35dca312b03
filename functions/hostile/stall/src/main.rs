//! The native server of `stall`, which a container runs.

isolab_sdk::serve!(function_stall::handle, initialize = function_stall::initialize);
