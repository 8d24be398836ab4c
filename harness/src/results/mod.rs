//! Stage `results`: to be written.
