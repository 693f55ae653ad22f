//! What commands are given to read: standard input, or a file.

use std::fs::File;
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

use super::{Failure, complain};

/// Bytes that are read at most: the largest body that `ingress.max_body` can allow.
const INPUT_BYTES: u64 = 256 * 1024 * 1024;

/// What a captured request may hold besides such a body: its head, and the sizes of its chunks.
const HEAD_BYTES: u64 = 1024 * 1024;

/// Standard input to its end. `what` it is, for whoever is asked to type it.
pub(super) fn standard(what: &str) -> Result<Vec<u8>, Failure> {
    if stdin().is_terminal() {
        complain(&format_args!("reading {what} from standard input; end it with Ctrl-D"));
    }
    bounded(stdin(), what, INPUT_BYTES)
}

/// A file that holds a request; `-` is standard input.
pub(super) fn captured(path: &Path) -> Result<Vec<u8>, Failure> {
    let (what, most) = ("the request", INPUT_BYTES + HEAD_BYTES);
    if path == Path::new("-") {
        if stdin().is_terminal() {
            complain(&"reading the request from standard input; end it with Ctrl-D");
        }
        return bounded(stdin(), what, most);
    }
    let failed = |error| Failure::from(format!("{}: it cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(
            format!("{}: it is a folder; expected a file that holds a request", path.display()).into()
        );
    }
    bounded(file, what, most)
}

fn bounded(from: impl Read, what: &str, most: u64) -> Result<Vec<u8>, Failure> {
    let mut data = Vec::new();
    from.take(most + 1).read_to_end(&mut data)?;
    if data.len() as u64 > most {
        return Err(format!("{what} has more than {most} bytes").into());
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_refused_and_not_cut() {
        assert_eq!(bounded(&b"12345"[..], "it", 5).unwrap(), b"12345");
        assert_eq!(bounded(&b"123456"[..], "it", 5).unwrap_err().to_string(), "it has more than 5 bytes");
    }

    #[test]
    fn what_is_no_file_is_told() {
        let missing = captured(Path::new("/no/such.http")).unwrap_err().to_string();
        assert_eq!(missing, "/no/such.http: it cannot be read: No such file or directory (os error 2)");
        let folder = captured(Path::new("/")).unwrap_err().to_string();
        assert_eq!(folder, "/: it is a folder; expected a file that holds a request");
    }
}
