//! Modules of the kernel's own that guests need, where these are not built in.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use harness_protocol::image::MODULES;

/// Loads those that the initramfs has, in their order. The kernel's command line sets their parameters, as for modules that are
/// built in: who loads a module has to see to that.
pub fn load() -> Result<(), String> {
    let entries = match fs::read_dir(MODULES) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("list {MODULES}: {error}")),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(|e| format!("list {MODULES}: {e}"))?;
    paths.sort();
    let line = fs::read_to_string("/proc/cmdline").map_err(|e| format!("read /proc/cmdline: {e}"))?;
    for path in paths {
        let told = |e: &dyn std::fmt::Display| format!("load {}: {e}", path.display());
        let file = File::open(&path).map_err(|e| told(&e))?;
        let parameters = CString::new(parameters(&line, name(&path))).map_err(|e| told(&e))?;
        rustix::system::finit_module(&file, &parameters, 0).map_err(|e| told(&e))?;
    }
    Ok(())
}

/// The name of a module, by its file: `/modules/00-virtio_ring.ko`.
fn name(path: &Path) -> &str {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem.split_once('-').map_or(stem, |(_, name)| name)
}

/// What a command line sets of a module: of `ramoops.ecc=1 quiet` it is `ecc=1`.
fn parameters(line: &str, module: &str) -> String {
    let of_module = line.split_ascii_whitespace().filter_map(|word| {
        let (name, parameter) = word.split_once('.')?;
        (name.replace('-', "_") == module).then_some(parameter)
    });
    of_module.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_told_what_the_command_line_sets_of_it() {
        assert_eq!(name(Path::new("/modules/03-qemu_fw_cfg.ko")), "qemu_fw_cfg");
        let line = "console=ttyS0 ramoops.mem_size=0x1000 qemu-fw-cfg.x=1 ramoops.ecc=1 pstore.backend=ramoops\n";
        assert_eq!(parameters(line, "ramoops"), "mem_size=0x1000 ecc=1");
        assert_eq!(parameters(line, "qemu_fw_cfg"), "x=1");
        assert_eq!(parameters(line, "virtio_pci"), "");
    }
}
