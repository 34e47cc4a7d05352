/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "doctor_priv.h"

/* In this order `add` meets what they look for. */
static const struct {
	const char *name;
	void (*look)(struct visit *v);
} checks[] = {
	{"io_uring", uc_check_io_uring},   {"driver", uc_check_driver},
	{"control", uc_check_control},     {"root", uc_check_root},
	{"runtime", uc_check_run_dir},     {"dev", uc_check_dev},
	{"limit", uc_check_limit},         {"kernel", uc_check_kernel},
	{"memlock", uc_check_memlock},     {"container", uc_check_container},
	{"udev", uc_check_udev},           {"nodes", uc_check_nodes},
	{"leftovers", uc_check_leftovers}, {"feature", uc_check_features},
};

void uc_found(struct visit *v, enum uc_verdict verdict, const struct uc_cause *cause)
{
	const struct uc_finding finding = {v->check, verdict, *cause};

	if (verdict == UC_VERDICT_PROBLEM && v->first.verdict != UC_VERDICT_PROBLEM)
		v->first = finding;
	v->doctor->tell(v->doctor->ctx, &finding);
}

void uc_found_text(struct visit *v, enum uc_verdict verdict, const char *fmt, ...)
{
	struct uc_cause cause = {.code = UC_FAILED};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause.text, sizeof(cause.text), fmt, ap);
	va_end(ap);
	uc_found(v, verdict, &cause);
}

int uc_doctor(const struct uc_doctor *doctor, struct uc_error *err)
{
	struct visit v = {.doctor = doctor, .host = doctor->host};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		v.check = checks[i].name;
		checks[i].look(&v);
	}
	uc_ctrl_close(v.ctrl);
	if (v.first.verdict != UC_VERDICT_PROBLEM)
		return 0;
	return uc_fail_cause(err, &v.first.cause);
}
