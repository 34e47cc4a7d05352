/* SPDX-License-Identifier: MIT */
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "progress.h"

static bool has_own_mounts;

int uc_isolate_stdio(struct uc_error *err)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return uc_fail_errno(err, errno, "/dev/null");
	/* Replaced, not closed: the next files opened must not become 0 to 2. */
	for (int i = 0; i <= 2; i++) {
		if (fd != i && dup2(fd, i) < 0)
			return uc_fail_errno(err, errno, "/dev/null as file %d", i);
	}
	if (fd > 2)
		close(fd);
	/* Nobody is left to be told. */
	uc_progress_to(NULL);
	(void)setsid();
	(void)umask(022);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void uc_close_all_but(int *kept, unsigned count)
{
	unsigned from = 3;

	qsort(kept, count, sizeof(*kept), compare);
	for (unsigned i = 0; i < count; i++) {
		if (kept[i] < (int)from)
			continue;
		if ((unsigned)kept[i] > from)
			(void)close_range(from, (unsigned)kept[i] - 1, 0);
		from = (unsigned)kept[i] + 1;
	}
	(void)close_range(from, ~0U, 0);
}

/* Killing a server would not free the memory behind it. */
void uc_isolate_memory(void)
{
	static const char score[] = "-1000";
	uc_auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, score, strlen(score)) < 0)
		uc_log(LOG_WARNING, "OOM score not lowered: %s", uc_errno_text(errno));
}

void uc_isolate_process(bool unprivileged)
{
	if (unprivileged)
		return;
	uc_isolate_memory();
	/* Private before anything else: what we unmount must stay mounted for everyone else. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		uc_log(LOG_WARNING, "no mount namespace of its own: %s", uc_errno_text(errno));
	else
		has_own_mounts = true;
}

void uc_isolate_mounts(void)
{
	if (has_own_mounts && umount2("/", MNT_DETACH) < 0)
		uc_log(LOG_WARNING, "cannot leave the mounts behind: %s", uc_errno_text(errno));
}
