// SPDX-License-Identifier: GPL-2.0
/*
 * What actors do, in whatever context they are.
 */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/pstore.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/version.h>

#include "crashlab.h"

/* Whether this is an actor's CPU, and its time has come. */
bool cl_is_here(const struct cl_actor *a)
{
	/* Pairs with the releases that make an actor live. */
	return READ_ONCE(cl_page->fired_tsc) && smp_load_acquire(&a->live) &&
	       (a->anywhere || raw_smp_processor_id() == a->cpu);
}

/*
 * Whether an actor that its CPU comes by is to act: once, on its own CPU, from
 * its time on.
 */
bool cl_is_due(struct cl_actor *a)
{
	return cl_is_here(a) && !atomic_xchg(&a->taken, 1);
}

/*
 * Spends a critical section's time as turns of udelay(1), which is how
 * native_stop_other_cpus() counts the second that it grants the other CPUs. On
 * an emulated CPU a turn takes longer than its microsecond, and on a busy host
 * much longer; but then both loops stretch alike, and which of them ends first
 * stays what it is on real hardware.
 *
 * Safe anywhere, also with interrupts off and in an NMI.
 */
static void cl_spend(struct cl_actor *a)
{
	for (u64 us = 0; us < a->for_us; us++) {
		udelay(1);
		WRITE_ONCE(a->slot->spent_us, us + 1);
	}
}

/* A depth that is never reached, which the compiler must not know. */
static int cl_bottom = -1;

static noinline int cl_overflow_stack(int depth)
{
	char frame[512];

	frame[0] = depth;
	barrier_data(frame);
	return depth == READ_ONCE(cl_bottom) ? 0 : cl_overflow_stack(depth + 1) + frame[0];
}

/* In assembly, because for the compiler there is no such division. */
static void cl_divide_by_zero(void)
{
	u32 low = 1, high = 0;

	asm volatile("divl %2" : "+a"(low), "+d"(high) : "r"(0));
}

/* No function is there; the compiler must not know. */
static void (*cl_nowhere)(void);

/*
 * Writes over the mark that the compiler puts behind a buffer, which is found
 * when the function is about to return.
 */
static noinline void cl_overrun_buffer(void)
{
	char buffer[16];
	char *start = buffer;

	OPTIMIZER_HIDE_VAR(start);
	memset(start, 0xff, 4 * sizeof(buffer));
}

static void cl_die_by_oops(enum cl_oops oops)
{
	switch (oops) {
	case CL_OOPS_BUG:
		BUG();
		break;
	case CL_OOPS_PAGE_FAULT:
		/* The first page is never mapped in the kernel. */
		WRITE_ONCE(*(int *)8, 0);
		break;
	case CL_OOPS_GPF:
		/* No canonical address. */
		WRITE_ONCE(*(int *)0xdead000000000000UL, 0);
		break;
	case CL_OOPS_STACK:
		cl_overflow_stack(0);
		break;
	case CL_OOPS_DIVIDE:
		cl_divide_by_zero();
		break;
	case CL_OOPS_NULL_CALL:
		READ_ONCE(cl_nowhere)();
		break;
	case CL_OOPS_STACK_PROTECTOR:
		cl_overrun_buffer();
		break;
	}
}

static void cl_die_by_panic(struct pt_regs *regs)
{
	/*
	 * In an NMI as the kernel's own handlers do, which comes back if this
	 * CPU is panicking already.
	 */
	if (in_nmi())
		nmi_panic(regs, cl_panic_text);
	else
		panic("%s", cl_panic_text);
}

static bool cl_may_sleep(const struct cl_actor *a)
{
	return a->context == CL_CONTEXT_THREAD;
}

/* The end of an actor's time, if it has one that ends. */
static bool cl_is_over(const struct cl_actor *a, u64 until)
{
	return a->for_us != CL_FOR_EVER && (s64)(until - cl_now()) <= 0;
}

/* Prints messages: `count` of them, or for a time, or without end. */
static void cl_print(struct cl_actor *a)
{
	u64 until = cl_now() + cl_us_to_tsc(a->for_us);

	for (u32 n = 1; !a->count || n <= a->count; n++) {
		pr_info("crashlab: %.16s says %u\n", a->slot->name, n);
		WRITE_ONCE(a->slot->spent_us, n);
		if (a->for_us && cl_is_over(a, until))
			break;
		if (a->every_us && cl_may_sleep(a))
			usleep_range(a->every_us, a->every_us + 50);
		else if (a->every_us)
			cl_delay(a->every_us);
		else if (cl_may_sleep(a))
			cond_resched();
	}
}

/* Sleeps where only time wakes it: what the hung-task detector looks for. */
static void cl_block(struct cl_actor *a)
{
	u64 until = cl_now() + cl_us_to_tsc(a->for_us);

	do {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (a->for_us == CL_FOR_EVER)
			schedule();
		else
			schedule_timeout(max(1UL, usecs_to_jiffies(a->for_us)));
	} while (!cl_is_over(a, until));
}

