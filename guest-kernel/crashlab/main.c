// SPDX-License-Identifier: GPL-2.0
/*
 * crashlab's commands, written one at a time to /sys/module/crashlab/parameters/command:
 *
 *   nonce 0123456789abcdef
 *   arm NAME ACTION cpu=N in=CONTEXT [options: see arm.c]
 *   call-tracer
 *   await-tracer
 *   fire
 *
 * Every actor is armed (its thread bound to its CPU and waiting, its probe in place) before any fires, so that neither a
 * shell nor a fork stands between the faults. When an actor enters and leaves its critical section it stamps the time
 * stamp counter into a page of memory, which the host reads whatever becomes of the guest; the parameter `page` tells the
 * page's physical address.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "crashlab.h"

/* How often a tracer that was called is looked for, some 100 us apart. */
#define TRACER_SLEEPS 10000

struct crashlab_page *page;
DECLARE_COMPLETION(fired);
/* `crashlab <nonce>` */
char panic_text[32];
static DEFINE_MUTEX(command_lock);

/*
 * The only code that writes a stamp: whoever watches it from outside sees the same as the stamps tell.
 */
static noinline void stamp(u64 *where)
{
	smp_store_release(where, rdtsc_ordered());
}

/* Of an actor that acts more than once the first time counts. */
void enter(struct actor *a)
{
	WRITE_ONCE(a->slot->hits, a->slot->hits + 1);
	if (!a->slot->entered_tsc)
		stamp(&a->slot->entered_tsc);
}

void leave(struct actor *a)
{
	if (!a->slot->left_tsc)
		stamp(&a->slot->left_tsc);
}

static unsigned long (*lookup_name)(const char *name);

/* The address of any symbol, exported or not. Of several of one name it is the first. */
void *find_symbol(const char *name)
{
	return (void *)lookup_name(name);
}

/* kallsyms_lookup_name() is no longer exported (since 5.7); a probe finds every function. */
static int find_kallsyms(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	int err = register_kprobe(&probe);

	if (err)
		return err;
	lookup_name = (void *)probe.addr;
	unregister_kprobe(&probe);
	return 0;
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
		scnprintf(panic_text, sizeof(panic_text), "crashlab %s", args);
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
	int err;

	if (!boot_cpu_has(X86_FEATURE_TSC) || !tsc_khz)
		return -ENODEV;
	err = find_kallsyms();
	if (err)
		return err;
	page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	page->version = CRASHLAB_VERSION;
	page->tsc_khz = tsc_khz;
	memcpy(page->magic, CRASHLAB_MAGIC, sizeof(page->magic));
	page_phys = virt_to_phys(page);
	page_virt = (unsigned long)page;
	return make_runners();
}
module_init(crashlab_init);

/* No module_exit: threads and probes that wait for a crash are not to be taken back. */

MODULE_DESCRIPTION("Faults on chosen CPUs, for measuring what a dying kernel leaves behind");
MODULE_LICENSE("GPL");
