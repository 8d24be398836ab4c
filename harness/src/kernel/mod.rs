//! Stage `kernel`: to be written.
