// SPDX-License-Identifier: GPL-2.0
/*
 * Acting at the entry of a function of the kernel's, in that function's own
 * context.
 *
 * A breakpoint's handler would not do: in_nmi() holds in it, and panic(),
 * printk() and pstore take other paths in an NMI. So the handler only sends the
 * CPU on a detour, from which it returns to the function as if nothing had
 * happened.
 *
 * Where the function is to fail there is nothing to be done but to stamp, and
 * the handler returns to its caller in its place.
 */
#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/kprobes.h>
#include <linux/linkage.h>
#include <linux/pstore.h>
#include <linux/smp.h>

#include "crashlab.h"

/*
 * The breakpoint's handler has pushed the address to return to. The actor is in
 * a register that means nothing at a function's entry, rather than in a per-CPU
 * variable: a task on a detour may be preempted and continue on another CPU. The
 * registers that may hold a function's arguments are preserved.
 */
asm(".pushsection .text, \"ax\"\n"
	".globl cl_detour\n"
	".type cl_detour, @function\n"
	"cl_detour:\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	push %rax\n	push %rdi\n	push %rsi\n	push %rdx\n	push %rcx\n"
	"	push %r8\n	push %r9\n	push %r10\n	push %r11\n"
	"	mov %r11, %rdi\n"
	"	call cl_arrive\n"
	"	pop %r11\n	pop %r10\n	pop %r9\n	pop %r8\n"
	"	pop %rcx\n	pop %rdx\n	pop %rsi\n	pop %rdi\n	pop %rax\n"
	"	pop %rbp\n"
	"	" ASM_RET
	".size cl_detour, . - cl_detour\n"
	".popsection\n");

void cl_arrive(struct cl_actor *a)
{
	cl_act(a, NULL);
}

static int cl_divert(struct kprobe *probe, struct pt_regs *regs)
{
	struct cl_actor *a = container_of(probe, struct cl_actor, probe);
	unsigned long back = (unsigned long)probe->addr;

	if (!cl_is_due(a))
		return 0;
	/*
	 * Straight to the copy of the first instruction, which jumps back
	 * behind it: a second breakpoint would look from outside like a second
	 * call.
	 */
	if (probe->ainsn.boostable)
		back = (unsigned long)probe->ainsn.insn;
	a->argument = regs->di;
	regs->r11 = (unsigned long)a;
	/* The entry of a breakpoint leaves room for this (int3_emulate_push()). */
	regs->sp -= sizeof(unsigned long);
	*(unsigned long *)regs->sp = back;
	regs->ip = (unsigned long)cl_detour;
	return 1;
}

NOKPROBE_SYMBOL(cl_divert);

/* Whether a call, whose first argument this is, is one of those that fail. */
static bool cl_is_to_fail(struct cl_actor *a, const struct pstore_record *record)
{
	if (!cl_is_here(a))
		return false;
	/* ramoops is given the console's lines too. */
	if (a->of_dump && record->type != PSTORE_TYPE_DMESG)
		return false;
	if (a->part && record->part != a->part)
		return false;
	return !a->count || atomic_inc_return(&a->taken) <= a->count;
}

/* From the first call that fails to the last one an actor is in its section. */
static int cl_fail(struct kprobe *probe, struct pt_regs *regs)
{
	struct cl_actor *a = container_of(probe, struct cl_actor, probe);
	struct pstore_record *record = (void *)regs->di;

	if (!cl_is_to_fail(a, record))
		return 0;
	if (!a->slot->hits)
		a->slot->cpu = raw_smp_processor_id();
	cl_enter(a);
	if (a->slot->hits == a->count)
		cl_leave(a);
	if (a->failure == CL_FAILURE_TORN) {
		record->size /= 2;
		return 0;
	}
	regs->ax = a->failure == CL_FAILURE_ERROR ? a->error : 0;
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(unsigned long);
	return 1;
}

NOKPROBE_SYMBOL(cl_fail);

/*
 * Only there to keep the probe a breakpoint: an optimised probe is patched in
 * some time after it was armed, with an IPI to all CPUs, which would be one
 * more thing that meets the faults at random.
 */
static void cl_keep_breakpoint(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

int cl_prepare_detour(struct cl_actor *a)
{
	a->probe.symbol_name = a->function;
	a->probe.pre_handler = a->action == CL_ACTION_FAIL ? cl_fail : cl_divert;
	a->probe.post_handler = cl_keep_breakpoint;
	return register_kprobe(&a->probe);
}

void cl_unprepare_detour(struct cl_actor *a)
{
	unregister_kprobe(&a->probe);
}
