// SPDX-License-Identifier: GPL-2.0
/*
 * crashlab's commands, written one at a time to
 * /sys/module/crashlab/parameters/command:
 *
 *   nonce 0123456789abcdef
 *   arm NAME ACTION cpu=N in=CONTEXT [options]
 *   call-tracer
 *   await-tracer
 *   fire
 *   await-exit
 *
 * Every actor is armed (its thread bound to its CPU and waiting, its probe in
 * place) before any fires, so that neither a shell nor a fork stands between
 * the faults. When an actor enters and leaves its critical section it stamps
 * the time stamp counter into a page of memory, which the host reads whatever
 * becomes of the guest; the parameter `page` tells the page's physical address.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "crashlab.h"

/* How often a tracer that was called is looked for, some 100 us apart. */
#define CL_TRACER_SLEEPS 10000

/* One command at a time. */
static DEFINE_MUTEX(cl_command_lock);

static bool cl_tracer_is_awake(void)
{
	/* Pairs with the tracer's write, which it makes once it is awake. */
	return smp_load_acquire(&cl_page->tracer) == CL_TRACER_AWAKE;
}

static void cl_do_nothing(void *unused)
{
}

/*
 * Calls a tracer outside of the guest, which looks at the page whenever a CPU
 * becomes idle.
 *
 * The bell is another CPU that is disturbed and becomes idle again: that takes
 * less code than to sleep here, and all code that a restored guest executes for
 * the first time has to be translated.
 */
static void cl_call_tracer(void)
{
	unsigned int other = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());

	WRITE_ONCE(cl_page->tracer, CL_TRACER_CALLED);
	if (other < nr_cpu_ids)
		smp_call_function_single(other, cl_do_nothing, NULL, 0);
}

/*
 * Waits for the tracer. As a rule it is awake already; if the other CPU is busy,
 * or there is none, this one sleeps, which is a bell too.
 */
static int cl_await_tracer(void)
{
	for (unsigned int sleeps = 0; !cl_tracer_is_awake(); sleeps++) {
		if (sleeps == CL_TRACER_SLEEPS)
			return -ETIMEDOUT;
		usleep_range(50, 100);
	}
	return 0;
}

static int cl_execute(const char *verb, char *args)
{
	if (!cl_page)
		return -EBUSY;
	if (!strcmp(verb, "await-exit"))
		return cl_await_exit();
	if (cl_page->fired_tsc)
		return -EBUSY;
	if (!strcmp(verb, "nonce") && args)
		return cl_set_nonce(args);
	if (!strcmp(verb, "arm") && args)
		return cl_arm(args);
	if (!strcmp(verb, "await-tracer"))
		return cl_await_tracer();
	if (!strcmp(verb, "call-tracer")) {
		cl_call_tracer();
		return 0;
	}
	if (!strcmp(verb, "fire")) {
		cl_fire();
		return 0;
	}
	return -EINVAL;
}

static int cl_command_set(const char *text, const struct kernel_param *kp)
{
	char *copy, *args, *verb;
	int err;

	copy = kstrdup(text, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	args = strim(copy);
	verb = strsep(&args, " ");
	mutex_lock(&cl_command_lock);
	err = cl_execute(verb, args);
	mutex_unlock(&cl_command_lock);
	kfree(copy);
	return err;
}

static const struct kernel_param_ops cl_command_ops = { .set = cl_command_set };
module_param_cb(command, &cl_command_ops, NULL, 0200);
MODULE_PARM_DESC(command, "nonce, arm, call-tracer, await-tracer, fire or await-exit");

static unsigned long cl_page_phys;
module_param_named(page, cl_page_phys, ulong, 0444);
MODULE_PARM_DESC(page, "physical address of the page that the host reads; not to be set");

static unsigned long cl_page_virt;
module_param_named(mapped, cl_page_virt, ulong, 0444);
MODULE_PARM_DESC(mapped, "virtual address of that page; not to be set");

static int __init cl_init(void)
{
	int err;

	cl_init_clock();
	err = cl_find_kallsyms();
	if (err)
		return err;
	err = cl_make_page();
	if (err)
		return err;
	cl_page_phys = virt_to_phys(cl_page);
	cl_page_virt = (unsigned long)cl_page;
	cl_make_runners();
	return 0;
}
module_init(cl_init);

/* No module_exit: threads and probes that wait for a crash are not taken back. */

MODULE_DESCRIPTION("Faults on chosen CPUs, for measuring what a dying kernel leaves behind");
MODULE_LICENSE("GPL");
