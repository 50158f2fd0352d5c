//! Files of others, opened within limits, and files of ours, opened without following links.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// The longest file of settings: experiments, sweeps, comparisons, names.
pub(crate) const SETTINGS: u64 = 1 << 20;
/// The longest list of examples.
pub(crate) const LIST: u64 = 256 << 20;

/// Opens a regular file to read, and gives its length. Pipes and devices have none, so no
/// declared size could be checked against them; opening a pipe would wait for its writer.
///
/// # Errors
/// If it is another kind of file, or cannot be read.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let cannot = |error| Error::io(path, "cannot be read", error);
    if !path.metadata().map_err(cannot)?.is_file() {
        return Err(Error::data(path, "is not a regular file").expected("a file"));
    }
    let file = File::open(path).map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    Ok((file, length))
}

/// The bytes of a file of at most `limit`.
///
/// # Errors
/// As [`open`], or if it is longer.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > limit {
        return Err(Error::data(path, format!("has {length} bytes"))
            .expected(format!("at most {limit}")));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    let end = file.take(limit).read_to_end(&mut bytes);
    end.map_err(|error| Error::io(path, "cannot be read", error))?;
    Ok(bytes)
}

/// The text of a file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], or if it is not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| Error::data(path, "is not UTF-8 text").expected("text"))
}

/// Opens a file of ours with these options, and makes it where it is missing. A link in its
/// place, which none of ours is, is not followed.
pub(crate) fn open_own(options: &OpenOptions, path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => options.open(path),
        Ok(_) => {
            let found = "it is a link, or no regular file; remove it";
            Err(io::Error::new(io::ErrorKind::InvalidInput, found))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options.clone().create_new(true).open(path)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_to_their_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        let error = read(&path, 3).unwrap_err().to_string();
        assert!(error.ends_with("has 4 bytes; expected at most 3"), "{error}");
        fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 4).is_err());
        assert!(read(directory.path(), 4).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_ours_is_no_link_and_what_is_read_no_device() {
        let directory = tempfile::tempdir().unwrap();
        let [link, victim] = ["link", "victim"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        let mut options = OpenOptions::new();
        options.append(true);
        assert!(open_own(&options, &link).is_err() && !victim.exists());
        fs::write(&victim, "precious").unwrap();
        assert!(open_own(&options, &link).is_err());
        assert!(open_own(&options, &victim).is_ok());
        assert!(open_own(&options, &directory.path().join("new")).is_ok());
        assert!(read("/dev/zero".as_ref(), 4).is_err());
    }
}
