//! The native server of `relink`, which a container runs.

isolab_sdk::serve!(function_relink::handle);
