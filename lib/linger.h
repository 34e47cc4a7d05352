/* SPDX-License-Identifier: MIT */
#ifndef UC_LINGER_H
#define UC_LINGER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A handler that was told to end goes on for those who have its device mounted, or claimed it
 * otherwise, until they let go; for a minute at most. wake[0] is a signalfd: to be told once
 * more ends the patience (true); wake[1] the end of the device (false). The nodes are in dev_fd.
 */
bool uc_linger(int dev_fd, uint32_t id, struct pollfd wake[2], int notify_fd);

/* Takes what a signalfd has. True: one asks for the end; a hang-up of the terminal does not. */
bool uc_told_to_end(int signal_fd);

#endif
