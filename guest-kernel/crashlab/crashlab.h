/* SPDX-License-Identifier: GPL-2.0 */
/*
 * crashlab: faults on chosen CPUs, armed beforehand and fired from kernel
 * context.
 *
 * An actor is an action in a context on a CPU at a time. It stamps the page
 * that the host reads when it begins and when it is done.
 *
 * The files are layers, and a file calls only into those below it:
 *
 *   main     commands, loading
 *   arm      a command's text becomes an actor
 *   thread   when an actor acts: its threads
 *   context  where an actor acts
 *   detour   ... at the entry of a function of the kernel's
 *   act      what an actor does
 *   lock     which lock it holds
 *   page     stamps
 *   time     the time stamp counter, or the kernel's clock
 *   sym      symbols that are not exported
 */
#ifndef CRASHLAB_H
#define CRASHLAB_H

#include <linux/atomic.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/notifier.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/types.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "page.h"

/* Guests have no more CPUs. */
#define CL_CPUS 8

/* Each oops of an actor takes a thread. */
#define CL_MAX_OOPSES 64

/* A side of an actor's critical section. */
enum cl_edge {
	CL_EDGE_ENTERED,
	CL_EDGE_LEFT,
};

enum cl_oops {
	CL_OOPS_BUG,
	CL_OOPS_PAGE_FAULT,
	CL_OOPS_GPF,
	CL_OOPS_STACK,
	CL_OOPS_DIVIDE,
	CL_OOPS_NULL_CALL,
	CL_OOPS_STACK_PROTECTOR,
};

/* How the machine is restarted. */
enum cl_reboot {
	CL_REBOOT_EMERGENCY,
	CL_REBOOT_ORDERLY,
	CL_REBOOT_POWER_OFF,
};

/* How a function fails. */
enum cl_failure {
	CL_FAILURE_ERROR,	/* an error in place of what it does */
	CL_FAILURE_LIES,	/* success in place of it */
	CL_FAILURE_TORN,	/* half of the record that it is given */
};

enum cl_lock {
	CL_LOCK_NONE,
	CL_LOCK_PSTORE_BUF,
	CL_LOCK_ERST,
	CL_LOCK_RAMOOPS_ZONE,
	CL_LOCK_CONSOLE,
	CL_LOCK_CONSOLE_SEM,
	CL_LOCK_UART_PORT,
	CL_LOCK_DIE,
	CL_LOCK_MODULE,
	CL_LOCK_LOGBUF,
	CL_LOCK_EFIVARS,
	CL_LOCK_EFIVARS_SEM,
	CL_LOCK_EFI_RUNTIME,
	CL_LOCK_EFI_RUNTIME_SEM,
};

struct cl_actor {
	/* As armed. */
	struct cl_slot *slot;
	enum cl_action action;
	enum cl_context context;
	enum cl_oops oops;
	enum cl_reboot how;
	enum cl_lock lock;
	enum cl_failure failure;
	unsigned int cpu;
	bool anywhere;		/* not on its CPU alone: on whichever comes by */
	unsigned int target;	/* the CPU that it calls, or takes down or up */
	u64 for_us;		/* CL_FOR_EVER; 0: no time at all */
	u32 count;		/* of messages, oopses or calls; 0: messages or calls without end */
	u64 every_us;		/* between two of them */
	bool timed;		/* it has a time of its own; else it is live from firing on */
	struct cl_actor *after;	/* NULL: from firing */
	enum cl_edge edge;
	u64 delay_us;		/* from firing, or from the other actor's edge */
	char function[64];
	s64 error;		/* what the function returns */
	bool of_dump;		/* only where it is given the record of a dump */
	u32 part;		/* ... and of this part; 0: of any */

	/* As it goes on. */
	bool live;		/* from now on it acts when its CPU comes by */
	atomic_t taken;		/* how often it has come by */
	atomic_t turns;		/* which of its threads is the next */
	arch_spinlock_t *held;	/* the lock; known once it is found */
	struct semaphore *semaphore;	/* likewise, if it is one */
	unsigned long argument;	/* the first one of the function that it acts in */

	/* What its context needs. */
	struct kprobe probe;
	struct notifier_block notifier;
	struct tasklet_struct tasklet;
	struct irq_work work;
};

/* arm.c */
int cl_arm(char *args);

/* thread.c */
void __init cl_make_runners(void);
int cl_start(struct cl_actor *a);
void cl_fire(void);

/* context.c */
int cl_prepare_context(struct cl_actor *a);
void cl_unprepare_context(struct cl_actor *a);
bool cl_is_event_driven(const struct cl_actor *a);
void cl_act_in_context(struct cl_actor *a, u64 tsc);
int cl_await_exit(void);

/* detour.c */
int cl_prepare_detour(struct cl_actor *a);
void cl_unprepare_detour(struct cl_actor *a);
void cl_detour(void);
void cl_arrive(struct cl_actor *a);

/* act.c */
bool cl_is_here(const struct cl_actor *a);
bool cl_is_due(struct cl_actor *a);
void cl_act(struct cl_actor *a, struct pt_regs *regs);

/* lock.c */
bool cl_is_slept_for(enum cl_lock lock);
int cl_find_lock(struct cl_actor *a);
void cl_take_lock(struct cl_actor *a);
void cl_release_lock(struct cl_actor *a);

/* page.c */
extern struct cl_page *cl_page;
extern char cl_panic_text[32];
int __init cl_make_page(void);
int cl_set_nonce(const char *nonce);
void cl_stamp(u64 *where);
void cl_note_cpus(void);
void cl_enter(struct cl_actor *a);
void cl_leave(struct cl_actor *a);

/* time.c */
extern bool cl_by_tsc;
extern u64 cl_tsc_khz;
void __init cl_init_clock(void);
u64 cl_us_to_tsc(u64 us);
void cl_delay(u64 us);
void cl_sleep_until_near(u64 tsc);
void cl_spin_until(u64 tsc);

/* What stamps are by, at cl_tsc_khz. Safe anywhere, also in an NMI. */
static inline u64 cl_now(void)
{
	return likely(cl_by_tsc) ? rdtsc_ordered() : ktime_get_mono_fast_ns();
}

/* sym.c */
int __init cl_find_kallsyms(void);
void *cl_find_symbol(const char *name);

#endif
