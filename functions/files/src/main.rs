//! The native server of `files`, which a container runs.

isolab_sdk::serve!(function_files::handle);
