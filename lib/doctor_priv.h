/* SPDX-License-Identifier: MIT */
#ifndef UC_DOCTOR_PRIV_H
#define UC_DOCTOR_PRIV_H

#include "ctrl.h"
#include "doctor.h"
#include "machine.h"

/* One visit, and what the checks behind know from those before. */
struct visit {
	const struct uc_doctor *doctor;
	const struct uc_host *host;
	const char *check;    /* the one that is looking */
	struct uc_ctrl *ctrl; /* NULL: the driver cannot be asked */
	bool has_features;
	uint64_t features;
	struct uc_finding first; /* problem; its verdict is UC_VERDICT_OK if there is none */
};

/* What a check has to say. */
void uc_found(struct visit *v, enum uc_verdict verdict, const struct uc_cause *cause);
void uc_found_text(struct visit *v, enum uc_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The checks, each in the file of its subject: doctor_driver.c, _kernel.c, _system.c, _devices.c.
 */
void uc_check_io_uring(struct visit *v);
void uc_check_driver(struct visit *v);
void uc_check_root(struct visit *v);
void uc_check_control(struct visit *v);
void uc_check_dev(struct visit *v);
void uc_check_kernel(struct visit *v);
void uc_check_features(struct visit *v);
void uc_check_container(struct visit *v);
void uc_check_udev(struct visit *v);
void uc_check_memlock(struct visit *v);
void uc_check_limit(struct visit *v);
void uc_check_nodes(struct visit *v);
void uc_check_run_dir(struct visit *v);
void uc_check_leftovers(struct visit *v);

#endif
