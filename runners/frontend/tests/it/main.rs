//! The server over real sockets: with the executor `direct`, and with a scripted
//! executor for faults that native code cannot have.

mod bill;
mod compute;
mod control;
mod drain;
mod errors;
mod functions;
mod lifecycle;
mod limits;
mod lost;
mod pages;
mod pools;
mod prepare;
mod streams;
mod support;
