//! When key sets are fetched, and what is taken of them.
