/* SPDX-License-Identifier: MIT */
#include "uevent.h"

#include <linux/netlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"

#define KERNEL_EVENTS 1 /* group 1: straight from the kernel, before udev has seen it */

struct uc_uevent {
	struct nl_sock *sock;
};

struct uc_uevent *uc_uevent_open(void)
{
	struct uc_uevent *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->sock = nl_socket_alloc();
	if (!events->sock)
		goto free_ue;
	nl_socket_disable_seq_check(events->sock);
	nl_join_groups(events->sock, KERNEL_EVENTS);
	if (nl_connect(events->sock, NETLINK_KOBJECT_UEVENT) < 0 ||
	    nl_socket_set_nonblocking(events->sock) < 0 ||
	    nl_socket_set_passcred(events->sock, 1) < 0)
		goto free_sock;
	return events;

free_sock:
	nl_socket_free(events->sock);
free_ue:
	free(events);
	return NULL;
}

/* Takes one message off the socket. True when the kernel itself speaks of a ublk device. */
static bool take_message(struct uc_uevent *events, bool *ret_empty)
{
	struct sockaddr_nl from = {0};
	struct ucred *creds = NULL;
	unsigned char *msg = NULL;
	bool ours = false;
	int len;

	len = nl_recv(events->sock, &from, &msg, &creds);
	*ret_empty = len <= 0;
	/* Any process may send here; port 0 and uid 0 are the kernel. */
	if (len > 0 && from.nl_pid == 0 && creds && creds->uid == 0)
		ours = memmem(msg, (size_t)len, "/ublk", 5) != NULL;
	free(msg);
	free(creds);
	return ours;
}

void uc_uevent_wait(struct uc_uevent *events, unsigned timeout_ms)
{
	const uint64_t deadline = uc_deadline(timeout_ms);
	bool ours = false;
	unsigned left;

	if (!events) {
		uc_sleep_ms(timeout_ms);
		return;
	}
	while (!ours && (left = uc_left_ms(deadline)) > 0) {
		struct pollfd fd = {.fd = nl_socket_get_fd(events->sock), .events = POLLIN};
		bool empty = false;

		if (poll(&fd, 1, (int)left) <= 0)
			continue;
		while (!empty && !ours)
			ours = take_message(events, &empty);
	}
}

void uc_uevent_close(struct uc_uevent *events)
{
	if (!events)
		return;
	nl_socket_free(events->sock);
	free(events);
}
