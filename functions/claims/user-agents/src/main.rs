//! The native server of `user-agents`, which a container runs.

isolab_sdk::serve!(function_user_agents::handle, initialize = function_user_agents::initialize);
