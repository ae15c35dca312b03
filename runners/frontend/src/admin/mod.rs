//! The server's own pages, below `/-/`.

mod control;
pub(crate) mod pages;
mod scrape;
