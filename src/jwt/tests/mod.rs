//! What a token must be, with vectors of specifications and of another implementation.
