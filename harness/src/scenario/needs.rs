//! What a kernel must have: what the file says, and what its actors cannot do without.

use super::file::NeedsFile;
use super::{Action, Actor, EfivarsLoad, Guest, Lock, Needs, OopsKind};
use crate::model::order::OwnStep;
use crate::model::pstore::{Backend, Efi};
use crate::yaml::At;

/// What is `written`, then what the steps of the scenario's own, the guest's consoles, the back end of its pstore, what user
/// space does, a crash kernel and the actors need, each once. A step whose function had several names needs none of them: where there is none it is not seen.
pub(super) fn needs<C, T>(
    written: &NeedsFile,
    steps: &[OwnStep],
    guest: &Guest,
    background: Option<&EfivarsLoad>,
    actors: &[Actor<C, T>],
) -> Needs {
    let text = |written: &Option<At<String>>| written.as_ref().map(|written| written.value.clone());
    let texts = |written: &[At<String>]| written.iter().map(|written| written.value.clone()).collect();
    let NeedsFile { since, until, functions, symbols, config } = written;
    let mut needs = Needs {
        since: text(since),
        until: text(until),
        functions: texts(functions),
        symbols: texts(symbols),
        config: texts(config),
        // All others that actors hold are raw_spinlock_t in every kernel that has PREEMPT_RT.
        spinning: Vec::new(),
    };
    let add = |list: &mut Vec<String>, name: &str| {
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
    };
    for option in guest.consoles.iter().flat_map(|console| console.needs()) {
        add(&mut needs.config, option);
    }
    match &guest.pstore {
        Backend::Erst(_) => {}
        Backend::Ramoops(_) => add(&mut needs.config, "CONFIG_PSTORE_RAM"),
        Backend::Efi(efi) => {
            add(&mut needs.config, "CONFIG_EFI_STUB");
            add(&mut needs.config, "CONFIG_EFI_VARS_PSTORE");
            if efi.record != Efi::RECORD {
                needs.since = Some(later(needs.since.take(), EFI_RECORD_SIZE_SINCE));
            }
        }
    }
    if guest.pstore.has_console() {
        add(&mut needs.config, "CONFIG_PSTORE_CONSOLE");
    }
    if background.is_some() {
        add(&mut needs.config, "CONFIG_EFIVAR_FS");
    }
    if guest.crashkernel_mib.is_some() {
        for option in ["CONFIG_KEXEC_FILE", "CONFIG_CRASH_DUMP", "CONFIG_PROC_VMCORE", "CONFIG_VIRTIO_CONSOLE"] {
            add(&mut needs.config, option);
        }
    }
    for step in steps {
        if let [function] = step.functions.as_slice() {
            add(&mut needs.functions, function);
        }
    }
    for actor in actors {
        if let Some(function) = actor.function(guest.pstore) {
            add(&mut needs.functions, function);
        }
        match actor.action {
            Action::Hold { lock: Lock::UartPort, .. } => {
                add(&mut needs.functions, "serial8250_get_port");
                needs.spinning = vec![Lock::UartPort];
            }
            Action::Hold { lock, .. } => {
                if let Some(symbol) = symbol(lock) {
                    add(&mut needs.symbols, symbol);
                }
            }
            Action::Harvest { .. } => add(&mut needs.symbols, "psinfo"),
            Action::Mce => add(&mut needs.functions, "mce_gen_pool_add"),
            Action::Oops { kind: OopsKind::StackProtector, .. } => add(&mut needs.functions, "__stack_chk_fail"),
            Action::Switch { up: false, .. } => add(&mut needs.functions, "remove_cpu"),
            Action::Switch { up: true, .. } => add(&mut needs.functions, "add_cpu"),
            _ => {}
        }
    }
    needs
}

/// The release of Linux with which `efi_pstore.record_size` came.
const EFI_RECORD_SIZE_SINCE: &str = "6.2";

/// The later of two releases.
fn later(one: Option<String>, other: &str) -> String {
    let numbers = |release: &str| release.split('.').map(|number| number.parse().unwrap_or(0)).collect::<Vec<u32>>();
    one.filter(|one| numbers(one) > numbers(other)).unwrap_or_else(|| other.to_owned())
}

/// The variable by which crashlab finds a lock.
const fn symbol(lock: Lock) -> Option<&'static str> {
    match lock {
        Lock::PstoreBuf => Some("psinfo"),
        Lock::Erst => Some("erst_lock"),
        Lock::ConsoleSem => Some("console_sem"),
        Lock::Die => Some("die_lock"),
        Lock::Logbuf => Some("logbuf_lock"),
        Lock::Efivars | Lock::EfivarsSem => Some("efivars_lock"),
        Lock::EfiRuntime | Lock::EfiRuntimeSem => Some("efi_runtime_lock"),
        Lock::RamoopsZone | Lock::Console | Lock::UartPort | Lock::Module => None,
    }
}
