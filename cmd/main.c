/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "cmd.h"

int main(int argc, char **argv)
{
	struct uc_host host = {
		.dev_dir = "/dev",
		.sys_dir = "/sys",
		.run_dir = "/run/ublkctl",
		.transport = &uc_transport_kernel,
		.timeout_ms = 10000,
	};

	uc_host_of_user(&host, getenv("XDG_RUNTIME_DIR"));
	return ublkctl_main(&host, argc, argv);
}
