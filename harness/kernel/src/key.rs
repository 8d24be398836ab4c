//! The content address of a kernel: everything that decides what its bytes are.

use super::ToolRecord;
use super::files::sha256;

/// Raised whenever the way a kernel is built changes what comes out of it.
const RECIPE: u32 = 1;

/// What a kernel is made of, by digest.
pub(super) struct Ingredients<'a> {
    /// The source's digest.
    pub source: &'a str,
    /// The patches' digests, in order.
    pub patches: Vec<String>,
    /// The digest of the options asked for.
    pub config: &'a str,
    /// Compiler and linker.
    pub tools: &'a ToolRecord,
    /// Further arguments for make, in order.
    pub arguments: &'a [String],
    /// The digest of the fault-injection module's sources.
    pub module: &'a str,
}

impl Ingredients<'_> {
    /// SHA-256 in hex.
    pub fn key(&self) -> String {
        let Self { source, patches, config, tools: ToolRecord { compiler, linker }, arguments, module } = self;
        let patches: String = patches.iter().flat_map(|digest| ["patch ", digest, "\n"]).collect();
        let arguments: String = arguments.iter().flat_map(|argument| ["make ", argument, "\n"]).collect();
        let text = format!(
            "recipe {RECIPE}\nsource {source}\n{patches}config {config}\ncompiler {compiler}\nlinker {linker}\n\
             {arguments}module {module}\n"
        );
        sha256(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ingredient_and_the_order_of_patches_matter() {
        let tools = ToolRecord { compiler: "gcc 12".into(), linker: "ld 2.40".into() };
        let other = ToolRecord { compiler: "gcc 13".into(), ..tools.clone() };
        let owned = |all: &[&str]| -> Vec<String> { all.iter().map(|&one| one.to_owned()).collect() };
        let made = |source, patches: &[&str], config, tools, arguments: &[&str], module| {
            let (patches, arguments) = (owned(patches), &owned(arguments));
            Ingredients { source, patches, config, tools, arguments, module }.key()
        };
        let key = |source, patches: &[&str], config, tools, module| made(source, patches, config, tools, &[], module);
        let keys = [
            key("s", &["a", "b"], "c", &tools, "m"),
            key("S", &["a", "b"], "c", &tools, "m"),
            key("s", &["b", "a"], "c", &tools, "m"),
            key("s", &["a"], "c", &tools, "m"),
            key("s", &["a", "b"], "C", &tools, "m"),
            key("s", &["a", "b"], "c", &other, "m"),
            key("s", &["a", "b"], "c", &tools, "M"),
            made("s", &["a", "b"], "c", &tools, &["KCFLAGS=-O3"], "m"),
            made("s", &["a", "b"], "c", &tools, &["KCFLAGS=-O3", "LLVM=1"], "m"),
        ];
        let different: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], key("s", &["a", "b"], "c", &tools, "m"));
    }
}
