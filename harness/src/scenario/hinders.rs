//! What a scenario does that may keep pstore from writing, in words for a verdict.

use super::{Action, Actor, Context, EfivarsAccess, EfivarsLoad, Failing, Lock};
use crate::model::errors::error_in_words;
use crate::model::pstore::Backend;

impl Actor {
    /// What it does to the store in a guest with this back end, as the rest of a sentence about its CPU; none if it leaves
    /// that alone.
    pub fn hinders(&self, pstore: Backend) -> Option<String> {
        let function = self.function(pstore);
        Some(match (&self.action, &self.context) {
            (Action::Hold { lock, .. }, _) => format!("held {}", of_store(*lock)?),
            (Action::Harvest { .. }, _) => "read and erased pstore's records".to_owned(),
            (Action::Spin { .. }, Context::Dumper | Context::BackendWrite) => format!("was kept in {}()", function?),
            (Action::Fail { failing, part, .. }, _) => {
                let way = match failing {
                    Failing::Error(error) => format!("return {}", error_in_words(*error)),
                    Failing::Lies => "return success and write nothing".to_owned(),
                    Failing::Torn => "write half of a record".to_owned(),
                };
                let of = part.map(|part| format!(" for part {part}")).unwrap_or_default();
                format!("had {}() {way}{of}", function?)
            }
            _ => return None,
        })
    }
}

/// What user space does to the store all the while, as a sentence.
pub fn background(load: &EfivarsLoad) -> String {
    let cpus: Vec<String> = load.cpus.iter().map(u32::to_string).collect();
    let does = match load.access {
        EfivarsAccess::Read => "read all EFI variables",
        EfivarsAccess::Write => "rewrote an EFI variable",
    };
    format!("user space {does} over and over, on CPU {}", cpus.join(", "))
}

/// The lock, if a back end or pstore takes it to write.
const fn of_store(lock: Lock) -> Option<&'static str> {
    Some(match lock {
        Lock::PstoreBuf => "pstore's buf_lock",
        Lock::Erst => "erst_lock",
        Lock::RamoopsZone => "the lock of ramoops' zone",
        Lock::Efivars => "efivars_lock",
        Lock::EfivarsSem => "the spin lock inside of efivars_lock",
        Lock::EfiRuntime => "efi_runtime_lock",
        Lock::EfiRuntimeSem => "the spin lock inside of efi_runtime_lock",
        Lock::Console | Lock::ConsoleSem | Lock::UartPort | Lock::Die | Lock::Module | Lock::Logbuf => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::pstore::Ramoops;
    use crate::scenario::Stay;

    fn actor(action: Action, context: Context) -> Actor {
        Actor { name: "it".to_owned(), cpu: 1, action, context, start: None }
    }

    #[test]
    fn what_is_done_to_the_store_is_told_and_nothing_else() {
        let stay = Stay::For(Duration::ZERO);
        let fail = |failing, part| Action::Fail { failing, part, times: None };
        let ramoops = Backend::Ramoops(Ramoops::default());
        for (action, context, pstore, said) in [
            (Action::Hold { lock: Lock::Erst, stay }, Context::IrqsOff, Backend::default(), Some("held erst_lock")),
            (Action::Hold { lock: Lock::Console, stay }, Context::Thread, Backend::default(), None),
            (Action::Spin { stay }, Context::Dumper, Backend::default(), Some("was kept in pstore_dump()")),
            (Action::Spin { stay }, Context::Thread, Backend::default(), None),
            (Action::Harvest { stay }, Context::Thread, ramoops, Some("read and erased pstore's records")),
            (Action::Panic, Context::Thread, Backend::default(), None),
            (
                fail(Failing::Error(-28), Some(2)),
                Context::BackendWrite,
                Backend::default(),
                Some("had erst_writer() return -28 (ENOSPC) for part 2"),
            ),
            (
                fail(Failing::Lies, None),
                Context::BackendWrite,
                ramoops,
                Some("had ramoops_pstore_write() return success and write nothing"),
            ),
            (
                fail(Failing::Torn, None),
                Context::Function("f".to_owned()),
                Backend::default(),
                Some("had f() write half of a record"),
            ),
        ] {
            assert_eq!(actor(action, context).hinders(pstore).as_deref(), said);
        }
        let load = EfivarsLoad { access: EfivarsAccess::Read, cpus: vec![1, 2] };
        assert_eq!(background(&load), "user space read all EFI variables over and over, on CPU 1, 2");
    }
}
