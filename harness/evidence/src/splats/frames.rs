//! Functions as the kernel writes them, and which of them a report is about.

/// Functions that only carry out what their callers ask for, or that tell of what is wrong: a report is about whoever
/// called them. Beginnings of names, by what they do.
const CARRIES_OUT: [&str; 5] = [TELL, CHECK, SERVE, LOCK, WAIT];

/// They tell of what is wrong.
const TELL: &str = "dump_stack __dump_stack show_stack show_regs show_trace dump_backtrace print_ __show_regs vpanic nmi_panic \
    __warn warn_slowpath report_bug handle_bug __report_bug exc_ asm_exc_ nmi_cpu_backtrace nmi_trigger_cpumask \
    rcu_dump_cpu_stacks rcu_check_gp rcu_check_callbacks rcu_sched_clock_irq rcu_pending arch_trigger_ trigger_ \
    perf_trace_ __do_kernel_fault skb_panic skb_over_panic skb_under_panic __stack_chk_fail assertfail create_object \
    __x86_indirect_thunk dump_cpu_task sched_show_task bug_handler call_break_hook brk_handler do_debug_exception \
    el1_dbg el1h_64_sync el1_abort el1_sync el1_brk64 oops_end do_mem_abort do_translation_fault";

/// They look for what is wrong.
const CHECK: &str = "kasan_ __kasan __asan_ __hwasan __sanitizer_cov write_comp_data check_memory_region kmsan_ __msan_ kcsan_ \
    __kcsan __tsan_ ubsan_ __ubsan kfence_ __kfence end_report check_preemption_disabled debug_smp_processor_id \
    __this_cpu_preempt_check lockdep_ __might_ ___might_ might_ __cant_ __schedule_bug debug_object \
    debug_print_object __debug_object debug_check_no __debug_check_no debug_deactivate __list_add_valid \
    __list_del_entry_valid refcount_ __refcount_ kref_ check_stack_object __check_object_size usercopy_ \
    check_heap_object check_slab_allocation __check_heap_object __bad_ spin_bug spin_dump rwlock_bug stack_depot \
    check_flush_dependency check_bytes_and_report check_object object_err slab_err slab_bug slab_fix \
    free_consistency alloc_debug free_debug bad_page free_page_is_bad check_free_page check_new_page fortify_panic \
    __fortify assert_spin_locked rcu_is_watching rcu_lockdep";

/// They copy, count, find and hand out memory.
const SERVE: &str = "memcpy memset memmove memcmp memchr __memcpy __memset __memmove __pi_mem __pi_str strlen strnlen strcmp strncmp \
    strcpy strncpy strscpy strlcpy strchr strstr sized_str _copy_ __copy_ copy_user rep_movs clear_user csum_partial \
    atomic_ arch_atomic raw_atomic instrument_atomic __fget kfree kvfree vfree __vfree kmem_cache_ kmalloc __kmalloc \
    __do_kmalloc kzalloc krealloc kmemdup kstrdup kvmalloc __kvmalloc vmalloc __vmalloc vzalloc slab_ ___slab __slab \
    __kmem_cache do_slab_free cache_free ___cache_free __cache_free free_to_partial __alloc_pages alloc_pages \
    __free_pages free_unref __free_one_page free_frozen __free_frozen get_page_from_freelist prep_new_page \
    post_alloc_hook __alloc_frozen qlink_free qlist_free percpu_ref_ __kfree __get_free_pages __page_cache_alloc rb_ \
    __rb_ klist_ xas_ xa_ timerqueue_ crc_ _atomic_dec_and test_and_ stack_trace_ arch_stack_walk __wake_up do_tag_ \
    do_error_trap do_invalid_op invalid_op fixup_bug warn_bogus __reiserfs_panic";

