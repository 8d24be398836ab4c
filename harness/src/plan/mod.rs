//! Stage `plan`: to be written.
