// SPDX-License-Identifier: GPL-2.0
/*
 * Arming an actor, and when it acts.
 *
 *   arm NAME ACTION cpu=N in=CONTEXT [function=F] [lock=L] [kind=K] [for_us=N | for_us=ever] [count=N] [every_us=N]
 *       [at_us=N | after=NAME edge=entered|left delay_us=N]
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "crashlab.h"

/* A thread sleeps until this close to its time, then spins: a timer's wake-up is later than that only on a busy host. */
#define SPIN_US 200

/* Oopses of one actor take a thread each. */
#define OOPSES 64

struct word {
	const char *name;
	int value;
};

static const struct word actions[] = {
	{ "oops", CRASHLAB_OOPS },	 { "panic", CRASHLAB_PANIC },	{ "warn", CRASHLAB_WARN },
	{ "spin", CRASHLAB_SPIN },	 { "hold", CRASHLAB_HOLD },	{ "print", CRASHLAB_PRINT },
	{ "reboot", CRASHLAB_REBOOT },	 { "block", CRASHLAB_BLOCK },	{ "harvest", CRASHLAB_HARVEST },
	{ "nmi", CRASHLAB_NMI },	 {}
};

static const struct word contexts[] = {
	{ "thread", CRASHLAB_IN_THREAD },
	{ "preempt-off", CRASHLAB_IN_PREEMPT_OFF },
	{ "irqs-off", CRASHLAB_IN_IRQS_OFF },
	{ "softirq", CRASHLAB_IN_SOFTIRQ },
	{ "hardirq", CRASHLAB_IN_HARDIRQ },
	{ "nmi", CRASHLAB_IN_NMI },
	{ "stop-machine", CRASHLAB_IN_STOP_MACHINE },
	{ "notifier-first", CRASHLAB_IN_NOTIFIER_FIRST },
	{ "notifier-last", CRASHLAB_IN_NOTIFIER_LAST },
	{ "notifier-hypervisor", CRASHLAB_IN_NOTIFIER_HYPERVISOR },
	{ "notifier-info", CRASHLAB_IN_NOTIFIER_INFO },
	{ "notifier-pre-reboot", CRASHLAB_IN_NOTIFIER_PRE_REBOOT },
	{ "notifier-post-reboot", CRASHLAB_IN_NOTIFIER_POST_REBOOT },
	{ "function", CRASHLAB_IN_FUNCTION },
	{}
};

static const struct word locks[] = {
	{ "pstore-buf", LOCK_PSTORE_BUF },   { "erst", LOCK_ERST },	     { "ramoops-zone", LOCK_RAMOOPS_ZONE },
	{ "console", LOCK_CONSOLE },	     { "console-sem", LOCK_CONSOLE_SEM }, { "uart-port", LOCK_UART_PORT },
	{ "die", LOCK_DIE },		     { "module", LOCK_MODULE },	     { "logbuf", LOCK_LOGBUF },
	{}
};

static const struct word oopses[] = {
	{ "bug", OOPS_BUG }, { "page-fault", OOPS_PAGE_FAULT }, { "gpf", OOPS_GPF }, { "stack", OOPS_STACK }, {}
};

static const struct word edges[] = { { "entered", EDGE_ENTERED }, { "left", EDGE_LEFT }, {} };

/*
 * A thread bound to a CPU, made when the module is loaded: making one is some ten thousand instructions of scheduler and
 * allocator, which would be executed between a trial's beginning and its faults.
 */
struct runner {
	bool ready;
	struct actor *actor;
	struct completion armed;
};

static struct actor actors[CRASHLAB_SLOTS];
static struct runner runners[CRASHLAB_CPUS];

u64 us_to_tsc(u64 us)
{
	return us * tsc_khz / 1000;
}

/* Sleeps until shortly before; what is left is spun away by spin_until(). */
static void sleep_until_near(u64 tsc)
{
	for (;;) {
		s64 left = tsc - rdtsc_ordered();
		u64 left_us;

		if (left <= (s64)us_to_tsc(SPIN_US))
			return;
		left_us = div_u64(left * 1000, tsc_khz) - SPIN_US;
		usleep_range(left_us, left_us + SPIN_US / 2);
	}
}

void spin_until(u64 tsc)
{
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

/* Of an actor's several threads each takes its turn. */
static int actor_thread(void *data)
{
	struct actor *a = data;
	u64 turn = atomic_inc_return(&a->turns) - 1;
	u64 from;

	wait_for_completion_interruptible(&fired);
	from = a->after ? await_edge(a->after, a->edge) : page->fired_tsc;
	from += us_to_tsc(a->delay_us + turn * a->every_us);
	sleep_until_near(from);
	act_in_context(a, from);
	return 0;
}

static int runner_thread(void *data)
{
	struct runner *runner = data;

	wait_for_completion_interruptible(&runner->armed);
	return actor_thread(runner->actor);
}

/* It does not run yet. */
static struct task_struct *make_thread(int (*run)(void *), void *data, unsigned int cpu, const char *name)
{
	struct task_struct *task = kthread_create(run, data, "crashlab/%.15s", name);

	if (!IS_ERR(task))
		kthread_bind(task, cpu);
	return task;
}

int make_runners(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		struct task_struct *task;
		char name[8];

		if (cpu >= CRASHLAB_CPUS)
			break;
		init_completion(&runners[cpu].armed);
		scnprintf(name, sizeof(name), "%u", cpu);
		task = make_thread(runner_thread, &runners[cpu], cpu, name);
		if (IS_ERR(task))
			continue;
		wake_up_process(task);
		runners[cpu].ready = true;
	}
	return 0;
}

