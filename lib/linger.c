/* SPDX-License-Identifier: MIT */
#include "linger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "deadline.h"
#include "log.h"
#include "notify.h"

/* Less than the unit gives, see systemd/ublkctl@.service.in. */
#define PATIENCE_MS 60000
#define LOOK_MS     200

/* The kernel says so; there is no /proc here any more. */
static bool is_claimed(int dev_fd, uint32_t id)
{
	char node[32];
	int fd;

	snprintf(node, sizeof(node), "ublkb%u", id);
	fd = openat(dev_fd, node, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY;
}

bool uc_told_to_end(int signal_fd)
{
	struct signalfd_siginfo si;

	while (read(signal_fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			return true;
	return false;
}

bool uc_linger(int dev_fd, uint32_t id, struct pollfd wake[2], int notify_fd)
{
	const uint64_t patience = uc_deadline(PATIENCE_MS);

	if (!is_claimed(dev_fd, id))
		return true;
	uc_log(LOG_NOTICE, "device %u: waits for those who have it mounted or claimed", id);
	uc_notify(notify_fd, "STATUS=waits for those who have it mounted or claimed");
	do {
		(void)poll(wake, 2, LOOK_MS);
		if (wake[1].revents & POLLIN)
			return false;
		if ((wake[0].revents & POLLIN) && uc_told_to_end(wake[0].fd))
			return true;
	} while (uc_left_ms(patience) > 0 && is_claimed(dev_fd, id));
	return true;
}
