/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page of crashlab's that the host reads. Little endian, 4096 bytes; the host decodes it in
 * harness/src/evidence/stamps.rs, and takes nothing in it on trust.
 */
#ifndef CRASHLAB_PAGE_H
#define CRASHLAB_PAGE_H

#include <linux/build_bug.h>
#include <linux/types.h>
#include <asm/page.h>

#define CRASHLAB_MAGIC "CRASHLAB"
#define CRASHLAB_VERSION 3
#define CRASHLAB_SLOTS 32

/* A critical section that is to last until the CPU is stopped. */
#define CRASHLAB_FOR_EVER U64_MAX

/* What an actor does. */
enum crashlab_action {
	CRASHLAB_OOPS = 1,
	CRASHLAB_PANIC = 2,
	CRASHLAB_WARN = 3,
	CRASHLAB_SPIN = 4,
	CRASHLAB_HOLD = 5,
	CRASHLAB_PRINT = 6,
	CRASHLAB_REBOOT = 7,
	CRASHLAB_BLOCK = 8,
	CRASHLAB_HARVEST = 9,
	CRASHLAB_NMI = 10,
};

/* In which context it does it. */
enum crashlab_context {
	CRASHLAB_IN_THREAD = 1,
	CRASHLAB_IN_PREEMPT_OFF = 2,
	CRASHLAB_IN_IRQS_OFF = 3,
	CRASHLAB_IN_SOFTIRQ = 4,
	CRASHLAB_IN_HARDIRQ = 5,
	CRASHLAB_IN_NMI = 6,
	CRASHLAB_IN_STOP_MACHINE = 7,
	CRASHLAB_IN_NOTIFIER_FIRST = 8,
	CRASHLAB_IN_NOTIFIER_LAST = 9,
	CRASHLAB_IN_FUNCTION = 10,
	CRASHLAB_IN_NOTIFIER_HYPERVISOR = 11,
	CRASHLAB_IN_NOTIFIER_INFO = 12,
	CRASHLAB_IN_NOTIFIER_PRE_REBOOT = 13,
	CRASHLAB_IN_NOTIFIER_POST_REBOOT = 14,
};

/* A tracer outside of the guest may sleep until it is needed: it costs time while it is awake. */
enum crashlab_tracer {
	CRASHLAB_TRACER_UNCALLED = 0,
	CRASHLAB_TRACER_CALLED = 1,	/* written by crashlab */
	CRASHLAB_TRACER_AWAKE = 2,	/* written by the tracer, from outside */
};

struct crashlab_slot {
	char name[16];
	u32 action;
	u32 cpu;
	u64 entered_tsc;	/* the first time; 0: never */
	u64 left_tsc;		/* the first time; 0: never */
	u64 budget_us;		/* how long the critical section was asked to last, in turns of udelay(1) */
	u32 hits;		/* how often it was entered */
	u32 context;
	u64 spent_us;		/* how many of these turns are done */
};
static_assert(sizeof(struct crashlab_slot) == 64);

struct crashlab_page {
	char magic[8];
	u32 version;
	u32 slots_used;
	u64 tsc_khz;
	u64 fired_tsc;		/* 0: not fired */
	char nonce[16];
	u32 tracer;		/* enum crashlab_tracer */
	u8 reserved[12];
	struct crashlab_slot slots[CRASHLAB_SLOTS];
};
static_assert(sizeof(struct crashlab_page) <= PAGE_SIZE);

#endif
