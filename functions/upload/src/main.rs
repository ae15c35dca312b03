//! The native server of `upload`, which a container runs.

isolab_sdk::serve_stream!(function_upload::handle);
