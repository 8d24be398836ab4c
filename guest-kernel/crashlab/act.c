// SPDX-License-Identifier: GPL-2.0
/*
 * What actors do, in whatever context they are.
 */
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/pstore.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <asm/msr.h>

#include "crashlab.h"

/*
 * Spend a critical section's time as turns of udelay(1), which is how native_stop_other_cpus() counts the second that it
 * grants the other CPUs. On an emulated CPU a turn takes longer than its microsecond, and on a busy host much longer; but
 * then both loops stretch alike, and which of them ends first stays what it is on real hardware.
 *
 * Safe anywhere, also with interrupts off and in an NMI.
 */
static void spend(struct actor *a)
{
	for (u64 us = 0; us < a->for_us; us++) {
		udelay(1);
		WRITE_ONCE(a->slot->spent_us, us + 1);
	}
}

/* Nobody ever gets there; but the compiler is not to know. */
static volatile int bottom = -1;

static noinline int overflow_stack(int depth)
{
	volatile char frame[512];

	frame[0] = depth;
	return depth == bottom ? 0 : overflow_stack(depth + 1) + frame[0];
}

static void oops(enum oops_kind kind)
{
	switch (kind) {
	case OOPS_BUG:
		BUG();
		break;
	case OOPS_PAGE_FAULT:
		/* The first page is never mapped in the kernel. */
		WRITE_ONCE(*(int *)8, 0);
		break;
	case OOPS_GPF:
		/* No canonical address. */
		WRITE_ONCE(*(int *)0xdead000000000000UL, 0);
		break;
	case OOPS_STACK:
		overflow_stack(0);
		break;
	}
}

static void die_by_panic(struct pt_regs *regs)
{
	if (in_nmi())
		/* As the kernel's own NMI handlers do. It comes back if this CPU panics already. */
		nmi_panic(regs, panic_text);
	else
		panic("%s", panic_text);
}

static bool may_sleep(const struct actor *a)
{
	return a->context == CRASHLAB_IN_THREAD;
}

/*
 * udelay() multiplies 32-bit numbers (__const_udelay()): what is longer than some 250 ms becomes microseconds. mdelay() is
 * a loop of it.
 */
static void delay(u64 us)
{
	mdelay(us / USEC_PER_MSEC);
	udelay(us % USEC_PER_MSEC);
}

/* Messages one after the other: so many, or for so long, or without end. */
static void print(struct actor *a)
{
	u64 until = a->for_us && a->for_us != CRASHLAB_FOR_EVER ? rdtsc_ordered() + us_to_tsc(a->for_us) : 0;

	for (u32 n = 1; !a->count || n <= a->count; n++) {
		pr_info("crashlab: %.16s says %u\n", a->slot->name, n);
		WRITE_ONCE(a->slot->spent_us, n);
		if (until && rdtsc_ordered() >= until)
			break;
		if (a->every_us && may_sleep(a))
			usleep_range(a->every_us, a->every_us + 50);
		else if (a->every_us)
			delay(a->every_us);
		else if (may_sleep(a))
			cond_resched();
	}
}

/* Asleep where nothing but its time wakes it: what the hung-task detector looks for. */
static void block(struct actor *a)
{
	u64 until = rdtsc_ordered() + us_to_tsc(a->for_us);

	do {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (a->for_us == CRASHLAB_FOR_EVER)
			schedule();
		else
			schedule_timeout(max(1UL, usecs_to_jiffies(a->for_us)));
	} while (a->for_us == CRASHLAB_FOR_EVER || (s64)(until - rdtsc_ordered()) > 0);
}

/*
 * Reads and erases pstore's records as its file system does when it is mounted and its files are removed
 * (pstore_get_backend_records(), pstore_unlink()).
 */
static void harvest_once(struct pstore_info *psi)
{
	mutex_lock(&psi->read_mutex);
	if (!psi->open || !psi->open(psi)) {
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
	}
	mutex_unlock(&psi->read_mutex);
}

static void harvest(struct actor *a)
{
	struct pstore_info **registered = find_symbol("psinfo");
	u64 until = rdtsc_ordered() + us_to_tsc(a->for_us);

	while (a->for_us == CRASHLAB_FOR_EVER || (s64)(until - rdtsc_ordered()) > 0) {
		if (registered && *registered)
			harvest_once(*registered);
		WRITE_ONCE(a->slot->spent_us, a->slot->spent_us + 1);
		cond_resched();
	}
}

/* `regs`: of an NMI, or none. */
void act(struct actor *a, struct pt_regs *regs)
{
	if (a->action == CRASHLAB_HOLD && a->lock != LOCK_CONSOLE)
		take_lock(a);
	enter(a);
	switch (a->action) {
	case CRASHLAB_OOPS:
		oops(a->oops);
		break;
	case CRASHLAB_PANIC:
		die_by_panic(regs);
		break;
	case CRASHLAB_WARN:
		WARN(1, "crashlab %.16s\n", page->nonce);
		break;
	case CRASHLAB_SPIN:
	case CRASHLAB_HOLD:
		spend(a);
		break;
	case CRASHLAB_PRINT:
		print(a);
		break;
	case CRASHLAB_REBOOT:
		emergency_restart();
		break;
	case CRASHLAB_BLOCK:
		block(a);
		break;
	case CRASHLAB_HARVEST:
		harvest(a);
		break;
	case CRASHLAB_NMI:
		/* Comes from outside. */
		break;
	}
	leave(a);
	if (a->action == CRASHLAB_HOLD && a->lock != LOCK_CONSOLE)
		release_lock(a);
}
