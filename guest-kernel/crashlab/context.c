// SPDX-License-Identifier: GPL-2.0
/*
 * The context in which an actor acts. All but the last three are entered by its thread, on its CPU, at its time. A panic
 * notifier and a function are come by: the actor acts there the first time that its CPU does so.
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#include "crashlab.h"

/* Whose NMI is on its way to each CPU. */
static struct actor *sent[CRASHLAB_CPUS];
/* Who waits for an NMI from outside on each CPU. */
static struct actor *awaiting[CRASHLAB_CPUS];

/*
 * Where a class of panic notifiers is called. Kernels as they are have one list for all of them, where the priority has to
 * do; the series of 2022 split it, each under names of its own.
 */
struct notifier_class {
	enum crashlab_context context;
	int priority;
	const char *lists[3];
};

static const struct notifier_class notifier_classes[] = {
	{ CRASHLAB_IN_NOTIFIER_FIRST, INT_MAX, { "panic_info_list", "panic_notifier_list" } },
	{ CRASHLAB_IN_NOTIFIER_LAST, INT_MIN, { "panic_info_list", "panic_notifier_list" } },
	{ CRASHLAB_IN_NOTIFIER_HYPERVISOR, INT_MAX, { "panic_hypervisor_list", "panic_notifier_list" } },
	{ CRASHLAB_IN_NOTIFIER_INFO, INT_MAX - 1, { "panic_info_list", "panic_notifier_list" } },
	{ CRASHLAB_IN_NOTIFIER_PRE_REBOOT, INT_MIN + 1,
	  { "panic_pre_reboot_list", "panic_reboot_list", "panic_notifier_list" } },
	{ CRASHLAB_IN_NOTIFIER_POST_REBOOT, INT_MIN,
	  { "panic_post_reboot_list", "panic_loop_list", "panic_notifier_list" } },
};

static const struct notifier_class *notifier_class(enum crashlab_context context)
{
	for (size_t i = 0; i < ARRAY_SIZE(notifier_classes); i++)
		if (notifier_classes[i].context == context)
			return &notifier_classes[i];
	return NULL;
}

bool comes_by(const struct actor *a)
{
	switch (a->context) {
	case CRASHLAB_IN_FUNCTION:
		return true;
	default:
		return notifier_class(a->context) || a->action == CRASHLAB_NMI;
	}
}

/* Whether an actor that this CPU comes by is to act: once, on its own CPU, from its time on. */
bool is_due(struct actor *a)
{
	return READ_ONCE(page->fired_tsc) && READ_ONCE(a->live) && raw_smp_processor_id() == a->cpu &&
	       !atomic_xchg(&a->taken, 1);
}

static void in_tasklet(unsigned long data)
{
	act((struct actor *)data, NULL);
}

static void in_hardirq_work(struct irq_work *work)
{
	act(container_of(work, struct actor, work), NULL);
}

static int in_stopped_machine(void *data)
{
	act(data, NULL);
	return 0;
}

static int in_notifier(struct notifier_block *block, unsigned long event, void *text)
{
	struct actor *a = container_of(block, struct actor, notifier);

	if (is_due(a))
		act(a, NULL);
	return NOTIFY_DONE;
}

static struct atomic_notifier_head *find_list(const struct notifier_class *class)
{
	struct atomic_notifier_head *list = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(class->lists) && !list && class->lists[i]; i++)
		list = find_symbol(class->lists[i]);
	return list;
}

static int prepare_notifier(struct actor *a)
{
	const struct notifier_class *class = notifier_class(a->context);
	struct atomic_notifier_head *list = find_list(class);

	if (!list)
		return -ENOENT;
	a->notifier.notifier_call = in_notifier;
	a->notifier.priority = class->priority;
	return atomic_notifier_chain_register(list, &a->notifier);
}

/*
 * Any NMI that a CPU takes: one that we have sent, or one from outside, which goes on to whoever is responsible for those.
 *
 * By the time that nobody else knows it (NMI_UNKNOWN) another CPU that took it too may have panicked and stopped this one.
 * The stops' own NMIs do not come by here: they are served first, and end the CPU.
 */
