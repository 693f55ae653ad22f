//! Notices that a file of the configuration has changed.