/* A CPU's second actor has to make do with threads of its own. */
static struct runner *find_runner(const struct actor *a)
{
	struct runner *runner = a->cpu < CRASHLAB_CPUS ? &runners[a->cpu] : NULL;

	return runner && runner->ready && !runner->actor ? runner : NULL;
}

static int start(struct actor *a)
{
	u32 threads = a->action == CRASHLAB_OOPS ? a->count : 1;
	struct runner *runner = threads ? find_runner(a) : NULL;
	struct task_struct *tasks[OOPSES];
	u32 made;
	int err;

	err = prepare_context(a);
	if (err)
		return err;
	/* Without a time of its own it acts when its CPU comes by, from firing on. */
	if (!a->timed && comes_by(a)) {
		smp_store_release(&a->live, true);
		return 0;
	}
	if (runner)
		threads--;
	for (made = 0; made < threads; made++) {
		tasks[made] = make_thread(actor_thread, a, a->cpu, a->slot->name);
		if (IS_ERR(tasks[made])) {
			err = PTR_ERR(tasks[made]);
			goto err_stop;
		}
	}
	for (u32 i = 0; i < made; i++)
		wake_up_process(tasks[i]);
	if (runner) {
		runner->actor = a;
		complete(&runner->armed);
	}
	return 0;

err_stop:
	/* None of them has run: all end without having looked at the actor. */
	while (made)
		kthread_stop(tasks[--made]);
	unprepare_context(a);
	return err;
}

static struct actor *find_actor(const char *name)
{
	for (u32 i = 0; i < page->slots_used; i++)
		if (!strncmp(page->slots[i].name, name, sizeof(page->slots[i].name)))
			return &actors[i];
	return NULL;
}

static int choose(const struct word *words, const char *name)
{
	for (; words->name; words++)
		if (!strcmp(words->name, name))
			return words->value;
	return -EINVAL;
}

static int parse_chosen(struct actor *a, const char *key, const char *value)
{
	int chosen;

	if (!strcmp(key, "in")) {
		chosen = choose(contexts, value);
		a->context = chosen;
	} else if (!strcmp(key, "lock")) {
		chosen = choose(locks, value);
		a->lock = chosen;
	} else if (!strcmp(key, "kind")) {
		chosen = choose(oopses, value);
		a->oops = chosen;
	} else if (!strcmp(key, "edge")) {
		chosen = choose(edges, value);
		a->edge = chosen;
	} else {
		return -EINVAL;
	}
	return chosen < 0 ? chosen : 0;
}

static int parse_option(struct actor *a, char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(word, "cpu"))
		return kstrtouint(value, 10, &a->cpu);
	if (!strcmp(word, "for_us") && !strcmp(value, "ever")) {
		a->for_us = CRASHLAB_FOR_EVER;
		return 0;
	}
	if (!strcmp(word, "for_us"))
		return kstrtou64(value, 10, &a->for_us);
	if (!strcmp(word, "count"))
		return kstrtou32(value, 10, &a->count);
	if (!strcmp(word, "every_us"))
		return kstrtou64(value, 10, &a->every_us);
	if (!strcmp(word, "function"))
		return strscpy(a->function, value, sizeof(a->function)) < 0 ? -EINVAL : 0;
	if (!strcmp(word, "at_us") || !strcmp(word, "delay_us")) {
		a->timed = true;
		return kstrtou64(value, 10, &a->delay_us);
	}
	if (!strcmp(word, "after")) {
		a->after = find_actor(value);
		return a->after ? 0 : -ENOENT;
	}
	return parse_chosen(a, word, value);
}

int arm(char *args)
{
	const char *name = strsep(&args, " ");
	const char *action = strsep(&args, " ");
	struct crashlab_slot *slot;
	struct actor *a;
	char *word;
	int err;

	if (!name || !*name || strlen(name) >= sizeof(slot->name) || !action || find_actor(name))
		return -EINVAL;
	if (page->slots_used == CRASHLAB_SLOTS)
		return -ENOSPC;
	a = &actors[page->slots_used];
	slot = &page->slots[page->slots_used];
	memset(a, 0, sizeof(*a));
	memset(slot, 0, sizeof(*slot));
	a->slot = slot;
	a->context = CRASHLAB_IN_THREAD;
	err = choose(actions, action);
	a->action = err;
	err = min(err, 0);
	/* Messages are without end unless they are counted. */
	a->count = a->action == CRASHLAB_OOPS ? 1 : 0;
	while (!err && (word = strsep(&args, " ")))
		err = parse_option(a, word);
	if (err)
		return err;
	if (a->cpu >= nr_cpu_ids || !cpu_online(a->cpu))
		return -ENXIO;
	if (a->action == CRASHLAB_OOPS && a->count > OOPSES)
		return -ENOSPC;
	strscpy(slot->name, name, sizeof(slot->name));
	slot->action = a->action;
	slot->context = a->context;
	slot->cpu = a->cpu;
	slot->budget_us = a->for_us;
	err = find_lock(a);
	if (!err)
		err = start(a);
	if (!err)
		page->slots_used++;
	return err;
}
