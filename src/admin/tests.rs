//! The admin listener over raw bytes.
