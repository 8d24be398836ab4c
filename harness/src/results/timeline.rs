//! A trial's timeline among its artifacts.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::Error;
use crate::model::artifacts::TIMELINE;
use crate::model::timeline::Timeline;

/// More than any timeline has: the tracer keeps 8192 events.
const MAX_BYTES: u64 = 16 << 20;

/// Reads the timeline of a trial from its artifacts; `None` if it has none. Of a file that is larger than any timeline
/// nothing is kept in memory.
pub(super) fn read_timeline(artifacts: &Path) -> Result<Option<Timeline>, Error> {
    let path = artifacts.join(TIMELINE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let mut json = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut json).map_err(Error::io("read", &path))?;
    if json.len() as u64 > MAX_BYTES {
        let error = io::Error::other(format!("it has more than {} MiB", MAX_BYTES >> 20));
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

    fn write(artifacts: &Path, timeline: &Timeline) {
        std::fs::write(artifacts.join(TIMELINE), serde_json::to_vec(timeline).unwrap()).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_timeline(folder.path()).unwrap(), None);
        write(folder.path(), &timeline());
        assert_eq!(read_timeline(folder.path()).unwrap(), Some(timeline()));
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TIMELINE);
        write(folder.path(), &timeline());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let cut = read_timeline(folder.path()).unwrap_err().to_string();
        assert!(cut.contains(TIMELINE), "{cut}");

        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        let long = read_timeline(folder.path()).unwrap_err().to_string();
        assert!(long.contains(TIMELINE) && long.ends_with("it has more than 16 MiB"), "{long}");
    }
}
