//! Stage `evidence`: to be written.
