/* SPDX-License-Identifier: MIT */
#include "cmd.h"

int main(int argc, char **argv)
{
	static const struct uc_host host = {
		.dev_dir = "/dev",
		.sys_dir = "/sys",
		.run_dir = "/run/ublkctl",
		.transport = &uc_transport_kernel,
		.timeout_ms = 10000,
	};

	return ublkctl_main(&host, argc, argv);
}
