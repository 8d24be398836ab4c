//! QMP transport.
