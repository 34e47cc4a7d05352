/* SPDX-License-Identifier: MIT */
/* What the running kernel's driver can do, and what is known to be wrong with it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "doctor_priv.h"
#include "feature.h"

/*
 * Faults that features do not tell, by version. Where they are from:
 * - ADD_DEV uses the tags of a queue before there are any: commit 529d4d632788 without
 * 011af85ccd87. https://github.com/zabbly/linux/issues/52 (6.18.4),
 * https://bugs.launchpad.net/bugs/2154635 and https://github.com/longhorn/longhorn/issues/13509
 * (Ubuntu's 6.17).
 */
static const struct {
	unsigned major, minor;
	unsigned from, to;   /* the third number */
	const char *builder; /* part of the release's name */
	const char *text;
} bad_kernels[] = {
	{6, 18, 4, 5, "", "making a device crashes this kernel; 6.18.6 and newer do not"},
	{6, 17, 0, 0, "-aws", "making a device crashes some of Ubuntu's 6.17 kernels"},
	{6, 17, 0, 0, "-azure", "making a device crashes some of Ubuntu's 6.17 kernels"},
	{6, 17, 0, 0, "-generic", "making a device crashes some of Ubuntu's 6.17 kernels"},
};

static const char *why_bad(const char *release)
{
	unsigned major = 0;
	unsigned minor = 0;
	unsigned third = 0;

	if (sscanf(release, "%u.%u.%u", &major, &minor, &third) < 2)
		return NULL;
	for (size_t i = 0; i < sizeof(bad_kernels) / sizeof(bad_kernels[0]); i++)
		if (bad_kernels[i].major == major && bad_kernels[i].minor == minor &&
		    third >= bad_kernels[i].from && third <= bad_kernels[i].to &&
		    strstr(release, bad_kernels[i].builder))
			return bad_kernels[i].text;
	return NULL;
}

void uc_check_kernel(struct visit *v)
{
	struct uc_cause cause;
	const char *bad;
	char release[128];

	uc_machine_release(v->host, release, sizeof(release));
	bad = why_bad(release);
	if (bad) {
		uc_cause_text(&cause, UC_FAILED, "Linux %s: %s", release, bad);
		uc_cause_advice(&cause, "boot another");
		uc_found(v, UC_VERDICT_WARNING, &cause);
		return;
	}
	/* As in recover.c: ublk_queue_reinit() of those before 6.16. */
	if (v->has_features && !(v->features & UBLK_F_QUIESCE))
		uc_found_text(v, UC_VERDICT_NOTE,
			      "a recovery that was cut short cannot be tried again, since this "
			      "kernel would crash; 6.16 and newer do not");
	else
		uc_found_text(v, UC_VERDICT_OK, "nothing bad is known of Linux %s", release);
}

/* What nothing of ours needs is left to `features`. */
void uc_check_features(struct visit *v)
{
	const struct uc_feature *features;
	size_t count;

	if (!v->has_features)
		return;
	features = uc_features(&count);
	for (size_t i = 0; i < count; i++) {
		const struct uc_feature *f = &features[i];

		if (!f->enables)
			continue;
		if (v->features & f->bit)
			uc_found_text(v, UC_VERDICT_OK, "%s: for %s", f->name, f->enables);
		else
			uc_found_text(v, UC_VERDICT_NOTE, "%s is not in this driver; it is for %s",
				      f->name, f->enables);
	}
}
