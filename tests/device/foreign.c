/* SPDX-License-Identifier: MIT */
/*
 * Another program's device: ADD_DEV as one would do it that knows nothing of us, and no more.
 * Prints its id, which is left without a server.
 */
#include <stdio.h>

#include "ctrl.h"

int main(void)
{
	const struct uc_host host = {.dev_dir = "/dev",
				     .sys_dir = "/sys",
				     .run_dir = "/nonexistent",
				     .transport = &uc_transport_kernel,
				     .timeout_ms = 10000};
	struct ublksrv_ctrl_dev_info info = {.dev_id = UC_ID_ANY,
					     .nr_hw_queues = 1,
					     .queue_depth = 16,
					     .max_io_buf_bytes = 65536,
					     .flags = UBLK_F_CMD_IOCTL_ENCODE};
	struct uc_error err = {0};
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;

	if (uc_ctrl_open(&host, &ctrl, &err) < 0 || uc_ctrl_add_dev(ctrl, &info, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%u\n", info.dev_id);
	return 0;
}
