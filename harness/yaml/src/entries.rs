//! Files that are one mapping of named things, each of which is read for itself.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{At, Listed, Ordered, Source};

impl Source {
    /// The entries of the mapping at `key`, by name. `File` is the file as a whole, and `of` takes the mapping out of it. An
    /// entry that is no `T`, or whose name is given twice, is broken, and none of the others is.
    pub fn entries<File: DeserializeOwned, T: DeserializeOwned>(
        &self,
        kind: &'static str,
        key: &'static str,
        of: impl FnOnce(File) -> Ordered<IgnoredAny>,
    ) -> Listed<(At<String>, T)> {
        let Ordered(entries) = match self.parse_as(PhantomData, &super::duplicates_passed()) {
            Ok(file) => of(file),
            Err(error) => return Listed::unreadable(kind, error),
        };
        let names: Vec<At<String>> = entries.into_iter().map(|(name, _)| name).collect();
        let is_first = |index: usize, name: &str| !names.iter().take(index).any(|other| other.value == name);
        let unique = names.iter().enumerate().all(|(index, name)| is_first(index, name));
        let options = if unique { super::options() } else { super::duplicates_passed() };
        let mut listed = Listed::default();
        for (index, name) in names.iter().enumerate().filter(|(index, name)| is_first(*index, name)) {
            let twice = names.iter().skip(index + 1).find(|other| other.value == name.value);
            let read = match twice {
                Some(twice) => Err(super::explain::given_twice(self, twice)),
                None => self.parse_as(One { key, index, of: PhantomData::<T> }, &options),
            };
            listed.add(kind, name, read.map(|value| (name.clone(), value)).map_err(Into::into));
        }
        listed
    }
}

/// Entry number `index` of the mapping at `key`.
struct One<T> {
    key: &'static str,
    index: usize,
    of: PhantomData<T>,
}

/// Entry number `.0` of a mapping.
struct Entry<T>(usize, PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for One<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for One<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.key {
                found = Some(map.next_value_seed(Entry(self.index, self.of))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.ok_or_else(|| serde::de::Error::missing_field(self.key))
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Entry<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entry<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let (mut index, mut found) = (0, None);
        while map.next_key::<At<String>>()?.is_some() {
            if index == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            index += 1;
        }
        found.ok_or_else(|| serde::de::Error::custom("the entry is not there"))
    }
}
