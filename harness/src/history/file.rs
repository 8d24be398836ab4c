//! A history in a file: JSON lines, appended to night by night.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Deserialize;

use super::{Error, Line, SCHEMA_VERSION};

/// A line has some 300 bytes; what is longer than this is none, and is not read into memory.
const MAX_LINE: u64 = 1 << 20;

/// What a line of any form says.
#[derive(Deserialize)]
struct Head {
    schema_version: u32,
}

/// Hands over the lines of a history, one by one, and returns what is wrong with lines that are none: each in words, with its
/// place. A line of another form ends it.
pub fn read(path: &Path, mut line: impl FnMut(Line)) -> Result<Vec<String>, Error> {
    let mut reader = BufReader::new(File::open(path).map_err(Error::io("read", path))?);
    let mut broken = Vec::new();
    let (mut bytes, mut number) = (Vec::new(), 0);
    loop {
        bytes.clear();
        let taken = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
        if taken.map_err(Error::io("read", path))? == 0 {
            return Ok(broken);
        }
        number += 1;
        let ended = bytes.pop_if(|last| *last == b'\n').is_some();
        if bytes.is_empty() {
            continue;
        }
        let mut say = |cause: String| broken.push(format!("{}:{number}: no night's line: {cause}", path.display()));
        if bytes.len() as u64 + 1 >= MAX_LINE && !ended {
            say(format!("it is longer than {MAX_LINE} bytes"));
            skip_line(&mut reader).map_err(Error::io("read", path))?;
            continue;
        }
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(read) if read.schema_version == SCHEMA_VERSION => line(read),
            read => match serde_json::from_slice::<Head>(&bytes) {
                Ok(Head { schema_version: found }) if found != SCHEMA_VERSION => {
                    return Err(Error::Version { path: path.to_owned(), line: number, found, known: SCHEMA_VERSION });
                }
                _ => say(read
                    .err()
                    .map_or_else(String::new, |error| error.to_string().replace(" at line 1 column ", " at column "))),
            },
        }
    }
}

/// Reads on to the end of a line, whatever its length.
fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            reader.consume(end + 1);
            return Ok(());
        }
        let all = buffer.len();
        reader.consume(all);
    }
}

/// Appends lines, which are on the disk when it returns; makes the file if there is none. A last line without an end, which
/// somebody was killed at, stays as it is, and is followed by a new one. Whoever else appends waits.
pub fn append(path: &Path, lines: &[Line]) -> Result<(), Error> {
    let file = OpenOptions::new().read(true).append(true).create(true).open(path);
    let mut file = file.map_err(Error::io("open", path))?;
    file.lock().map_err(Error::io("lock", path))?;
    write(&mut file, lines).map_err(Error::io("append to", path))
}

fn write(file: &mut File, lines: &[Line]) -> io::Result<()> {
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let mut writer = BufWriter::new(&*file);
    if last != *b"\n" {
        writer.write_all(b"\n")?;
    }
    for line in lines {
        serde_json::to_writer(&mut writer, line)?;
        writer.write_all(b"\n")?;
    }
    writer.flush()?;
    drop(writer);
    file.sync_data()
}
