// SPDX-License-Identifier: GPL-2.0
/*
 * crashlab: faults on chosen CPUs, armed beforehand and fired from kernel context.
 *
 * Commands are written, one at a time, to /sys/module/crashlab/parameters/command:
 *
 *   nonce 0123456789abcdef
 *   arm NAME KIND cpu=N [for_us=N] [at_us=N | after=NAME edge=entered|left delay_us=N]
 *   call-tracer
 *   await-tracer
 *   fire
 *
 * Every actor is armed (its thread bound to its CPU and waiting, its probe in place) before any fires, so that neither a
 * shell nor a fork stands between the faults. When an actor enters and leaves its critical section it stamps the time
 * stamp counter into a page of memory, which the host reads whatever becomes of the guest; the parameter `page` tells the
 * page's physical address.
 */
#define pr_fmt(fmt) "crashlab: " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "page.h"

/* Guests have at most so many CPUs. */
#define CRASHLAB_CPUS 8

/* A thread sleeps until this close to its time, then spins: a timer's wake-up is later than that only on a busy host. */
#define SPIN_US 200

/* How often a tracer that was called is looked for, some 100 us apart. */
#define TRACER_SLEEPS 10000

enum edge { EDGE_ENTERED, EDGE_LEFT };

struct actor {
	struct crashlab_slot *slot;
	enum crashlab_kind kind;
	unsigned int cpu;
	u64 for_us;
	struct actor *after;	/* NULL: from firing */
	enum edge edge;
	u64 delay_us;		/* from firing, or from the other actor's edge */
	struct kprobe probe;	/* hold-backend-write only */
	atomic_t taken;		/* a hold happens once */
};

static const struct {
	const char *name;
	enum crashlab_kind kind;
} kinds[] = {
	{ "oops", CRASHLAB_OOPS },
	{ "panic", CRASHLAB_PANIC },
	{ "hold-backend-write", CRASHLAB_HOLD_BACKEND_WRITE },
	{ "spin-irqs-off", CRASHLAB_SPIN_IRQS_OFF },
};

/*
 * A thread bound to a CPU, made when the module is loaded: making one is some ten thousand instructions of scheduler and
 * allocator, which would be executed between a trial's beginning and its faults.
 */
struct runner {
	bool ready;
	struct actor *actor;
	struct completion armed;
};

static struct crashlab_page *page;
static struct actor actors[CRASHLAB_SLOTS];
static struct runner runners[CRASHLAB_CPUS];
static DECLARE_COMPLETION(fired);
static DEFINE_MUTEX(command_lock);

static u64 us_to_tsc(u64 us)
{
	return us * tsc_khz / 1000;
}

/*
 * The only code that writes a stamp: whoever watches it from outside sees the same as the stamps tell.
 */
static noinline void stamp(u64 *where)
{
	smp_store_release(where, rdtsc_ordered());
}

static void enter(struct actor *a)
{
	WRITE_ONCE(a->slot->hits, a->slot->hits + 1);
	stamp(&a->slot->entered_tsc);
}

static void leave(struct actor *a)
{
	stamp(&a->slot->left_tsc);
}

/*
 * Spend a critical section's time as turns of udelay(1), which is how native_stop_other_cpus() counts the second that it
 * grants the other CPUs. On an emulated CPU a turn takes longer than its microsecond, and on a busy host much longer; but
 * then both loops stretch alike, and which of them ends first stays what it is on real hardware.
 *
 * Safe anywhere, also with interrupts off and in a breakpoint's handler.
 */
static void spend(struct actor *a)
{
	for (u64 us = 0; us < a->for_us; us++) {
		udelay(1);
		WRITE_ONCE(a->slot->spent_us, us + 1);
	}
}

static void sleep_until(u64 tsc)
{
	for (;;) {
		s64 left = tsc - rdtsc_ordered();
		u64 left_us;

		if (left <= (s64)us_to_tsc(SPIN_US))
			break;
		left_us = div_u64(left * 1000, tsc_khz) - SPIN_US;
		usleep_range(left_us, left_us + SPIN_US / 2);
	}
	while ((s64)(tsc - rdtsc_ordered()) > 0)
		cpu_relax();
}

static u64 await_edge(struct actor *other, enum edge edge)
{
	u64 *stamp = edge == EDGE_ENTERED ? &other->slot->entered_tsc : &other->slot->left_tsc;
	u64 tsc;

	/* Polled, because an actor may stamp from where nothing can be woken. */
	while (!(tsc = smp_load_acquire(stamp)))
		usleep_range(50, 100);
	return tsc;
}

