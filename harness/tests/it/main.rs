//! The real binary and the load generator, each as its user meets it.

mod bad_input;
mod bench;
mod bill;
mod boundaries;
mod commands;
mod compare;
mod confinement;
mod full_matrix;
mod interrupt;
mod load_burst;
mod load_command;
mod memory;
mod neighbours;
mod own_functions;
mod pages;
mod same_bytes;
mod snapshots;
mod support;
mod v8_server;
mod watch;
