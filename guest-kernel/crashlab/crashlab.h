/* SPDX-License-Identifier: GPL-2.0 */
/*
 * crashlab: faults on chosen CPUs, armed beforehand and fired from kernel context.
 *
 * An actor is an action (act.c) in a context (context.c, detour.c) on a CPU at a time (arm.c). It stamps its page (page.h)
 * when it begins and when it is done.
 */
#ifndef CRASHLAB_H
#define CRASHLAB_H

#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "page.h"

/* Guests have at most so many CPUs. */
#define CRASHLAB_CPUS 8

enum edge { EDGE_ENTERED, EDGE_LEFT };

enum oops_kind { OOPS_BUG, OOPS_PAGE_FAULT, OOPS_GPF, OOPS_STACK };

enum lock_kind {
	LOCK_NONE,
	LOCK_PSTORE_BUF,
	LOCK_ERST,
	LOCK_RAMOOPS_ZONE,
	LOCK_CONSOLE,
	LOCK_CONSOLE_SEM,
	LOCK_UART_PORT,
	LOCK_DIE,
	LOCK_MODULE,
	LOCK_LOGBUF,
};

struct actor {
	struct crashlab_slot *slot;
	enum crashlab_action action;
	enum crashlab_context context;
	enum oops_kind oops;
	enum lock_kind lock;
	unsigned int cpu;
	u64 for_us;		/* CRASHLAB_FOR_EVER; 0: no time at all */
	u32 count;		/* of messages or oopses; 0: messages without end */
	u64 every_us;		/* between two of them */
	bool timed;		/* it has a time of its own; else it is live from firing on */
	struct actor *after;	/* NULL: from firing */
	enum edge edge;
	u64 delay_us;		/* from firing, or from the other actor's edge */

	bool live;		/* from now on it acts when its CPU comes by */
	atomic_t taken;		/* it has come by once */
	atomic_t turns;		/* which of its threads is the next */
	arch_spinlock_t *held;	/* the lock, where it is known from the beginning */
	unsigned long argument;	/* the first one of the function that came by */
	char function[64];
	struct kprobe probe;
	struct notifier_block notifier;
	struct tasklet_struct tasklet;
	struct irq_work work;
};

/* main.c */
extern struct crashlab_page *page;
extern char panic_text[];
extern struct completion fired;
void enter(struct actor *a);
void leave(struct actor *a);
void *find_symbol(const char *name);

/* arm.c */
int arm(char *args);
int make_runners(void);
void spin_until(u64 tsc);
u64 us_to_tsc(u64 us);

/* context.c */
int prepare_context(struct actor *a);
void unprepare_context(struct actor *a);
void act_in_context(struct actor *a, u64 tsc);
bool comes_by(const struct actor *a);
bool is_due(struct actor *a);

/* detour.c */
int prepare_detour(struct actor *a);

/* act.c */
void act(struct actor *a, struct pt_regs *regs);

/* lock.c */
int find_lock(struct actor *a);
void take_lock(struct actor *a);
void release_lock(struct actor *a);

#endif
