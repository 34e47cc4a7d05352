/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or with '@' a name that is no file. 0: what else there may be one day is not known here.
 */
static socklen_t make_address(const char *name, struct sockaddr_un *ret)
{
	const size_t size = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || size >= sizeof(ret->sun_path))
		return 0;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, name, size);
	if (name[0] == '@')
		ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (name[0] == '/'));
}

static int connect_to(const char *name)
{
	struct sockaddr_un address;
	const socklen_t size = make_address(name, &address);
	int fd = size ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int uc_notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	const int fd = name ? connect_to(name) : -1;

	(void)unsetenv("NOTIFY_SOCKET");
	return fd;
}

void uc_notify(int fd, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}
