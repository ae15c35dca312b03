//! The native server of `search`, which a container runs.

isolab_sdk::serve!(function_search::handle, initialize = function_search::initialize);
