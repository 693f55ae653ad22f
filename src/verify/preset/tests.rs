//! Every preset.
