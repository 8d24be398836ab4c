// SPDX-License-Identifier: GPL-2.0
/*
 * Time, by the time stamp counter.
 */
#include <linux/delay.h>
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "crashlab.h"

/*
 * A thread sleeps until this close to its time, then spins: the wake-up by a
 * timer is later than that only on a busy host.
 */
#define CL_SPIN_US 200

u64 cl_us_to_tsc(u64 us)
{
	return us * tsc_khz / 1000;
}

/*
 * Safe anywhere. udelay() multiplies 32-bit numbers (__const_udelay()), so that
 * it takes what is longer than some 250 ms for microseconds; mdelay() is a loop
 * of it.
 */
void cl_delay(u64 us)
{
	mdelay(us / USEC_PER_MSEC);
	udelay(us % USEC_PER_MSEC);
}

/* Sleeps until shortly before; cl_spin_until() does the rest. */
void cl_sleep_until_near(u64 tsc)
{
	for (;;) {
		s64 left = tsc - rdtsc_ordered();
		u64 left_us;

		if (left <= (s64)cl_us_to_tsc(CL_SPIN_US))
			return;
		left_us = div_u64(left * 1000, tsc_khz) - CL_SPIN_US;
		usleep_range(left_us, left_us + CL_SPIN_US / 2);
	}
}

void cl_spin_until(u64 tsc)
{
	while ((s64)(tsc - rdtsc_ordered()) > 0)
		cpu_relax();
}
