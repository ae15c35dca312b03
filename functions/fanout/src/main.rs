//! The native server of `fanout`, which a container runs.

isolab_sdk::serve!(function_fanout::handle);
