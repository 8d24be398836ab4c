// SPDX-License-Identifier: GPL-2.0
/*
 * Time, by the time stamp counter.
 */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "crashlab.h"

/*
 * A thread sleeps until this close to its time, then spins: the wake-up by a
 * timer is later than that only on a busy host.
 */
#define CL_SPIN_US 200

/*
 * How long the counter is counted: even of a clock that goes by the ticks of a
 * timer, 10 ms apart at most, an error of 2 %.
 */
#define CL_COUNT_MS 500

/* The rate of the time stamp counter; it does not change any more. */
u64 cl_tsc_khz;

/* The clock as it moves on, and what the counter has then. */
static u64 __init cl_next_ns(u64 *tsc)
{
	u64 before = ktime_get_ns(), now;

	do {
		cpu_relax();
		now = ktime_get_ns();
	} while (now == before);
	*tsc = rdtsc_ordered();
	return now;
}

/*
 * The kernel knows the counter's rate, or has found out that it cannot
 * (tsc_init()), as in a guest whose host is a guest itself. Then its clock is
 * another, by which the counter is counted here once. It counts all the same.
 */
int __init cl_init_clock(void)
{
	u64 from, to, from_ns, to_ns;

	if (!boot_cpu_has(X86_FEATURE_TSC))
		return -ENODEV;
	cl_tsc_khz = tsc_khz;
	if (cl_tsc_khz)
		return 0;
	from_ns = cl_next_ns(&from);
	msleep(CL_COUNT_MS);
	to_ns = cl_next_ns(&to);
	cl_tsc_khz = div64_u64((to - from) * USEC_PER_SEC, to_ns - from_ns);
	if (!cl_tsc_khz)
		return -ENODEV;
	pr_info("crashlab: the TSC runs at %llu kHz by the kernel's clock\n", cl_tsc_khz);
	return 0;
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
		s64 left = tsc - rdtsc_ordered();
		u64 left_us;

		if (left <= (s64)cl_us_to_tsc(CL_SPIN_US))
			return;
		left_us = div64_u64(left * 1000, cl_tsc_khz) - CL_SPIN_US;
		usleep_range(left_us, left_us + CL_SPIN_US / 2);
	}
}

void cl_spin_until(u64 tsc)
{
	while ((s64)(tsc - rdtsc_ordered()) > 0)
		cpu_relax();
}
