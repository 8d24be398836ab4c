//! A trial's timeline among its artifacts.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::Error;
use crate::model::timeline::Timeline;

/// What each CPU was seen doing, gzipped JSON, among a trial's artifacts.
pub const TIMELINE: &str = "timeline.json.gz";

/// More than any timeline has: the tracer keeps 8192 events.
const MAX_BYTES: u64 = 64 << 20;

/// Writes a timeline into the folder of a trial's artifacts.
pub fn write_timeline(artifacts: &Path, timeline: &Timeline) -> io::Result<()> {
    let file = BufWriter::new(File::create(artifacts.join(TIMELINE))?);
    let mut packer = GzEncoder::new(file, Compression::default());
    serde_json::to_writer(&mut packer, timeline)?;
    packer.finish()?.flush()
}

/// Reads the timeline of a trial from its artifacts; `None` if it has none. One that would take more than 64 MiB is an
/// error: whoever packed it, it is not read into memory.
pub(super) fn read_timeline(artifacts: &Path) -> Result<Option<Timeline>, Error> {
    let path = artifacts.join(TIMELINE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let mut json = Vec::new();
    GzDecoder::new(file).take(MAX_BYTES + 1).read_to_end(&mut json).map_err(Error::io("read", &path))?;
    if json.len() as u64 > MAX_BYTES {
        let error = io::Error::other(format!("it holds more than {} MiB", MAX_BYTES >> 20));
        return Err(Error::io("read", &path)(error));
    }
    serde_json::from_slice(&json).map(Some).map_err(Error::json(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::timeline::Event;

    fn timeline() -> Timeline {
        let event = Event {
            ns: -5,
            cpu: 1,
            step: "panic".into(),
            of: String::new(),
            edge: crate::model::timeline::StepEdge::Begin,
            detail: false,
        };
        Timeline { cpus: 2, events: vec![event], ..Timeline::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_timeline(folder.path()).unwrap(), None);
        write_timeline(folder.path(), &timeline()).unwrap();
        assert_eq!(read_timeline(folder.path()).unwrap(), Some(timeline()));
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TIMELINE);
        write_timeline(folder.path(), &timeline()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let cut = read_timeline(folder.path()).unwrap_err().to_string();
        assert!(cut.contains(TIMELINE), "{cut}");

        let mut bomb = GzEncoder::new(File::create(&path).unwrap(), Compression::best());
        io::copy(&mut io::repeat(b' ').take(MAX_BYTES + 1), &mut bomb).unwrap();
        bomb.finish().unwrap();
        let bomb = read_timeline(folder.path()).unwrap_err().to_string();
        assert!(bomb.contains(TIMELINE) && bomb.ends_with("it holds more than 64 MiB"), "{bomb}");
    }
}
