//! Stage `verdict`: to be written.
