// SPDX-License-Identifier: GPL-2.0
/*
 * The page that the host reads, and the stamps in it.
 */
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "crashlab.h"

static_assert(CL_PAGE_BYTES <= PAGE_SIZE);

struct cl_page *cl_page;
/* `crashlab <nonce>` */
char cl_panic_text[32];

int __init cl_make_page(void)
{
	struct cl_page *page = (void *)get_zeroed_page(GFP_KERNEL);

	if (!page)
		return -ENOMEM;
	page->version = CL_VERSION;
	page->tsc_khz = cl_tsc_khz;
	memcpy(page->magic, CL_MAGIC, sizeof(page->magic));
	cl_page = page;
	return 0;
}

int cl_set_nonce(const char *nonce)
{
	if (strlen(nonce) != sizeof(cl_page->nonce))
		return -EINVAL;
	memcpy(cl_page->nonce, nonce, sizeof(cl_page->nonce));
	scnprintf(cl_panic_text, sizeof(cl_panic_text), "crashlab %s", nonce);
	return 0;
}

/*
 * Nothing else writes a stamp, so that a tracer which watches this function
 * from outside sees what the stamps tell.
 */
noinline void cl_stamp(u64 *where)
{
	/*
	 * Whoever sees the stamp sees what was done before; pairs with the
	 * acquire in cl_await_edge(), and with the host's reads.
	 */
	smp_store_release(where, cl_now());
}

/* The first 32 CPUs of a mask. */
static u32 cl_bits(const struct cpumask *mask)
{
	u32 bits = 0;
	unsigned int cpu;

	for_each_cpu(cpu, mask)
		if (cpu < 32)
			bits |= BIT(cpu);
	return bits;
}

/* Tells which CPUs there are before the faults. */
void cl_note_cpus(void)
{
	cl_page->cpus_possible = cl_bits(cpu_possible_mask);
	cl_page->cpus_present = cl_bits(cpu_present_mask);
	cl_page->cpus_online = cl_bits(cpu_online_mask);
}

/* Of an actor that acts more than once the first time counts. */
void cl_enter(struct cl_actor *a)
{
	WRITE_ONCE(a->slot->hits, a->slot->hits + 1);
	if (!a->slot->entered_tsc)
		cl_stamp(&a->slot->entered_tsc);
}

void cl_leave(struct cl_actor *a)
{
	if (!a->slot->left_tsc)
		cl_stamp(&a->slot->left_tsc);
}