static int actor_thread(void *data)
{
	struct actor *a = data;
	u64 from;

	wait_for_completion_interruptible(&fired);
	from = a->after ? await_edge(a->after, a->edge) : page->fired_tsc;
	sleep_until(from + us_to_tsc(a->delay_us));

	switch (a->kind) {
	case CRASHLAB_OOPS:
		enter(a);
		BUG();
		break;
	case CRASHLAB_PANIC:
		enter(a);
		panic("crashlab %.16s", page->nonce);
		break;
	case CRASHLAB_SPIN_IRQS_OFF:
		local_irq_disable();
		enter(a);
		spend(a);
		leave(a);
		local_irq_enable();
		break;
	case CRASHLAB_HOLD_BACKEND_WRITE:
		break;
	}
	return 0;
}

static int runner_thread(void *data)
{
	struct runner *runner = data;

	wait_for_completion_interruptible(&runner->armed);
	return actor_thread(runner->actor);
}

/* At the entry of the back end's write: pstore's buf_lock is held and interrupts are off. */
static int hold_backend_write(struct kprobe *probe, struct pt_regs *regs)
{
	struct actor *a = container_of(probe, struct actor, probe);

	if (!READ_ONCE(page->fired_tsc) || raw_smp_processor_id() != a->cpu || atomic_xchg(&a->taken, 1))
		return 0;
	enter(a);
	spend(a);
	leave(a);
	return 0;
}

/*
 * Only there to keep the probe a breakpoint: an optimised probe is patched in some time after it was armed, with an IPI
 * to all CPUs, which would be one more thing that meets the faults at random.
 */
static void keep_breakpoint(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct actor *find_actor(const char *name)
{
	for (u32 i = 0; i < page->slots_used; i++)
		if (!strncmp(page->slots[i].name, name, sizeof(page->slots[i].name)))
			return &actors[i];
	return NULL;
}

static int parse_option(struct actor *a, char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(word, "cpu"))
		return kstrtouint(value, 10, &a->cpu);
	if (!strcmp(word, "for_us"))
		return kstrtou64(value, 10, &a->for_us);
	if (!strcmp(word, "at_us") || !strcmp(word, "delay_us"))
		return kstrtou64(value, 10, &a->delay_us);
	if (!strcmp(word, "after")) {
		a->after = find_actor(value);
		return a->after ? 0 : -ENOENT;
	}
	if (!strcmp(word, "edge")) {
		if (!strcmp(value, "entered"))
			a->edge = EDGE_ENTERED;
		else if (!strcmp(value, "left"))
			a->edge = EDGE_LEFT;
		else
			return -EINVAL;
		return 0;
	}
	return -EINVAL;
}

static int parse_kind(struct actor *a, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(name, kinds[i].name)) {
			a->kind = kinds[i].kind;
			return 0;
		}
	}
	return -EINVAL;
}

static int make_thread(int (*run)(void *), void *data, unsigned int cpu, const char *name)
{
	struct task_struct *task = kthread_create(run, data, "crashlab/%.15s", name);

	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	wake_up_process(task);
	return 0;
}

static int start(struct actor *a)
{
	struct runner *runner = a->cpu < CRASHLAB_CPUS ? &runners[a->cpu] : NULL;

	if (a->kind == CRASHLAB_HOLD_BACKEND_WRITE) {
		a->probe.symbol_name = "erst_write";
		a->probe.pre_handler = hold_backend_write;
		a->probe.post_handler = keep_breakpoint;
		return register_kprobe(&a->probe);
	}
	/* A CPU's second actor has to make do with a thread of its own. */
	if (!runner || !runner->ready || runner->actor)
		return make_thread(actor_thread, a, a->cpu, a->slot->name);
	runner->actor = a;
	complete(&runner->armed);
	return 0;
}

