//! Over real sockets, where resets and writes can be seen.
