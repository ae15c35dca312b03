//! The native server of `proxy`, which a container runs.

isolab_sdk::serve_stream!(function_proxy::handle);
