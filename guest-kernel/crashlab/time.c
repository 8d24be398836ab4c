// SPDX-License-Identifier: GPL-2.0
/*
 * Time, by the time stamp counter or the kernel's clock.
 */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/printk.h>
#include <linux/time64.h>
#include <asm/cpufeature.h>
#include <asm/tsc.h>

#include "crashlab.h"

/*
 * A thread sleeps until this close to its time, then spins: the wake-up by a
 * timer is later than that only on a busy host.
 */
#define CL_SPIN_US 200

bool cl_by_tsc;
u64 cl_tsc_khz;

/*
 * The kernel knows the TSC's rate, or has found out that it cannot (tsc_init()),
 * as in a guest whose host is a guest itself. Then the TSCs of its CPUs need not
 * agree either, and the clock that the kernel goes by takes their place, in
 * nanoseconds.
 */
void __init cl_init_clock(void)
{
	cl_by_tsc = boot_cpu_has(X86_FEATURE_TSC) && tsc_khz;
	cl_tsc_khz = cl_by_tsc ? tsc_khz : USEC_PER_SEC;
	if (!cl_by_tsc)
		pr_info("crashlab: stamps are by the kernel's clock, since the TSC's rate is not known\n");
}

u64 cl_us_to_tsc(u64 us)
{
	return us * cl_tsc_khz / 1000;
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
		s64 left = tsc - cl_now();
		u64 left_us;

		if (left <= (s64)cl_us_to_tsc(CL_SPIN_US))
			return;
		left_us = div64_u64(left * 1000, cl_tsc_khz) - CL_SPIN_US;
		usleep_range(left_us, left_us + CL_SPIN_US / 2);
	}
}

void cl_spin_until(u64 tsc)
{
	while ((s64)(tsc - cl_now()) > 0)
		cpu_relax();
}
