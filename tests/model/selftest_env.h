/* SPDX-License-Identifier: MIT */
#ifndef SELFTEST_ENV_H
#define SELFTEST_ENV_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "selftest_server.h"

#define TIMEOUT_MS 5000U
#define SHORT_MS   60U

/* A fresh model per test, and the kernel's answer to one command. */
int env_setup(void **state);
int env_setup_6_12(void **state);
int env_setup_unprivileged(void **state);
int env_teardown(void **state);
extern struct uc_host env_host;
extern void *env_conn;

int call(uint32_t op, const struct ublksrv_ctrl_cmd *cmd);
int call_id(uint32_t op, uint32_t id, uint64_t data);
int call_timed(uint32_t op, uint32_t id, uint64_t data, unsigned timeout_ms);

struct ublksrv_ctrl_dev_info env_wish(uint64_t flags);
int add(struct ublksrv_ctrl_dev_info *info);
struct ublk_params env_params(void);
int set_params(uint32_t id, const struct ublk_params *params);
int get_info(uint32_t id, struct ublksrv_ctrl_dev_info *ret_info);
int state_of(uint32_t id);
bool exists(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ADD_DEV of one queue and SET_PARAMS; *s is ready for server_start(). */
void env_device(struct server *s, uint64_t flags);
/* The same, served by a thread and started. */
void env_live(struct server *s, uint64_t flags);
/* STOP_DEV, join, DEL_DEV. */
void env_end(struct server *s);

extern const struct CMUnitTest ctrl_tests[];
extern const struct CMUnitTest io_tests[];
extern const struct CMUnitTest process_tests[];
extern const size_t nr_ctrl_tests, nr_io_tests, nr_process_tests;

#endif