/// They take and give back locks.
const LOCK: &str = "_raw_ __raw_spin do_raw_ __do_raw queued_spin native_queued queued_read queued_write __pv_queued pv_wait \
    arch_spin lock_acquire lock_release __lock_ lock_is_held lock_sock_nested register_lock_class assign_lock_key \
    validate_chain check_prev check_noncircular check_deadlock check_wait_context check_irq_usage mark_lock \
    mark_held mark_usage valid_state mutex_ __mutex_ ww_mutex down_read down_write down_trylock down_interruptible \
    down_killable down_timeout __down up_read up_write __up_ rwsem_ rt_mutex rt_spin rtlock rt_read rt_write \
    percpu_down __percpu_down percpu_up percpu_rwsem osq_lock ww_acquire bit_wait __wait_on_bit out_of_line_wait";

/// They wait.
const WAIT: &str = "schedule __schedule __sched_text preempt_schedule io_schedule __switch_to __cond_resched _cond_resched \
    cond_resched wait_for_completion __wait_for_common do_wait_for_common wait_for_common __wait_rcu_gp \
    synchronize_rcu synchronize_srcu __synchronize_srcu rcu_barrier msleep usleep_range fsleep do_nanosleep delay_ \
    __delay __const_udelay __udelay __ndelay __loop_delay context_switch wait_on_page __lock_page folio_wait \
    __folio_lock wait_woken synchronize_ __flush_work flush_work native_halt native_safe_halt smp_call_function \
    csd_lock_wait generic_exec_single on_each_cpu";

/// Functions of this kind, by their whole names.
const CARRY_OUT: &[&str] = &["panic", "die", "__die", "kobject_add_internal", "kobject_init_internal"];

/// Names that begin like those, and are what a report is about.
const ARE_TOLD: &[&str] = &["schedule_work", "schedule_delayed_work"];

/// Characters of a name that are kept at most.
const MAX_NAME: usize = 96;

/// A function of the kernel, or of a module of its.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name, without what a compiler has put behind it.
    pub name: String,
    /// The module that it is of, if it is of one.
    pub module: Option<String>,
}

impl Function {
    /// Whether a report is about who called it.
    pub(super) fn carries_out(&self) -> bool {
        let begins = |names: &str| names.split(' ').any(|name| self.name.starts_with(name));
        let is_told = ARE_TOLD.iter().any(|name| self.name.starts_with(name));
        CARRY_OUT.contains(&self.name.as_str()) || CARRIES_OUT.into_iter().any(begins) && !is_told
    }
}

/// The function that a text begins with, `foo+0x1a/0x40 [bar]` or `foo (lib/foo.c:12)`, and what comes behind.
pub(super) fn function(text: &str) -> Option<(Function, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'))).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    if name.is_empty() || name.len() > MAX_NAME || name.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let rest = offset(rest).or_else(|| place(rest))?;
    let (module, rest) = match rest.strip_prefix(" [").and_then(|rest| rest.split_once(']')) {
        // Behind the module may stand what it was built as.
        Some((inside, rest)) if is_module(inside) => (inside.split(' ').next().map(str::to_owned), rest),
        _ => (None, rest),
    };
    Some((Function { name: without_suffix(name).to_owned(), module }, rest))
}

/// The function that a text begins with where it has no offset: `foo`, `foo [bar]`.
pub(super) fn bare_function(text: &str) -> Option<Function> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let module = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(module, _)| module);
    let is_name = !name.is_empty() && name.len() <= MAX_NAME;
    let name = without_suffix(name).to_owned();
    is_name.then(|| Function { name, module: module.filter(|module| is_module(module)).map(str::to_owned) })
}

/// What comes behind `+0x1a/0x40`.
fn offset(text: &str) -> Option<&str> {
    let hex = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let rest = text.strip_prefix("+0x")?;
    let rest = rest.get(hex(rest)..)?.strip_prefix("/0x")?;
    (hex(rest) > 0).then(|| rest.get(hex(rest)..)).flatten()
}

