//! Enums whose variants have a word each, and some of them a number too.

/// Defines an enum whose variants are written as words, in files too, and as numbers where that is said.
macro_rules! words {
    (
        $(#[$of_enum:meta])*
        $name:ident {
            $($(#[$of_variant:meta])* $variant:ident = $word:literal $(as $number:literal)?,)+
        }
    ) => {
        $(#[$of_enum])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Deserialize, schemars::JsonSchema))]
        pub enum $name {
            $($(#[$of_variant])* #[cfg_attr(feature = "serde", serde(rename = $word))] $variant $(= $number)?,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

pub(crate) use words;
