// SPDX-License-Identifier: GPL-2.0
/*
 * The locks that an actor may hold. None of them is exported; each is found
 * where it lies, by its name or by what leads to it.
 *
 * What the kernel takes as raw_spinlock_t, or without PREEMPT_RT as spinlock_t,
 * begins with an arch_spinlock_t, and is taken as that with preemption switched
 * off: lockdep does not hear of it.
 */
#include <linux/console.h>
#include <linux/preempt.h>
#include <linux/pstore.h>
#include <linux/semaphore.h>
#include <linux/serial_8250.h>
#include <linux/spinlock.h>
#include <linux/version.h>

/*
 * What a zone of ramoops is: in a header of the tree's own since 5.18, which
 * distributions' packages of headers do not have.
 */
#if __has_include("ram_internal.h")
#include "ram_internal.h"
#define CL_KNOWS_ZONES 1
#else
#include <linux/pstore_ram.h>
#define CL_KNOWS_ZONES (LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0))
#endif

#include "crashlab.h"

static_assert(offsetof(raw_spinlock_t, raw_lock) == 0);
static_assert(IS_ENABLED(CONFIG_PREEMPT_RT) || sizeof(spinlock_t) == sizeof(raw_spinlock_t));

/*
 * Some locks were of the one type first, and of the other later. A spinlock_t
 * of PREEMPT_RT is slept for, and none of ours: NULL.
 */
#define CL_ARCH_LOCK(lock)						\
({									\
	typeof(lock) lock_ = (lock);					\
									\
	static_assert(__same_type(*lock_, raw_spinlock_t) ||		\
		      __same_type(*lock_, spinlock_t));			\
	IS_ENABLED(CONFIG_PREEMPT_RT) && __same_type(*lock_, spinlock_t) ? \
		NULL : (arch_spinlock_t *)lock_;			\
})

/* For a notifier to take that another CPU may hold. */
static DEFINE_RAW_SPINLOCK(cl_module_lock);

/* Whether a lock is slept for: it is taken before its actor's context begins. */
bool cl_is_slept_for(enum cl_lock lock)
{
	return lock == CL_LOCK_CONSOLE || lock == CL_LOCK_EFIVARS || lock == CL_LOCK_EFI_RUNTIME;
}

/* The semaphore that a lock is, or that it lies inside of. */
static struct semaphore *cl_find_semaphore(enum cl_lock lock)
{
	switch (lock) {
	case CL_LOCK_CONSOLE_SEM:
		return cl_find_symbol("console_sem");
	case CL_LOCK_EFIVARS:
	case CL_LOCK_EFIVARS_SEM:
		return cl_find_symbol("efivars_lock");
	case CL_LOCK_EFI_RUNTIME:
	case CL_LOCK_EFI_RUNTIME_SEM:
		return cl_find_symbol("efi_runtime_lock");
	default:
		return NULL;
	}
}

static arch_spinlock_t *cl_find_arch_lock(enum cl_lock lock)
{
	struct semaphore *sem = cl_find_semaphore(lock);
	struct pstore_info **psi;
	struct uart_8250_port *(*get_port)(int line);

	switch (lock) {
	case CL_LOCK_PSTORE_BUF:
		psi = cl_find_symbol("psinfo");
		return psi && *psi ? CL_ARCH_LOCK(&(*psi)->buf_lock) : NULL;
	case CL_LOCK_ERST:
		return cl_find_symbol("erst_lock");
	case CL_LOCK_CONSOLE_SEM:
	case CL_LOCK_EFIVARS_SEM:
	case CL_LOCK_EFI_RUNTIME_SEM:
		return sem ? CL_ARCH_LOCK(&sem->lock) : NULL;
	case CL_LOCK_UART_PORT:
		get_port = cl_find_symbol("serial8250_get_port");
		return get_port ? CL_ARCH_LOCK(&get_port(0)->port.lock) : NULL;
	case CL_LOCK_DIE:
		return cl_find_symbol("die_lock");
	case CL_LOCK_MODULE:
		return CL_ARCH_LOCK(&cl_module_lock);
	case CL_LOCK_LOGBUF:
		return cl_find_symbol("logbuf_lock");
	default:
		return NULL;
	}
}

/*
 * Finds the lock that an actor is to hold. A zone of ramoops is known only when
 * its CPU comes by to write to it.
 */
int cl_find_lock(struct cl_actor *a)
{
	if (a->action != CL_ACTION_HOLD)
		return a->lock == CL_LOCK_NONE ? 0 : -EINVAL;
	if (cl_is_slept_for(a->lock)) {
		a->semaphore = cl_find_semaphore(a->lock);
		/* console_lock() is exported. */
		return a->semaphore || a->lock == CL_LOCK_CONSOLE ? 0 : -ENOENT;
	}
	if (a->lock == CL_LOCK_RAMOOPS_ZONE && !CL_KNOWS_ZONES)
		return -ENOENT;
	if (a->lock == CL_LOCK_RAMOOPS_ZONE)
		return a->context == CL_CONTEXT_FUNCTION ? 0 : -EINVAL;
	a->held = cl_find_arch_lock(a->lock);
	return a->held ? 0 : -ENOENT;
}

void cl_take_lock(struct cl_actor *a)
{
	if (a->lock == CL_LOCK_CONSOLE) {
		console_lock();
		return;
	}
	if (a->semaphore) {
		down(a->semaphore);
		return;
	}
#if CL_KNOWS_ZONES
	if (a->lock == CL_LOCK_RAMOOPS_ZONE) {
		struct persistent_ram_zone *zone = (void *)a->argument;

		a->held = CL_ARCH_LOCK(&zone->buffer_lock);
	}
#endif
	preempt_disable();
	arch_spin_lock(a->held);
}

void cl_release_lock(struct cl_actor *a)
{
	if (a->lock == CL_LOCK_CONSOLE) {
		console_unlock();
		return;
	}
	if (a->semaphore) {
		up(a->semaphore);
		return;
	}
	arch_spin_unlock(a->held);
	preempt_enable();
}
