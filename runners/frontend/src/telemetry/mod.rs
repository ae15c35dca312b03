//! The records that workers make while they serve: counts for `/-/metrics`, phases for
//! `/-/phases`, and what each thread is doing.

pub(crate) mod activity;
pub(crate) mod metrics;
pub(crate) mod record;