static int in_nmi_handler(unsigned int type, struct pt_regs *regs)
{
	unsigned int cpu = raw_smp_processor_id();
	struct actor *a;

	if (cpu >= CRASHLAB_CPUS)
		return NMI_DONE;
	a = xchg(&sent[cpu], NULL);
	if (a) {
		act(a, regs);
		return NMI_HANDLED;
	}
	a = READ_ONCE(awaiting[cpu]);
	if (a && is_due(a))
		enter(a);
	return NMI_DONE;
}

static int prepare_nmi(void)
{
	static bool registered;
	int err = registered ? 0 : register_nmi_handler(NMI_LOCAL, in_nmi_handler, 0, "crashlab");

	registered = registered || !err;
	return err;
}

/* What has to be in place before firing. */
int prepare_context(struct actor *a)
{
	int err;

	if (a->action == CRASHLAB_NMI) {
		if (a->cpu >= CRASHLAB_CPUS || awaiting[a->cpu])
			return -EBUSY;
		err = prepare_nmi();
		if (!err)
			WRITE_ONCE(awaiting[a->cpu], a);
		return err;
	}
	switch (a->context) {
	case CRASHLAB_IN_SOFTIRQ:
		tasklet_init(&a->tasklet, in_tasklet, (unsigned long)a);
		return 0;
	case CRASHLAB_IN_HARDIRQ:
		init_irq_work(&a->work, in_hardirq_work);
		return 0;
	case CRASHLAB_IN_NMI:
		return a->cpu < CRASHLAB_CPUS ? prepare_nmi() : -ENXIO;
	case CRASHLAB_IN_FUNCTION:
		return prepare_detour(a);
	default:
		return notifier_class(a->context) ? prepare_notifier(a) : 0;
	}
}

/* Nobody comes by any more: the actor's memory may become another's. */
void unprepare_context(struct actor *a)
{
	const struct notifier_class *class = notifier_class(a->context);

	if (a->action == CRASHLAB_NMI)
		WRITE_ONCE(awaiting[a->cpu], NULL);
	else if (a->context == CRASHLAB_IN_FUNCTION)
		unregister_kprobe(&a->probe);
	else if (class)
		atomic_notifier_chain_unregister(find_list(class), &a->notifier);
}

static void act_with_irqs_on(struct actor *a)
{
	switch (a->context) {
	case CRASHLAB_IN_PREEMPT_OFF:
		preempt_disable();
		act(a, NULL);
		preempt_enable();
		break;
	case CRASHLAB_IN_SOFTIRQ:
		local_bh_disable();
		tasklet_hi_schedule(&a->tasklet);
		local_bh_enable();
		break;
	case CRASHLAB_IN_HARDIRQ:
		irq_work_queue(&a->work);
		break;
	case CRASHLAB_IN_STOP_MACHINE:
		stop_machine(in_stopped_machine, a, cpumask_of(a->cpu));
		break;
	default:
		act(a, NULL);
	}
}

/*
 * In the actor's thread, shortly before its time. Where interrupts are to be off they are off already while it waits for that,
 * so that nobody's stop comes in between: two CPUs may panic within a microsecond, and both do.
 */
void act_in_context(struct actor *a, u64 tsc)
{
	unsigned long flags;

	if (comes_by(a)) {
		spin_until(tsc);
		smp_store_release(&a->live, true);
		return;
	}
	/* This lock is slept for. */
	if (a->lock == LOCK_CONSOLE)
		take_lock(a);
	switch (a->context) {
	case CRASHLAB_IN_IRQS_OFF:
		local_irq_save(flags);
		spin_until(tsc);
		act(a, NULL);
		local_irq_restore(flags);
		break;
	case CRASHLAB_IN_NMI:
		local_irq_save(flags);
		spin_until(tsc);
		smp_store_release(&sent[a->cpu], a);
		apic->send_IPI_mask(cpumask_of(a->cpu), NMI_VECTOR);
		local_irq_restore(flags);
		break;
	default:
		spin_until(tsc);
		act_with_irqs_on(a);
	}
	if (a->lock == LOCK_CONSOLE)
		release_lock(a);
}
