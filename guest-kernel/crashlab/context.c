// SPDX-License-Identifier: GPL-2.0
/*
 * The context in which an actor acts.
 *
 * Most contexts are entered by the actor's thread, on its CPU, at its time. A
 * panic notifier, a function and an NMI from outside are events: the actor acts
 * the first time that its CPU comes by after that.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#include "crashlab.h"

/* The actor whose NMI is on its way to each CPU. */
static struct cl_actor *cl_sent[CL_CPUS];
/* The actor that waits for an NMI from outside on each CPU. */
static struct cl_actor *cl_awaiting[CL_CPUS];

/* The actor for which the agent is to exit, and that it is time. */
static struct cl_actor *cl_exiting;
static DECLARE_COMPLETION(cl_exit_due);

/*
 * Where a class of panic notifiers is called. Mainline has one list for all of
 * them, where the priority has to do; the series of 2022 split it, each under
 * names of its own.
 */
struct cl_notifier_class {
	enum cl_context context;
	int priority;
	const char *lists[3];
};

static const struct cl_notifier_class cl_notifier_classes[] = {
	{ CL_CONTEXT_NOTIFIER_FIRST, INT_MAX,
	  { "panic_info_list", "panic_notifier_list" } },
	{ CL_CONTEXT_NOTIFIER_LAST, INT_MIN,
	  { "panic_info_list", "panic_notifier_list" } },
	{ CL_CONTEXT_NOTIFIER_HYPERVISOR, INT_MAX,
	  { "panic_hypervisor_list", "panic_notifier_list" } },
	{ CL_CONTEXT_NOTIFIER_INFO, INT_MAX - 1,
	  { "panic_info_list", "panic_notifier_list" } },
	{ CL_CONTEXT_NOTIFIER_PRE_REBOOT, INT_MIN + 1,
	  { "panic_pre_reboot_list", "panic_reboot_list", "panic_notifier_list" } },
	{ CL_CONTEXT_NOTIFIER_POST_REBOOT, INT_MIN,
	  { "panic_post_reboot_list", "panic_loop_list", "panic_notifier_list" } },
};

static const struct cl_notifier_class *cl_find_class(enum cl_context context)
{
	for (size_t i = 0; i < ARRAY_SIZE(cl_notifier_classes); i++)
		if (cl_notifier_classes[i].context == context)
			return &cl_notifier_classes[i];
	return NULL;
}

static struct atomic_notifier_head *cl_find_list(const struct cl_notifier_class *class)
{
	struct atomic_notifier_head *list = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(class->lists) && !list && class->lists[i]; i++)
		list = cl_find_symbol(class->lists[i]);
	return list;
}

/* Whether an actor waits for its CPU to come by, rather than for a time alone. */
bool cl_is_event_driven(const struct cl_actor *a)
{
	return a->action == CL_ACTION_NMI || a->action == CL_ACTION_MCE ||
	       a->context == CL_CONTEXT_FUNCTION || cl_find_class(a->context);
}

static void cl_in_tasklet(unsigned long data)
{
	cl_act((struct cl_actor *)data, NULL);
}

static void cl_in_irq_work(struct irq_work *work)
{
	cl_act(container_of(work, struct cl_actor, work), NULL);
}

static int cl_in_stopped_machine(void *data)
{
	cl_act(data, NULL);
	return 0;
}

static int cl_in_notifier(struct notifier_block *block, unsigned long event, void *text)
{
	struct cl_actor *a = container_of(block, struct cl_actor, notifier);

	if (cl_is_due(a))
		cl_act(a, NULL);
	return NOTIFY_DONE;
}

/*
 * Any NMI that a CPU takes: one that crashlab has sent, or one from outside,
 * which is passed on to whichever handler is responsible for those.
 *
 * By the time that no other handler knows it (NMI_UNKNOWN) another CPU that
 * took it too may have panicked and stopped this one. The stops' own NMIs do
 * not come by here: they are served first, and end the CPU.
 */
static int cl_in_nmi(unsigned int type, struct pt_regs *regs)
{
	unsigned int cpu = raw_smp_processor_id();
	struct cl_actor *a;

	if (cpu >= CL_CPUS)
		return NMI_DONE;
	a = xchg(&cl_sent[cpu], NULL);
	if (a) {
		cl_act(a, regs);
		return NMI_HANDLED;
	}
	a = READ_ONCE(cl_awaiting[cpu]);
	if (a && cl_is_due(a))
		cl_enter(a);
	return NMI_DONE;
}

/* One handler serves all actors, and stays. */
static int cl_prepare_nmi(void)
{
	static bool registered;
	int err;

	if (registered)
		return 0;
	err = register_nmi_handler(NMI_LOCAL, cl_in_nmi, 0, "crashlab");
	registered = !err;
	return err;
}

static int cl_prepare_awaiting(struct cl_actor *a)
{
	int err;

	if (a->cpu >= CL_CPUS || cl_awaiting[a->cpu])
		return -EBUSY;
	err = cl_prepare_nmi();
	if (err)
		return err;
	WRITE_ONCE(cl_awaiting[a->cpu], a);
	return 0;
}

/*
 * Each CPU logs its errors before one of them panics; what comes before that
 * takes no probe.
 */
