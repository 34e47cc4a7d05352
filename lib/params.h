/* SPDX-License-Identifier: MIT */
#ifndef UC_PARAMS_H
#define UC_PARAMS_H

#include "error.h"
#include "path.h"
#include "target.h"
#include "ublk_abi.h"

/* The driver's parameters for a target's data and the I/O size that ADD_DEV granted. */
void uc_params_build(const struct uc_target *target, const struct uc_path *path,
		     const struct ublksrv_ctrl_dev_info *info, struct ublk_params *ret_params);

#endif
