//! What is counted, and what is kept for experiments.

pub(crate) mod metrics;
pub(crate) mod record;
