// SPDX-License-Identifier: GPL-2.0
/*
 * The threads of actors, which wait until all are fired, and then for their
 * time.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "crashlab.h"

/*
 * A thread bound to a CPU, made when the module is loaded: making one is some
 * ten thousand instructions of scheduler and allocator, which would be executed
 * between a trial's beginning and its faults.
 */
struct cl_runner {
	bool ready;
	struct cl_actor *actor;
	struct completion armed;
};

static struct cl_runner cl_runners[CL_CPUS];
static DECLARE_COMPLETION(cl_fired);

/* Wakes all actors, and begins the time that they count. */
void cl_fire(void)
{
	cl_note_cpus();
	cl_stamp(&cl_page->fired_tsc);
	complete_all(&cl_fired);
}

/*
 * Interruptible only because the hung-task detector, which a scenario may have
 * switched on, would take a thread for hung that nobody has fired yet.
 */
static void cl_wait(struct completion *completion)
{
	wait_for_completion_interruptible(completion);
}

static u64 cl_await_edge(struct cl_actor *other, enum cl_edge edge)
{
	u64 *stamp = edge == CL_EDGE_ENTERED ? &other->slot->entered_tsc : &other->slot->left_tsc;

	/* Polled, because an actor may stamp from where nothing can be woken. */
	for (;;) {
		/* Pairs with the release in cl_stamp(). */
		u64 tsc = smp_load_acquire(stamp);

		if (tsc)
			return tsc;
		usleep_range(50, 100);
	}
}

/* If an actor has several threads, each takes its turn. */
static int cl_actor_thread(void *data)
{
	struct cl_actor *a = data;
	u64 turn = atomic_inc_return(&a->turns) - 1;
	u64 from;

	cl_wait(&cl_fired);
	from = a->after ? cl_await_edge(a->after, a->edge) : cl_page->fired_tsc;
	from += cl_us_to_tsc(a->delay_us + turn * a->every_us);
	cl_sleep_until_near(from);
	cl_act_in_context(a, from);
	return 0;
}

static int cl_runner_thread(void *data)
{
	struct cl_runner *runner = data;

	cl_wait(&runner->armed);
	return cl_actor_thread(runner->actor);
}

/* The thread does not run yet. */
static struct task_struct *cl_make_thread(int (*run)(void *), void *data, unsigned int cpu,
					  const char *name)
{
	struct task_struct *task = kthread_create(run, data, "crashlab/%.15s", name);

	if (!IS_ERR(task))
		kthread_bind(task, cpu);
	return task;
}

/* An actor on a CPU without a runner gets a thread of its own. */
void __init cl_make_runners(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		struct cl_runner *runner;
		struct task_struct *task;
		char name[8];

		if (cpu >= CL_CPUS)
			break;
		runner = &cl_runners[cpu];
		init_completion(&runner->armed);
		scnprintf(name, sizeof(name), "%u", cpu);
		task = cl_make_thread(cl_runner_thread, runner, cpu, name);
		if (IS_ERR(task))
			continue;
		wake_up_process(task);
		runner->ready = true;
	}
}

/* The second actor on a CPU gets threads of its own, too. */
static struct cl_runner *cl_find_runner(const struct cl_actor *a)
{
	struct cl_runner *runner = a->cpu < CL_CPUS ? &cl_runners[a->cpu] : NULL;

	return runner && runner->ready && !runner->actor ? runner : NULL;
}

/* Starts an actor's threads. Nothing that may fail follows once one of them runs. */
int cl_start(struct cl_actor *a)
{
	struct task_struct *tasks[CL_MAX_OOPSES];
	struct cl_runner *runner;
	u32 threads, made;
	int err;

	/* Without a time of its own it acts when its CPU comes by, from firing on. */
	if (!a->timed && cl_is_event_driven(a)) {
		/* Pairs with the acquire in cl_is_due(). */
		smp_store_release(&a->live, true);
		return 0;
	}
	threads = a->action == CL_ACTION_OOPS ? a->count : 1;
	runner = threads ? cl_find_runner(a) : NULL;
	if (runner)
		threads--;
	for (made = 0; made < threads; made++) {
		tasks[made] = cl_make_thread(cl_actor_thread, a, a->cpu, a->slot->name);
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
	return err;
}
