//! One door for every YAML file: to be written.
