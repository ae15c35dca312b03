//! The native server of `flood`, which a container runs.

isolab_sdk::serve!(function_flood::handle);