/*
 * Reads and erases pstore's records as its file system does when it is mounted
 * and its files are removed (pstore_get_backend_records(), pstore_unlink()).
 */
static void cl_harvest_once(struct pstore_info *psi)
{
	mutex_lock(&psi->read_mutex);
	if (psi->open && psi->open(psi))
		goto out_unlock;
	for (;;) {
		struct pstore_record *record = kzalloc(sizeof(*record), GFP_KERNEL);

		if (!record)
			break;
		record->psi = psi;
		record->size = psi->read(record);
		if (record->size <= 0) {
			kfree(record);
			break;
		}
		if (psi->erase)
			psi->erase(record);
		kvfree(record->buf);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
		kfree(record->priv);
#endif
		kfree(record);
	}
	if (psi->close)
		psi->close(psi);
out_unlock:
	mutex_unlock(&psi->read_mutex);
}

static void cl_harvest(struct cl_actor *a)
{
	struct pstore_info **registered = cl_find_symbol("psinfo");
	u64 until = cl_now() + cl_us_to_tsc(a->for_us);

	while (!cl_is_over(a, until)) {
		if (registered && *registered)
			cl_harvest_once(*registered);
		WRITE_ONCE(a->slot->spent_us, a->slot->spent_us + 1);
		cond_resched();
	}
}

static void cl_reboot(enum cl_reboot how)
{
	switch (how) {
	case CL_REBOOT_EMERGENCY:
		emergency_restart();
		break;
	case CL_REBOOT_ORDERLY:
		kernel_restart(NULL);
		break;
	case CL_REBOOT_POWER_OFF:
		kernel_power_off();
		break;
	}
}

/* Takes page after page and gives none back. */
static void cl_exhaust(struct cl_actor *a)
{
	for (;;) {
		if (alloc_page(GFP_KERNEL))
			WRITE_ONCE(a->slot->spent_us, a->slot->spent_us + 1);
		cond_resched();
	}
}

/* Waits for one grace period of RCU after the other. */
static void cl_synchronize_rcu(struct cl_actor *a)
{
	u64 until = cl_now() + cl_us_to_tsc(a->for_us);

	while (!cl_is_over(a, until)) {
		synchronize_rcu();
		WRITE_ONCE(a->slot->spent_us, a->slot->spent_us + 1);
	}
}

static void cl_answer(void *unused)
{
}

/* Takes a CPU down, or brings it up. An actor that cannot never leaves. */
static bool cl_switch_cpu(const struct cl_actor *a)
{
	int err = a->action == CL_ACTION_CPU_DOWN ? remove_cpu(a->target) : add_cpu(a->target);

	if (err)
		pr_err("crashlab: %.16s: CPU %u: %d\n", a->slot->name, a->target, err);
	return !err;
}

/*
 * Takes the actor through its critical section. `regs` are those of the NMI
 * that it is in, NULL elsewhere.
 */
void cl_act(struct cl_actor *a, struct pt_regs *regs)
{
	/* What is slept for is taken outside of the context. */
	bool locks = a->action == CL_ACTION_HOLD && !cl_is_slept_for(a->lock);

	if (locks)
		cl_take_lock(a);
	cl_enter(a);
	switch (a->action) {
	case CL_ACTION_OOPS:
		cl_die_by_oops(a->oops);
		break;
	case CL_ACTION_PANIC:
		cl_die_by_panic(regs);
		break;
	case CL_ACTION_WARN:
		WARN(1, "crashlab %.16s\n", cl_page->nonce);
		break;
	case CL_ACTION_SPIN:
	case CL_ACTION_HOLD:
		cl_spend(a);
		break;
	case CL_ACTION_PRINT:
		cl_print(a);
		break;
	case CL_ACTION_REBOOT:
		cl_reboot(a->how);
		break;
	case CL_ACTION_BLOCK:
		cl_block(a);
		break;
	case CL_ACTION_HARVEST:
		cl_harvest(a);
		break;
	case CL_ACTION_EXHAUST:
		cl_exhaust(a);
		break;
	case CL_ACTION_SYNCHRONIZE_RCU:
		cl_synchronize_rcu(a);
		break;
	case CL_ACTION_CALL:
		smp_call_function_single(a->target, cl_answer, NULL, true);
		break;
	case CL_ACTION_FAIL:
		/* The function's, see cl_fail(). */
	case CL_ACTION_EXIT:
		/* The agent's, see cl_await_exit(). */
	case CL_ACTION_NMI:
	case CL_ACTION_MCE:
		/* Come from outside. */
		break;
	case CL_ACTION_CPU_DOWN:
	case CL_ACTION_CPU_UP:
		if (!cl_switch_cpu(a))
			return;
		break;
	}
	cl_leave(a);
	if (locks)
		cl_release_lock(a);
}
