/* SPDX-License-Identifier: MIT */
#include "uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "device.h"

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

int uc_uevent_fd(const struct uc_uevent *events)
{
	return nl_socket_get_fd(events->sock);
}

static bool parse_action(const char *text, size_t len, enum uc_uevent_action *ret_action)
{
	static const char *const names[] = {[UC_UEVENT_ADD] = "add",
					    [UC_UEVENT_CHANGE] = "change",
					    [UC_UEVENT_REMOVE] = "remove"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
			*ret_action = (enum uc_uevent_action)i;
			return true;
		}
	return false;
}

/* It begins with a string like "add@/devices/virtual/block/ublkb0". */
bool uc_uevent_parse(const char *text, size_t len, struct uc_uevent_message *ret_message)
{
	struct uc_uevent_message message;
	const char *path;
	const char *name;

	if (!len || text[len - 1] != '\0')
		return false;
	path = strchr(text, '@');
	name = strrchr(text, '/');
	if (!path || !name || name < path ||
	    !parse_action(text, (size_t)(path - text), &message.action))
		return false;
	message.block = strncmp(name, "/ublkb", 6) == 0;
	/* What is left out: partitions, and the driver's control device. */
	if ((!message.block && strncmp(name, "/ublkc", 6) != 0) ||
	    !uc_device_parse_id(name + 6, &message.id))
		return false;
	*ret_message = message;
	return true;
}

int uc_uevent_next(struct uc_uevent *events, struct uc_uevent_message *ret_message)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		struct ucred *creds = NULL;
		unsigned char *msg = NULL;
		bool ours = false;
		int len = nl_recv(events->sock, &from, &msg, &creds);

		/* Any process may send here; port 0 and uid 0 are the kernel. */
		if (len > 0 && from.nl_pid == 0 && creds && creds->uid == 0)
			ours = uc_uevent_parse((const char *)msg, (size_t)len, ret_message);
		free(msg);
		free(creds);
		if (ours)
			return 1;
		if (len <= 0)
			return len == -NLE_NOMEM ? -ENOBUFS : 0;
	}
}

void uc_uevent_wait(struct uc_uevent *events, unsigned timeout_ms)
{
	const uint64_t deadline = uc_deadline(timeout_ms);
	struct uc_uevent_message message;
	bool heard = false;
	unsigned left;

	if (!events) {
		uc_sleep_ms(timeout_ms);
		return;
	}
	while (!heard && (left = uc_left_ms(deadline)) > 0) {
		struct pollfd fd = {.fd = uc_uevent_fd(events), .events = POLLIN};

		if (poll(&fd, 1, (int)left) > 0)
			heard = uc_uevent_next(events, &message) != 0;
	}
}

void uc_uevent_close(struct uc_uevent *events)
{
	if (!events)
		return;
	nl_socket_free(events->sock);
	free(events);
}