static int cl_in_mce(struct kprobe *probe, struct pt_regs *regs)
{
	struct cl_actor *a = container_of(probe, struct cl_actor, probe);

	if (cl_is_due(a))
		cl_enter(a);
	return 0;
}

static int cl_prepare_mce(struct cl_actor *a)
{
	a->probe.symbol_name = "mce_gen_pool_add";
	a->probe.pre_handler = cl_in_mce;
	return register_kprobe(&a->probe);
}

static int cl_prepare_notifier(struct cl_actor *a, const struct cl_notifier_class *class)
{
	struct atomic_notifier_head *list = cl_find_list(class);

	if (!list)
		return -ENOENT;
	a->notifier.notifier_call = cl_in_notifier;
	a->notifier.priority = class->priority;
	return atomic_notifier_chain_register(list, &a->notifier);
}

/* Registers what has to be in place before firing. */
int cl_prepare_context(struct cl_actor *a)
{
	const struct cl_notifier_class *class = cl_find_class(a->context);

	if (a->action == CL_ACTION_NMI)
		return cl_prepare_awaiting(a);
	if (a->action == CL_ACTION_MCE)
		return cl_prepare_mce(a);
	if (class)
		return cl_prepare_notifier(a, class);
	switch (a->context) {
	case CL_CONTEXT_SOFTIRQ:
		tasklet_init(&a->tasklet, cl_in_tasklet, (unsigned long)a);
		return 0;
	case CL_CONTEXT_HARDIRQ:
#ifdef IRQ_WORK_INIT_HARD
		/* PREEMPT_RT has a thread do what is not. */
		a->work = IRQ_WORK_INIT_HARD(cl_in_irq_work);
#else
		init_irq_work(&a->work, cl_in_irq_work);
#endif
		return 0;
	case CL_CONTEXT_NMI:
		return a->cpu < CL_CPUS ? cl_prepare_nmi() : -ENXIO;
	case CL_CONTEXT_FUNCTION:
		return cl_prepare_detour(a);
	default:
		return 0;
	}
}

/*
 * Unregisters what cl_prepare_context() has registered: the actor's memory may
 * become another's. A handler that has found the actor just before leaves it
 * alone, because nothing is due before firing.
 */
void cl_unprepare_context(struct cl_actor *a)
{
	const struct cl_notifier_class *class = cl_find_class(a->context);

	if (a->action == CL_ACTION_NMI)
		WRITE_ONCE(cl_awaiting[a->cpu], NULL);
	else if (a->action == CL_ACTION_MCE)
		unregister_kprobe(&a->probe);
	else if (class)
		atomic_notifier_chain_unregister(cl_find_list(class), &a->notifier);
	else if (a->context == CL_CONTEXT_FUNCTION)
		cl_unprepare_detour(a);
}

static void cl_act_with_irqs_on(struct cl_actor *a)
{
	switch (a->context) {
	case CL_CONTEXT_PREEMPT_OFF:
		preempt_disable();
		cl_act(a, NULL);
		preempt_enable();
		break;
	case CL_CONTEXT_SOFTIRQ:
		local_bh_disable();
		tasklet_hi_schedule(&a->tasklet);
		local_bh_enable();
		break;
	case CL_CONTEXT_HARDIRQ:
		irq_work_queue(&a->work);
		break;
	case CL_CONTEXT_STOP_MACHINE:
		stop_machine(cl_in_stopped_machine, a, cpumask_of(a->cpu));
		break;
	default:
		cl_act(a, NULL);
	}
}

/*
 * Waits until an actor wants the agent to exit, which is its part: the actor
 * enters when the agent is about to go.
 */
int cl_await_exit(void)
{
	int err = wait_for_completion_interruptible(&cl_exit_due);

	if (!err)
		cl_enter(cl_exiting);
	return err;
}

/*
 * Called in the actor's thread, shortly before its time.
 *
 * Where interrupts are to be off they are off already while it waits for that
 * time, so that nobody's stop comes in between: two CPUs may panic within a
 * microsecond, and both do.
 */
void cl_act_in_context(struct cl_actor *a, u64 tsc)
{
	unsigned long flags;

	if (cl_is_event_driven(a)) {
		cl_spin_until(tsc);
		/* Pairs with the acquire in cl_is_due(). */
		smp_store_release(&a->live, true);
		return;
	}
	if (a->action == CL_ACTION_EXIT) {
		cl_spin_until(tsc);
		cl_exiting = a;
		complete(&cl_exit_due);
		return;
	}
	/* Its CPU was taken down: the thread is on another one. */
	if (raw_smp_processor_id() != a->cpu)
		return;
	if (cl_is_slept_for(a->lock))
		cl_take_lock(a);
	switch (a->context) {
	case CL_CONTEXT_IRQS_OFF:
		local_irq_save(flags);
		cl_spin_until(tsc);
		cl_act(a, NULL);
		local_irq_restore(flags);
		break;
	case CL_CONTEXT_NMI:
		local_irq_save(flags);
		cl_spin_until(tsc);
		/* Pairs with the xchg() in cl_in_nmi(). */
		smp_store_release(&cl_sent[a->cpu], a);
		apic->send_IPI_mask(cpumask_of(a->cpu), NMI_VECTOR);
		local_irq_restore(flags);
		break;
	default:
		cl_spin_until(tsc);
		cl_act_with_irqs_on(a);
	}
	if (cl_is_slept_for(a->lock))
		cl_release_lock(a);
}
