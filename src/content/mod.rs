//! What a verified webhook holds: packed bodies, forms, lines of JSON, `CloudEvents`. Pure: bytes and headers in, values out.
