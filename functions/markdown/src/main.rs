//! The native server of `markdown`, which a container runs.

isolab_sdk::serve!(function_markdown::handle);
