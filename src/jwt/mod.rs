//! JSON Web Tokens: keys, and what makes a token good (RFC 7519, RFC 7517). The one place that knows the library for it.
