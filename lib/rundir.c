/* SPDX-License-Identifier: MIT */
#include "rundir.h"

#include <errno.h>
#include <sys/stat.h>

#include "cause.h"

int uc_rundir_prepare(const struct uc_host *host, struct uc_error *err)
{
	struct uc_cause cause;

	if (!*host->run_dir)
		return uc_fail(err, UC_FAILED, ENOENT, "%s", host->no_run_dir);
	if (!host->dry_run && mkdir(host->run_dir, 0755) < 0 && errno != EEXIST)
		return uc_fail_open(err, host, host->run_dir, errno);
	return uc_cause_run_dir(host, &cause) ? uc_fail_cause(err, &cause) : 0;
}
