// SPDX-License-Identifier: GPL-2.0
/*
 * Arming an actor:
 *
 *   arm NAME ACTION cpu=N in=CONTEXT [function=F] [lock=L] [kind=K] [how=H]
 *       [error=N] [part=N | part=any] [target=N] [for_us=N | for_us=ever]
 *       [count=N] [every_us=N]
 *       [at_us=N | after=NAME edge=entered|left delay_us=N]
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "crashlab.h"

struct cl_word {
	const char *name;
	int value;
};

static const struct cl_word cl_actions[] = {
	{ "oops", CL_ACTION_OOPS },
	{ "panic", CL_ACTION_PANIC },
	{ "warn", CL_ACTION_WARN },
	{ "spin", CL_ACTION_SPIN },
	{ "hold", CL_ACTION_HOLD },
	{ "print", CL_ACTION_PRINT },
	{ "reboot", CL_ACTION_REBOOT },
	{ "block", CL_ACTION_BLOCK },
	{ "harvest", CL_ACTION_HARVEST },
	{ "nmi", CL_ACTION_NMI },
	{ "exhaust", CL_ACTION_EXHAUST },
	{ "exit", CL_ACTION_EXIT },
	{ "mce", CL_ACTION_MCE },
	{ "synchronize-rcu", CL_ACTION_SYNCHRONIZE_RCU },
	{ "call", CL_ACTION_CALL },
	{ "fail", CL_ACTION_FAIL },
	{ "cpu-down", CL_ACTION_CPU_DOWN },
	{ "cpu-up", CL_ACTION_CPU_UP },
	{}
};

static const struct cl_word cl_contexts[] = {
	{ "thread", CL_CONTEXT_THREAD },
	{ "preempt-off", CL_CONTEXT_PREEMPT_OFF },
	{ "irqs-off", CL_CONTEXT_IRQS_OFF },
	{ "softirq", CL_CONTEXT_SOFTIRQ },
	{ "hardirq", CL_CONTEXT_HARDIRQ },
	{ "nmi", CL_CONTEXT_NMI },
	{ "stop-machine", CL_CONTEXT_STOP_MACHINE },
	{ "notifier-first", CL_CONTEXT_NOTIFIER_FIRST },
	{ "notifier-last", CL_CONTEXT_NOTIFIER_LAST },
	{ "function", CL_CONTEXT_FUNCTION },
	{ "notifier-hypervisor", CL_CONTEXT_NOTIFIER_HYPERVISOR },
	{ "notifier-info", CL_CONTEXT_NOTIFIER_INFO },
	{ "notifier-pre-reboot", CL_CONTEXT_NOTIFIER_PRE_REBOOT },
	{ "notifier-post-reboot", CL_CONTEXT_NOTIFIER_POST_REBOOT },
	{}
};

static const struct cl_word cl_locks[] = {
	{ "pstore-buf", CL_LOCK_PSTORE_BUF },
	{ "erst", CL_LOCK_ERST },
	{ "ramoops-zone", CL_LOCK_RAMOOPS_ZONE },
	{ "console", CL_LOCK_CONSOLE },
	{ "console-sem", CL_LOCK_CONSOLE_SEM },
	{ "uart-port", CL_LOCK_UART_PORT },
	{ "die", CL_LOCK_DIE },
	{ "module", CL_LOCK_MODULE },
	{ "logbuf", CL_LOCK_LOGBUF },
	{ "efivars", CL_LOCK_EFIVARS },
	{ "efivars-sem", CL_LOCK_EFIVARS_SEM },
	{ "efi-runtime", CL_LOCK_EFI_RUNTIME },
	{ "efi-runtime-sem", CL_LOCK_EFI_RUNTIME_SEM },
	{}
};

static const struct cl_word cl_oopses[] = {
	{ "bug", CL_OOPS_BUG },
	{ "page-fault", CL_OOPS_PAGE_FAULT },
	{ "gpf", CL_OOPS_GPF },
	{ "stack", CL_OOPS_STACK },
	{ "divide", CL_OOPS_DIVIDE },
	{ "null-call", CL_OOPS_NULL_CALL },
	{ "stack-protector", CL_OOPS_STACK_PROTECTOR },
	{}
};

static const struct cl_word cl_failures[] = {
	{ "error", CL_FAILURE_ERROR },
	{ "lies", CL_FAILURE_LIES },
	{ "torn", CL_FAILURE_TORN },
	{}
};

static const struct cl_word cl_reboots[] = {
	{ "emergency", CL_REBOOT_EMERGENCY },
	{ "orderly", CL_REBOOT_ORDERLY },
	{ "power-off", CL_REBOOT_POWER_OFF },
	{}
};

static const struct cl_word cl_edges[] = {
	{ "entered", CL_EDGE_ENTERED },
	{ "left", CL_EDGE_LEFT },
	{}
};

/* The actor of each slot of the page. */
static struct cl_actor cl_actors[CL_SLOTS];

static struct cl_actor *cl_find_actor(const char *name)
{
	for (u32 i = 0; i < cl_page->slots_used; i++)
		if (!strncmp(cl_page->slots[i].name, name, sizeof(cl_page->slots[i].name)))
			return &cl_actors[i];
	return NULL;
}

/* The value of a word, or -EINVAL. */
static int cl_choose(const struct cl_word *words, const char *name)
{
	for (; words->name; words++)
		if (!strcmp(words->name, name))
			return words->value;
	return -EINVAL;
}

