//! Expressions in CEL, as sources use them: compiled when the configuration is loaded, bounded in size and in work.
