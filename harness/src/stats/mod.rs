//! Stage `stats`: to be written.