static int cl_parse_word(struct cl_actor *a, const char *key, const char *value)
{
	int chosen = -EINVAL;

	if (!strcmp(key, "in")) {
		chosen = cl_choose(cl_contexts, value);
		if (chosen >= 0)
			a->context = chosen;
	} else if (!strcmp(key, "lock")) {
		chosen = cl_choose(cl_locks, value);
		if (chosen >= 0)
			a->lock = chosen;
	} else if (!strcmp(key, "kind") && a->action == CL_ACTION_FAIL) {
		chosen = cl_choose(cl_failures, value);
		if (chosen >= 0)
			a->failure = chosen;
	} else if (!strcmp(key, "kind")) {
		chosen = cl_choose(cl_oopses, value);
		if (chosen >= 0)
			a->oops = chosen;
	} else if (!strcmp(key, "how")) {
		chosen = cl_choose(cl_reboots, value);
		if (chosen >= 0)
			a->how = chosen;
	} else if (!strcmp(key, "edge")) {
		chosen = cl_choose(cl_edges, value);
		if (chosen >= 0)
			a->edge = chosen;
	}
	return min(chosen, 0);
}

static int cl_parse_option(struct cl_actor *a, char *option)
{
	char *value = strchr(option, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(option, "cpu") && !strcmp(value, "any")) {
		a->anywhere = true;
		return 0;
	}
	if (!strcmp(option, "cpu"))
		return kstrtouint(value, 10, &a->cpu);
	if (!strcmp(option, "target"))
		return kstrtouint(value, 10, &a->target);
	if (!strcmp(option, "for_us") && !strcmp(value, "ever")) {
		a->for_us = CL_FOR_EVER;
		return 0;
	}
	if (!strcmp(option, "for_us"))
		return kstrtou64(value, 10, &a->for_us);
	if (!strcmp(option, "count"))
		return kstrtou32(value, 10, &a->count);
	if (!strcmp(option, "every_us"))
		return kstrtou64(value, 10, &a->every_us);
	if (!strcmp(option, "error"))
		return kstrtos64(value, 10, &a->error);
	if (!strcmp(option, "part")) {
		a->of_dump = true;
		return strcmp(value, "any") ? kstrtou32(value, 10, &a->part) : 0;
	}
	if (!strcmp(option, "function"))
		return strscpy(a->function, value, sizeof(a->function)) < 0 ? -EINVAL : 0;
	if (!strcmp(option, "at_us") || !strcmp(option, "delay_us")) {
		a->timed = true;
		return kstrtou64(value, 10, &a->delay_us);
	}
	if (!strcmp(option, "after")) {
		a->after = cl_find_actor(value);
		return a->after ? 0 : -ENOENT;
	}
	return cl_parse_word(a, option, value);
}

/* Whether a function can fail in this way. */
static bool cl_can_fail(const struct cl_actor *a)
{
	if (a->context != CL_CONTEXT_FUNCTION)
		return false;
	switch (a->failure) {
	case CL_FAILURE_ERROR:
		return a->error;
	case CL_FAILURE_LIES:
		return true;
	case CL_FAILURE_TORN:
		return a->of_dump;
	}
	return false;
}

/* Reads what follows an actor's name. */
static int cl_parse(struct cl_actor *a, char *args)
{
	const char *action = strsep(&args, " ");
	char *option;
	int err;

	if (!action)
		return -EINVAL;
	err = cl_choose(cl_actions, action);
	if (err < 0)
		return err;
	a->action = err;
	a->context = CL_CONTEXT_THREAD;
	/* Messages, and calls that fail, are without end unless they are counted. */
	a->count = a->action == CL_ACTION_OOPS ? 1 : 0;
	while ((option = strsep(&args, " "))) {
		err = cl_parse_option(a, option);
		if (err)
			return err;
	}
	if (a->cpu >= nr_cpu_ids || !cpu_online(a->cpu))
		return -ENXIO;
	if (a->action == CL_ACTION_OOPS && a->count > CL_MAX_OOPSES)
		return -ENOSPC;
	if (a->action == CL_ACTION_FAIL && !cl_can_fail(a))
		return -EINVAL;
	return 0;
}

static void cl_fill_slot(struct cl_slot *slot, const char *name, const struct cl_actor *a)
{
	memset(slot, 0, sizeof(*slot));
	strscpy(slot->name, name, sizeof(slot->name));
	slot->action = a->action;
	slot->context = a->context;
	slot->cpu = a->cpu;
	slot->budget_us = a->for_us;
}

/*
 * Makes the next actor. One that cannot be armed leaves nothing behind: its
 * memory and its slot are the next one's.
 */
int cl_arm(char *args)
{
	const char *name = strsep(&args, " ");
	u32 used = cl_page->slots_used;
	struct cl_actor *a;
	int err;

	if (!name || !*name || strlen(name) >= sizeof(a->slot->name) || cl_find_actor(name))
		return -EINVAL;
	if (used == CL_SLOTS)
		return -ENOSPC;
	a = &cl_actors[used];
	memset(a, 0, sizeof(*a));
	a->slot = &cl_page->slots[used];
	err = cl_parse(a, args);
	if (err)
		return err;
	cl_fill_slot(a->slot, name, a);
	err = cl_find_lock(a);
	if (err)
		return err;
	err = cl_prepare_context(a);
	if (err)
		return err;
	err = cl_start(a);
	if (err)
		goto err_unprepare;
	/* The host may read the page at any time. */
	smp_store_release(&cl_page->slots_used, used + 1);
	return 0;

err_unprepare:
	cl_unprepare_context(a);
	return err;
}
