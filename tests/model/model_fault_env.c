/* SPDX-License-Identifier: MIT */
/* Planned failures from the environment, for programs that a test runs and cannot call into. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "model_priv.h"

static const struct {
	const char *name;
	uint32_t op;
} ops[] = {
	{"GET_FEATURES", UBLK_U_CMD_GET_FEATURES},
	{"ADD_DEV", UBLK_U_CMD_ADD_DEV},
	{"DEL_DEV", UBLK_U_CMD_DEL_DEV},
	{"DEL_DEV_ASYNC", UBLK_U_CMD_DEL_DEV_ASYNC},
	{"START_DEV", UBLK_U_CMD_START_DEV},
	{"STOP_DEV", UBLK_U_CMD_STOP_DEV},
	{"TRY_STOP_DEV", UBLK_U_CMD_TRY_STOP_DEV},
	{"SET_PARAMS", UBLK_U_CMD_SET_PARAMS},
	{"GET_PARAMS", UBLK_U_CMD_GET_PARAMS},
	{"GET_DEV_INFO", UBLK_U_CMD_GET_DEV_INFO},
	{"GET_DEV_INFO2", UBLK_U_CMD_GET_DEV_INFO2},
	{"GET_QUEUE_AFFINITY", UBLK_U_CMD_GET_QUEUE_AFFINITY},
	{"START_USER_RECOVERY", UBLK_U_CMD_START_USER_RECOVERY},
	{"END_USER_RECOVERY", UBLK_U_CMD_END_USER_RECOVERY},
	{"UPDATE_SIZE", UBLK_U_CMD_UPDATE_SIZE},
	{"QUIESCE_DEV", UBLK_U_CMD_QUIESCE_DEV},
	{"REG_BUF", UBLK_U_CMD_REG_BUF},
	{"UNREG_BUF", UBLK_U_CMD_UNREG_BUF},
	{"FETCH_REQ", UBLK_U_IO_FETCH_REQ},
	{"COMMIT_AND_FETCH_REQ", UBLK_U_IO_COMMIT_AND_FETCH_REQ},
	{"NEED_GET_DATA", UBLK_U_IO_NEED_GET_DATA},
	{"CTRL_OPEN", MODEL_OP_CTRL_OPEN},
	{"RING_INIT", MODEL_OP_RING_INIT},
	{"RING_PROBE", MODEL_OP_RING_PROBE},
	{"RING_SUBMIT", MODEL_OP_RING_SUBMIT},
	{"READ", MODEL_OP_SQE(IORING_OP_READ)},
	{"WRITE", MODEL_OP_SQE(IORING_OP_WRITE)},
	{"FSYNC", MODEL_OP_SQE(IORING_OP_FSYNC)},
	{"FALLOCATE", MODEL_OP_SQE(IORING_OP_FALLOCATE)},
};

static int parse_op(const char *text, uint32_t *ret_op)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].name, text)) {
			*ret_op = ops[i].op;
			return 0;
		}
	return -EINVAL;
}

static int parse_number(const char *text, uint32_t *ret_n)
{
	char *end;
	unsigned long n;

	if (!strcmp(text, "always")) {
		*ret_n = MODEL_ALWAYS;
		return 0;
	}
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n > UINT32_MAX)
		return -EINVAL;
	*ret_n = (uint32_t)n;
	return 0;
}

static int parse_errnum(const char *text, int *ret_errnum)
{
	uint32_t n;

	if (!strcmp(text, "never"))
		*ret_errnum = MODEL_NEVER;
	else if (!strcmp(text, "never-done"))
		*ret_errnum = MODEL_NEVER_DONE;
	else if (parse_number(text, &n) == 0 && n < 4096)
		*ret_errnum = (int)n;
	else
		for (*ret_errnum = 1; *ret_errnum < 200; ++*ret_errnum) {
			const char *name = strerrorname_np(*ret_errnum);

			if (name && !strcmp(name, text))
				return 0;
		}
	return *ret_errnum < 200 || *ret_errnum >= MODEL_NEVER ? 0 : -EINVAL;
}

/* OP:ERRNO[:skip[:times]] */
static int plan_one(char *text)
{
	char *save;
	const char *op_text = strtok_r(text, ":", &save);
	const char *errno_text = strtok_r(NULL, ":", &save);
	const char *skip_text = strtok_r(NULL, ":", &save);
	const char *times_text = strtok_r(NULL, ":", &save);
	uint32_t op, skip = 0, times = 1;
	int errnum;

	if (!op_text || !errno_text || strtok_r(NULL, ":", &save) || parse_op(op_text, &op) < 0 ||
	    parse_errnum(errno_text, &errnum) < 0)
		return -EINVAL;
	if ((skip_text && parse_number(skip_text, &skip) < 0) ||
	    (times_text && parse_number(times_text, &times) < 0))
		return -EINVAL;
	return model_fail(op, errnum, skip, times);
}

int model_fault_from_env(void)
{
	const char *env = getenv("UBLKCTL_MODEL_FAULT");
	uc_auto_free char *text = strdup(env ? env : "");
	char *save;
	int ret = 0;

	if (!text)
		return -ENOMEM;
	model_fail_clear();
	for (char *one = strtok_r(text, ";", &save); one && ret == 0;
	     one = strtok_r(NULL, ";", &save))
		ret = plan_one(one);
	return ret;
}
