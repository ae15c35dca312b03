//! A function's server in a process of its own, and the host's side of it.
//!
//! | where | what |
//! |---|---|
//! | [`session`] | the folder of one executor's sockets, which is swept when its process is gone |
//! | [`socket`] | the host's socket for one instance: the server connects to it |
//! | [`server_socket`] | the same for a server that listens itself: the host connects to it |
//! | [`meeting`] | either of the two |
//! | [`caller`] | the calls of one server: its connections, and why it does not answer |
//! | [`child`] | a server that runs as a child of this process |
//! | [`zygote`] | a process that forks servers, with the processes that it has forked in [`forked`] |
//! | [`bounds`] | the user, the memory and the end of such a process |
//! | [`files`] | a function's files in a folder that its processes can enter |
//! | [`resident`] | the resident set of a process |
//! | [`connection`] | HTTP/1.1 over one kept connection, streams included |
//! | [`failure`] | the reasons for a missing response |
//! | [`death`] | the cause of a server's death |
//! | [`environment`] | the variables that tell the server its limits and grants |
//! | [`folders`] | the folders that a function in a container is granted |
//! | [`group`] | control groups of a session, which are swept when its process is gone |
//! | [`hierarchy`] | the mounted hierarchies of control groups |
//! | [`javascript`] | the servers of the variant `js` to choose from |
//! | [`node`] | the host's Node, and the server of the variant `js` in it |
//! | [`v8`] | the server of the variant `js` in this lab's own V8 |
//! | [`program`] | a program of the host with all that it loads |
//! | [`outbound`] | the host's side of the server's requests to granted hosts |
//! | [`server`] | a server around an instance of another executor |

pub mod bounds;
mod busy;
pub mod caller;
pub mod child;
pub mod connection;
pub mod death;
pub mod environment;
pub mod failure;
pub mod files;
pub mod folders;
pub mod forked;
pub mod group;
pub mod hierarchy;
mod incoming;
pub mod javascript;
pub mod meeting;
pub mod node;
pub mod outbound;
pub mod program;
pub mod resident;
pub mod server;
pub mod server_socket;
pub mod session;
pub mod socket;
pub mod v8;
pub mod zygote;