/// What comes behind ` (kernel/foo.c:12)`, as tools put it in place of the offset.
fn place(text: &str) -> Option<&str> {
    let (inside, rest) = text.strip_prefix(" (")?.split_once(')')?;
    let (file, line) = inside.split_once(':')?;
    let is_file = file.contains('.') && !file.contains(' ');
    (is_file && line.starts_with(|c: char| c.is_ascii_digit())).then_some(rest)
}

fn is_module(inside: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ' | '(' | ')');
    inside != "inline" && !inside.is_empty() && inside.chars().all(name)
}

/// A name without `.isra.0` and its like.
pub(super) fn without_suffix(name: &str) -> &str {
    name.find('.').filter(|at| *at > 0).and_then(|at| name.get(..at)).unwrap_or(name)
}

/// A line of a trace of calls. Calls that the kernel only guesses, `? foo+0x1a/0x40`, are none.
pub(super) fn frame(text: &str) -> Option<Function> {
    let text = match text.strip_prefix("[<") {
        Some(rest) => rest.split_once(">]")?.1.trim_start(),
        None => text,
    };
    let (function, rest) = function(text)?;
    // `(P)`: how the unwinder has got there; `kernel/foo.c:12`: what a tool has looked up.
    let is_place = |rest: &str| !rest.contains(' ') && rest.contains(':');
    let ends = rest.trim().is_empty() || rest.starts_with(" (") || rest.starts_with(" [") || is_place(rest.trim());
    ends.then_some(function)
}

/// The function where a CPU stood, by a line that has its program counter. One of a user's program has none.
pub(super) fn pointer(text: &str) -> Option<Function> {
    let at = if let Some(rest) = text.strip_prefix("RIP: ") {
        rest.strip_prefix("0010:").unwrap_or(rest)
    } else {
        ["pc : ", "epc : ", "PC is at ", "pc: "].iter().find_map(|mark| text.strip_prefix(mark))?
    };
    let mut at = at.trim_start();
    while let Some((_, rest)) = at.strip_prefix("[<").and_then(|rest| rest.split_once(">]")) {
        at = rest.trim_start();
    }
    function(at).map(|(function, _)| function)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<(String, Option<String>)> {
        function(text).map(|(function, _)| (function.name, function.module))
    }

    #[test]
    fn functions_as_the_kernel_writes_them() {
        let of = |name: &str, module: Option<&str>| Some((name.to_owned(), module.map(str::to_owned)));
        assert_eq!(named("foo+0x1a/0x40"), of("foo", None));
        assert_eq!(named("foo+0x1a/0x40 [bar]"), of("foo", Some("bar")));
        assert_eq!(named("foo.isra.0+0x1a/0x40 [bar 0123abcd]"), of("foo", Some("bar")));
        assert_eq!(named("foo (lib/foo.c:12)"), of("foo", None));
        for text in ["foo", "foo+0x", "foo+0x1", "+0x1/0x2", "0xffffffff81000000", "foo bar", "foo (deleted)", ""] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn a_trace_has_the_calls_that_are_sure() {
        let name = |text| frame(text).map(|function| function.name);
        assert_eq!(name("foo+0x1/0x2").as_deref(), Some("foo"));
        assert_eq!(name("[<ffffffff81000000>] foo+0x1/0x2").as_deref(), Some("foo"));
        assert_eq!(name("foo+0x1/0x2 (P)").as_deref(), Some("foo"));
        for text in ["? foo+0x1/0x2", "<TASK>", "foo+0x1/0x2, and so on", "[<", ""] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn where_a_cpu_stood() {
        let name = |text| pointer(text).map(|function| function.name);
        for text in
            ["RIP: 0010:foo+0x1/0x2 [bar]", "pc : foo+0x1/0x2", "RIP: 0010:[<ffffffff81>]  [<ffffffff81>] foo+0x1/0x2"]
        {
            assert_eq!(name(text).as_deref(), Some("foo"), "{text}");
        }
        for text in ["RIP: 0033:0x7f1234567890", "RIP: 0010:0x0", "lr : foo+0x1/0x2"] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
