//! The server's own pages, below `/-/`.

pub mod api;
mod control;
pub(crate) mod pages;
mod scrape;