static int arm(char *args)
{
	const char *name = strsep(&args, " ");
	const char *kind = strsep(&args, " ");
	struct crashlab_slot *slot;
	struct actor *a;
	char *word;
	int err;

	if (!name || !*name || strlen(name) >= sizeof(slot->name) || !kind || find_actor(name))
		return -EINVAL;
	if (page->slots_used == CRASHLAB_SLOTS)
		return -ENOSPC;
	a = &actors[page->slots_used];
	slot = &page->slots[page->slots_used];
	memset(a, 0, sizeof(*a));
	memset(slot, 0, sizeof(*slot));
	a->slot = slot;
	err = parse_kind(a, kind);
	while (!err && (word = strsep(&args, " ")))
		err = parse_option(a, word);
	if (err)
		return err;
	if (a->cpu >= nr_cpu_ids || !cpu_online(a->cpu))
		return -ENXIO;
	strscpy(slot->name, name, sizeof(slot->name));
	slot->kind = a->kind;
	slot->cpu = a->cpu;
	slot->budget_us = a->for_us;
	err = start(a);
	if (!err)
		page->slots_used++;
	return err;
}

static bool tracer_is_awake(void)
{
	return smp_load_acquire(&page->tracer) == CRASHLAB_TRACER_AWAKE;
}

static void nothing(void *unused)
{
}

/*
 * Calls a tracer outside of the guest, which looks at the page whenever a CPU becomes idle.
 *
 * The bell is another CPU that is disturbed and becomes idle again: that takes less code than to sleep here, and all code
 * that a restored guest executes for the first time has to be translated.
 */
static void call_tracer(void)
{
	unsigned int other = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());

	WRITE_ONCE(page->tracer, CRASHLAB_TRACER_CALLED);
	if (other < nr_cpu_ids)
		smp_call_function_single(other, nothing, NULL, 0);
}

/*
 * Waits for it. It is awake already as a rule; if the other CPU has something to do, or there is none, this one sleeps, which
 * is a bell too.
 */
static int await_tracer(void)
{
	for (unsigned int sleeps = 0; !tracer_is_awake(); sleeps++) {
		if (sleeps == TRACER_SLEEPS)
			return -ETIMEDOUT;
		usleep_range(50, 100);
	}
	return 0;
}

static int command_set(const char *text, const struct kernel_param *kp)
{
	char *copy, *args, *verb;
	int err = -EINVAL;

	copy = kstrdup(text, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	args = strim(copy);
	mutex_lock(&command_lock);
	verb = strsep(&args, " ");
	if (!page || page->fired_tsc) {
		err = -EBUSY;
	} else if (!strcmp(verb, "nonce") && args && strlen(args) == sizeof(page->nonce)) {
		memcpy(page->nonce, args, sizeof(page->nonce));
		err = 0;
	} else if (!strcmp(verb, "arm") && args) {
		err = arm(args);
	} else if (!strcmp(verb, "call-tracer")) {
		call_tracer();
		err = 0;
	} else if (!strcmp(verb, "await-tracer")) {
		err = await_tracer();
	} else if (!strcmp(verb, "fire")) {
		stamp(&page->fired_tsc);
		complete_all(&fired);
		err = 0;
	}
	mutex_unlock(&command_lock);
	kfree(copy);
	return err;
}

static const struct kernel_param_ops command_ops = { .set = command_set };
module_param_cb(command, &command_ops, NULL, 0200);
MODULE_PARM_DESC(command, "nonce, arm, call-tracer, await-tracer or fire");

static unsigned long page_phys;
module_param_named(page, page_phys, ulong, 0444);
MODULE_PARM_DESC(page, "physical address of the page that the host reads; not to be set");

static unsigned long page_virt;
module_param_named(mapped, page_virt, ulong, 0444);
MODULE_PARM_DESC(mapped, "virtual address of that page; not to be set");

static int __init crashlab_init(void)
{
	unsigned int cpu;

	if (!boot_cpu_has(X86_FEATURE_TSC) || !tsc_khz)
		return -ENODEV;
	page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	page->version = CRASHLAB_VERSION;
	page->tsc_khz = tsc_khz;
	memcpy(page->magic, CRASHLAB_MAGIC, sizeof(page->magic));
	page_phys = virt_to_phys(page);
	page_virt = (unsigned long)page;
	for_each_online_cpu(cpu) {
		char name[8];

		if (cpu >= CRASHLAB_CPUS)
			break;
		init_completion(&runners[cpu].armed);
		scnprintf(name, sizeof(name), "%u", cpu);
		runners[cpu].ready = !make_thread(runner_thread, &runners[cpu], cpu, name);
	}
	return 0;
}
module_init(crashlab_init);

/* No module_exit: threads and probes that wait for a crash are not to be taken back. */

MODULE_DESCRIPTION("Faults on chosen CPUs, for measuring what a dying kernel leaves behind");
MODULE_LICENSE("GPL");
