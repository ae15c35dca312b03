//! The native server of `stream`, which a container runs.

isolab_sdk::serve_stream!(function_stream::handle);
