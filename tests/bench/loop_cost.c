/* SPDX-License-Identifier: MIT */
/*
 * loop_cost PATH TARGET OPTION VALUE read|write COUNT: serves COUNT requests of 4 KiB that the
 * driver model makes up, in one queue, and prints the path (which may be auto). Does nothing else
 * of interest: `cost` runs it under callgrind.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctrl.h"
#include "deadline.h"
#include "model.h"
#include "node.h"
#include "params.h"
#include "path.h"
#include "queue.h"
#include "spec.h"
#include "targets.h"

#define TIMEOUT_MS 60000
#define SECTORS    8

static struct {
	struct uc_thread_stats stats;
	struct uc_target *target;
	const struct uc_path *path;
	struct uc_ctrl *ctrl;
	struct uc_lock *lock;
	struct uc_buffers buffers;
	sem_t fetched;
	struct uc_host host;
	struct ublksrv_ctrl_dev_info info;
	struct uc_queue_setup setup;
	struct uc_spec spec;
	struct uc_queue queue;
	struct uc_error err; /* the queue's, or this thread's */
} cost;

static void on_report(struct uc_queue *queue, bool started, const struct uc_error *err)
{
	(void)queue;
	if (err)
		cost.err = *err;
	if (started)
		sem_post(&cost.fetched);
}

static int open_target(const char *name, const char *option, const char *value)
{
	const struct uc_target_type *type = uc_target_find(name);
	const struct poptOption *o = type ? type->options : NULL;
	void *config;
	int ret;

	while (o && o->longName && strcmp(o->longName, option) != 0)
		o++;
	if (!o || !o->longName)
		return uc_fail(&cost.err, UC_USAGE, EINVAL, "no option %s of %s", option, name);
	config = calloc(1, type->config_size);
	if (!config)
		return uc_fail_errno(&cost.err, ENOMEM, "%s", name);
	ret = type->option(config, o->val, value, &cost.err);
	if (ret == 0)
		ret = type->open(config, &cost.spec, &cost.target, &cost.err);
	free(config);
	return ret;
}

static int add_device(void)
{
	struct ublk_params params;
	uint64_t features;
	int ret = uc_ctrl_open(&cost.host, &cost.ctrl, &cost.err);

	if (ret == 0)
		ret = uc_ctrl_get_features(cost.ctrl, &features, &cost.err);
	if (ret == 0)
		ret = uc_path_choose(cost.target, features, &cost.spec, &cost.path, &cost.err);
	if (ret < 0)
		return ret;
	cost.info = (struct ublksrv_ctrl_dev_info){
		.dev_id = UC_ID_ANY,
		.nr_hw_queues = 1,
		.queue_depth = cost.spec.depth,
		.max_io_buf_bytes = cost.spec.max_io_size,
		.flags = cost.path->flags | UBLK_F_CMD_IOCTL_ENCODE,
	};
	ret = uc_ctrl_add_dev(cost.ctrl, &cost.info, &cost.err);
	if (ret < 0)
		return ret;
	ret = uc_lock_device(&cost.host, cost.info.dev_id, &cost.lock, &cost.err);
	if (ret < 0)
		return ret;
	uc_params_build(cost.target, cost.path, &cost.info, &params);
	return uc_ctrl_set_params(cost.ctrl, cost.lock, &params, &cost.err);
}

/* Until the model has had its requests answered, and ends all tags. */
static int serve(void)
{
	int fd = -1;
	int ret = uc_node_open_char(&cost.host, cost.info.dev_id, &fd, &cost.err);

	if (ret < 0)
		return ret;
	cost.setup = (struct uc_queue_setup){
		.host = &cost.host,
		.target = cost.target,
		.path = cost.path,
		.dev_id = cost.info.dev_id,
		.depth = cost.info.queue_depth,
		.threads = cost.spec.threads,
		.buf_size = cost.info.max_io_buf_bytes,
		.cpus = &cost.spec.cpus,
		.char_fd = fd,
		.report = on_report,
	};
	ret = uc_buffers_map(&cost.setup, &cost.buffers, &cost.err);
	cost.queue = (struct uc_queue){
		.setup = &cost.setup, .stats = &cost.stats, .buffers = cost.buffers.memory};
	sem_init(&cost.fetched, 0, 0);
	if (ret == 0)
		ret = uc_queue_start(&cost.queue, &cost.err);
	if (ret == 0) {
		sem_wait(&cost.fetched);
		ret = -cost.err.errnum;
	}
	if (ret == 0)
		ret = uc_ctrl_start_dev(cost.ctrl, cost.lock, getpid(), &cost.err);
	if (ret == 0)
		ret = uc_queue_join(&cost.queue, uc_deadline(TIMEOUT_MS));
	uc_buffers_unmap(&cost.buffers);
	close(fd);
	return ret;
}

static int run(char *argv[])
{
	const bool writes = strcmp(argv[5], "write") == 0;
	const uint64_t count = strtoull(argv[6], NULL, 10);
	int ret = open_target(argv[2], argv[3], argv[4]);

	model_feed(count, writes ? UBLK_IO_OP_WRITE : UBLK_IO_OP_READ, SECTORS);
	if (ret == 0)
		ret = add_device();
	if (ret == 0)
		ret = serve();
	if (ret < 0)
		return ret;
	if ((writes ? cost.stats.writes : cost.stats.reads) != count || cost.stats.errors)
		return uc_fail(&cost.err, UC_FAILED, EIO, "not all requests were answered");
	printf("%s\n", cost.path->name);
	return 0;
}

int main(int argc, char *argv[])
{
	char root[] = "/tmp/ublkctl-cost-XXXXXX";
	int ret;

	if (argc != 7) {
		fputs("usage: loop_cost PATH TARGET OPTION VALUE read|write COUNT\n", stderr);
		return 2;
	}
	if (!mkdtemp(root) || model_create(root, NULL) < 0) {
		fputs("loop_cost: no driver model\n", stderr);
		return 1;
	}
	cost.host = model_host(TIMEOUT_MS);
	cost.spec = (struct uc_spec){
		.id = UC_ID_ANY,
		.queues = 1,
		.threads = 1,
		.depth = UC_DEFAULT_DEPTH,
		.max_io_size = UC_DEFAULT_MAX_IO_SIZE,
		.path = uc_path_find(argv[1]),
	};
	ret = run(argv);
	if (ret < 0)
		fprintf(stderr, "loop_cost: %s: %s\n", strerror(-ret), cost.err.text);
	uc_ctrl_close(cost.ctrl);
	if (cost.target)
		cost.target->ops->close(cost.target);
	model_destroy();
	rmdir(root);
	return ret < 0;
}
