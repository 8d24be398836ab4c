// SPDX-License-Identifier: GPL-2.0
/*
 * The locks that an actor may hold. None of them is exported; each is found where it lies, by name or by what leads to it.
 *
 * What the kernel takes as spinlock_t or raw_spinlock_t is, without lock debugging and real-time patches, an
 * arch_spinlock_t with preemption switched off, and is taken as one.
 */
#include <linux/console.h>
#include <linux/preempt.h>
#include <linux/pstore.h>
#include <linux/semaphore.h>
#include <linux/serial_8250.h>
#include <linux/spinlock.h>

#if __has_include("ram_internal.h")
#include "ram_internal.h"
#else
#include <linux/pstore_ram.h>
#endif

#include "crashlab.h"

#define ARCH_LOCK(lock) _Generic((lock),			\
	raw_spinlock_t *: (arch_spinlock_t *)(lock),		\
	spinlock_t *: (arch_spinlock_t *)(lock))

static_assert(offsetof(raw_spinlock_t, raw_lock) == 0 && sizeof(spinlock_t) == sizeof(raw_spinlock_t));

/* For a notifier to take that another CPU may hold. */
static DEFINE_RAW_SPINLOCK(module_lock);

static arch_spinlock_t *find_arch_lock(enum lock_kind kind)
{
	struct pstore_info **psi;
	struct semaphore *sem;
	struct uart_8250_port *(*get_port)(int line);

	switch (kind) {
	case LOCK_PSTORE_BUF:
		psi = find_symbol("psinfo");
		return psi && *psi ? ARCH_LOCK(&(*psi)->buf_lock) : NULL;
	case LOCK_ERST:
		return find_symbol("erst_lock");
	case LOCK_CONSOLE_SEM:
		sem = find_symbol("console_sem");
		return sem ? ARCH_LOCK(&sem->lock) : NULL;
	case LOCK_UART_PORT:
		get_port = find_symbol("serial8250_get_port");
		return get_port ? ARCH_LOCK(&get_port(0)->port.lock) : NULL;
	case LOCK_DIE:
		return find_symbol("die_lock");
	case LOCK_MODULE:
		return ARCH_LOCK(&module_lock);
	case LOCK_LOGBUF:
		return find_symbol("logbuf_lock");
	default:
		return NULL;
	}
}

/* Whether there is such a lock. A zone of ramoops is known only when something comes by to write to it. */
int find_lock(struct actor *a)
{
	if (a->action != CRASHLAB_HOLD)
		return a->lock == LOCK_NONE ? 0 : -EINVAL;
	if (a->lock == LOCK_CONSOLE)
		return 0;
	if (a->lock == LOCK_RAMOOPS_ZONE)
		return a->context == CRASHLAB_IN_FUNCTION ? 0 : -EINVAL;
	a->held = find_arch_lock(a->lock);
	return a->held ? 0 : -ENOENT;
}

void take_lock(struct actor *a)
{
	if (a->lock == LOCK_CONSOLE) {
		console_lock();
		return;
	}
	if (a->lock == LOCK_RAMOOPS_ZONE)
		a->held = ARCH_LOCK(&((struct persistent_ram_zone *)a->argument)->buffer_lock);
	preempt_disable();
	arch_spin_lock(a->held);
}

void release_lock(struct actor *a)
{
	if (a->lock == LOCK_CONSOLE) {
		console_unlock();
		return;
	}
	arch_spin_unlock(a->held);
	preempt_enable();
}
