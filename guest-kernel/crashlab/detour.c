// SPDX-License-Identifier: GPL-2.0
/*
 * Acting at the entry of a function of the kernel's, in that function's own context.
 *
 * A breakpoint's handler would not do: in it in_nmi() holds, and panic(), printk() and pstore go other ways in an NMI. So
 * the handler only sends the CPU on a detour, from which it comes back to the function as if nothing had been.
 */
#include <linux/kprobes.h>
#include <linux/linkage.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include "crashlab.h"

void crashlab_detour(void);
void crashlab_arrive(void);

/* Who has sent this CPU on its detour. */
static DEFINE_PER_CPU(struct actor *, arriving);

/*
 * On the stack lies where to go on, pushed by the breakpoint's handler. What a function's arguments may be in is kept.
 */
asm(".pushsection .text, \"ax\"\n"
    ".globl crashlab_detour\n"
    ".type crashlab_detour, @function\n"
    "crashlab_detour:\n"
    "	push %rbp\n"
    "	mov %rsp, %rbp\n"
    "	push %rax\n	push %rdi\n	push %rsi\n	push %rdx\n	push %rcx\n"
    "	push %r8\n	push %r9\n	push %r10\n	push %r11\n"
    "	call crashlab_arrive\n"
    "	pop %r11\n	pop %r10\n	pop %r9\n	pop %r8\n"
    "	pop %rcx\n	pop %rdx\n	pop %rsi\n	pop %rdi\n	pop %rax\n"
    "	pop %rbp\n"
    "	" ASM_RET
    ".size crashlab_detour, . - crashlab_detour\n"
    ".popsection\n");

void crashlab_arrive(void)
{
	struct actor *a = this_cpu_xchg(arriving, NULL);

	if (a)
		act(a, NULL);
}

static int arrive(struct kprobe *probe, struct pt_regs *regs)
{
	struct actor *a = container_of(probe, struct actor, probe);
	unsigned long back = (unsigned long)probe->addr;

	if (!is_due(a))
		return 0;
	/*
	 * Straight to the copy of the first instruction, which jumps back behind it: a second breakpoint would look from
	 * outside like a second call.
	 */
	if (probe->ainsn.boostable)
		back = (unsigned long)probe->ainsn.insn;
	a->argument = regs->di;
	this_cpu_write(arriving, a);
	/* The entry of a breakpoint leaves room for this (int3_emulate_push()). */
	regs->sp -= sizeof(unsigned long);
	*(unsigned long *)regs->sp = back;
	regs->ip = (unsigned long)crashlab_detour;
	return 1;
}
NOKPROBE_SYMBOL(arrive);

/*
 * Only there to keep the probe a breakpoint: an optimised probe is patched in some time after it was armed, with an IPI
 * to all CPUs, which would be one more thing that meets the faults at random.
 */
static void keep_breakpoint(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

int prepare_detour(struct actor *a)
{
	a->probe.symbol_name = a->function;
	a->probe.pre_handler = arrive;
	a->probe.post_handler = keep_breakpoint;
	return register_kprobe(&a->probe);
}
