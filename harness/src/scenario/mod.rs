//! Stage `scenario`: to be written.
