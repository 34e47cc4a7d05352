/* SPDX-License-Identifier: MIT */
#ifndef UC_NOTIFY_H
#define UC_NOTIFY_H

/*
 * What a service manager that has started this process wants to hear: the datagrams of
 * sd_notify(3). Not by way of libsystemd, which looks the socket up for each of them: a handler has
 * left all mounts, and the socket's path with them, when it has something to say.
 */

/* The socket of NOTIFY_SOCKET, which nobody after us finds any more; -1: there is none. */
int uc_notify_open(void);

/* Says it, if there is somebody to hear. Never waits, and a failure is nobody's. */
void uc_notify(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
