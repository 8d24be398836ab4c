/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page that crashlab shares with the host. Little endian.
 *
 * The host's definition of the same layout is harness/protocol/src/page.rs; a
 * test there compares the numbers and the offsets below with its own. The host
 * trusts nothing that it reads in the page.
 */
#ifndef CRASHLAB_PAGE_H
#define CRASHLAB_PAGE_H

#include <linux/build_bug.h>
#include <linux/limits.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define CL_MAGIC	"CRASHLAB"
#define CL_VERSION	4
#define CL_SLOTS	32
#define CL_PAGE_BYTES	4096

/* The length of a critical section that lasts until the CPU is stopped. */
#define CL_FOR_EVER	U64_MAX

/* What an actor does. */
enum cl_action {
	CL_ACTION_OOPS = 1,
	CL_ACTION_PANIC = 2,
	CL_ACTION_WARN = 3,
	CL_ACTION_SPIN = 4,
	CL_ACTION_HOLD = 5,
	CL_ACTION_PRINT = 6,
	CL_ACTION_REBOOT = 7,
	CL_ACTION_BLOCK = 8,
	CL_ACTION_HARVEST = 9,
	CL_ACTION_NMI = 10,
	CL_ACTION_EXHAUST = 11,
	CL_ACTION_EXIT = 12,
	CL_ACTION_MCE = 13,
	CL_ACTION_SYNCHRONIZE_RCU = 14,
	CL_ACTION_CALL = 15,
	CL_ACTION_FAIL = 16,
	CL_ACTION_CPU_DOWN = 20,
	CL_ACTION_CPU_UP = 21,
};

/* In which context it does that. */
enum cl_context {
	CL_CONTEXT_THREAD = 1,
	CL_CONTEXT_PREEMPT_OFF = 2,
	CL_CONTEXT_IRQS_OFF = 3,
	CL_CONTEXT_SOFTIRQ = 4,
	CL_CONTEXT_HARDIRQ = 5,
	CL_CONTEXT_NMI = 6,
	CL_CONTEXT_STOP_MACHINE = 7,
	CL_CONTEXT_NOTIFIER_FIRST = 8,
	CL_CONTEXT_NOTIFIER_LAST = 9,
	CL_CONTEXT_FUNCTION = 10,
	CL_CONTEXT_NOTIFIER_HYPERVISOR = 11,
	CL_CONTEXT_NOTIFIER_INFO = 12,
	CL_CONTEXT_NOTIFIER_PRE_REBOOT = 13,
	CL_CONTEXT_NOTIFIER_POST_REBOOT = 14,
};

/*
 * A tracer outside of the guest costs time while it is awake, and sleeps until
 * it is called.
 */
enum cl_tracer {
	CL_TRACER_UNCALLED = 0,
	CL_TRACER_CALLED = 1,	/* written by crashlab */
	CL_TRACER_AWAKE = 2,	/* written by the tracer, from outside */
};

struct cl_slot {
	char name[16];		/* padded with NUL */
	u32 action;		/* enum cl_action */
	u32 cpu;
	u64 entered_tsc;	/* the first time; 0: never */
	u64 left_tsc;		/* the first time; 0: never */
	u64 budget_us;		/* length of the critical section, in turns of udelay(1) */
	u32 hits;		/* how often it was entered */
	u32 context;		/* enum cl_context */
	u64 spent_us;		/* how many of these turns are done */
};

static_assert(offsetof(struct cl_slot, name) == 0);
static_assert(offsetof(struct cl_slot, action) == 16);
static_assert(offsetof(struct cl_slot, cpu) == 20);
static_assert(offsetof(struct cl_slot, entered_tsc) == 24);
static_assert(offsetof(struct cl_slot, left_tsc) == 32);
static_assert(offsetof(struct cl_slot, budget_us) == 40);
static_assert(offsetof(struct cl_slot, hits) == 48);
static_assert(offsetof(struct cl_slot, context) == 52);
static_assert(offsetof(struct cl_slot, spent_us) == 56);
static_assert(sizeof(struct cl_slot) == 64);

struct cl_page {
	char magic[8];
	u32 version;
	u32 slots_used;
	u64 tsc_khz;
	u64 fired_tsc;		/* 0: not fired */
	char nonce[16];
	u32 tracer;		/* enum cl_tracer */
	u32 cpus_possible;	/* a bit each of the first 32, when fired */
	u32 cpus_present;
	u32 cpus_online;
	struct cl_slot slots[CL_SLOTS];
};

static_assert(offsetof(struct cl_page, magic) == 0);
static_assert(offsetof(struct cl_page, version) == 8);
static_assert(offsetof(struct cl_page, slots_used) == 12);
static_assert(offsetof(struct cl_page, tsc_khz) == 16);
static_assert(offsetof(struct cl_page, fired_tsc) == 24);
static_assert(offsetof(struct cl_page, nonce) == 32);
static_assert(offsetof(struct cl_page, tracer) == 48);
static_assert(offsetof(struct cl_page, cpus_possible) == 52);
static_assert(offsetof(struct cl_page, cpus_present) == 56);
static_assert(offsetof(struct cl_page, cpus_online) == 60);
static_assert(offsetof(struct cl_page, slots) == 64);
static_assert(sizeof(struct cl_page) <= CL_PAGE_BYTES);

#endif
