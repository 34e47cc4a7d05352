/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "add.h"
#include "cleanup.h"
#include "ctrl.h"
#include "inherited.h"
#include "lifecycle.h"
#include "lock.h"
#include "name.h"
#include "outcome.h"
#include "present.h"
#include "scope.h"
#include "size.h"
#include "table.h"

enum {
	OPT_ID = 2,
	OPT_QUEUES,
	OPT_DEPTH,
	OPT_MAX_IO_SIZE,
	OPT_LOGICAL,
	OPT_PHYSICAL,
	OPT_READ_ONLY,
	OPT_RECOVERY,
	OPT_NAME,
	OPT_IF_ABSENT,
	OPT_UNPRIVILEGED,
	OPT_UNIT,
};

#define PAGE       4096U
#define MAX_IO_MAX (32U << 20) /* the driver's offsets in a request have 25 bits */

static const struct poptOption add_options[] = {
	{"id", 'n', POPT_ARG_STRING, NULL, OPT_ID, "device id (default: the first free one)", "ID"},
	{"queues", 'q', POPT_ARG_STRING, NULL, OPT_QUEUES, "hardware queues (default 1)", "COUNT"},
	{"depth", 'd', POPT_ARG_STRING, NULL, OPT_DEPTH, "queue depth, 1 to 4096 (default 128)",
	 "COUNT"},
	{"max-io-size", '\0', POPT_ARG_STRING, NULL, OPT_MAX_IO_SIZE,
	 "largest request, 4K to 32M (default 512K)", "SIZE"},
	{"logical-block-size", '\0', POPT_ARG_STRING, NULL, OPT_LOGICAL,
	 "512, 1024, 2048 or 4096 (default: as the data)", "SIZE"},
	{"physical-block-size", '\0', POPT_ARG_STRING, NULL, OPT_PHYSICAL,
	 "a power of two (default: as the data)", "SIZE"},
	{"read-only", '\0', POPT_ARG_NONE, NULL, OPT_READ_ONLY, "refuse writes", NULL},
	{"recovery", '\0', POPT_ARG_STRING, NULL, OPT_RECOVERY,
	 "when the handler dies (default none)", "none|queue|reissue|fail"},
	{"name", '\0', POPT_ARG_STRING, NULL, OPT_NAME,
	 "what to call it, here and in /dev/ublk/by-name", "NAME"},
	{"if-absent", '\0', POPT_ARG_NONE, NULL, OPT_IF_ABSENT,
	 "print the path of the one that there is with this name or backing", NULL},
	{"unprivileged", '\0', POPT_ARG_NONE, NULL, OPT_UNPRIVILEGED,
	 "as a plain user, who owns it then; for others it is not there", NULL},
	{"unit", '\0', POPT_ARG_NONE, NULL, OPT_UNIT,
	 "in a transient unit of systemd's, so that it outlives the login session", NULL},
	{NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)outcome_option_table, 0, NULL,
	 NULL},
	POPT_TABLEEND,
};

static int parse_block_size(const char *arg, const char *what, uint64_t max, uint32_t *ret,
			    struct uc_error *err)
{
	uint64_t size;

	if (uc_size_parse(arg, what, &size, err) < 0)
		return -EINVAL;
	if (size < 512 || size > max || (size & (size - 1)))
		return uc_fail(err, UC_USAGE, EINVAL,
			       "%s: %s is not a power of two from 512 to %" PRIu64, what, arg, max);
	*ret = (uint32_t)size;
	return 0;
}

static int parse_max_io_size(const char *arg, uint32_t *ret, struct uc_error *err)
{
	uint64_t size;

	if (uc_size_parse(arg, "--max-io-size", &size, err) < 0)
		return -EINVAL;
	if (size < PAGE || size > MAX_IO_MAX || size % PAGE)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--max-io-size: %s is not a multiple of 4K from 4K to 32M", arg);
	*ret = (uint32_t)size;
	return 0;
}

static int take_name(struct add *add, const char *arg, struct uc_error *err)
{
	if (!uc_name_is_valid(arg))
		return uc_fail(
			err, UC_USAGE, EINVAL,
			"--name: '%.100s' is not a letter and then up to %d letters, digits, "
			"dots, dashes and underlines, or is like a node's name",
			arg, UC_NAME_MAX - 2);
	free(add->name);
	add->name = strdup(arg);
	add->serve.spec.name = add->name;
	return add->name ? 0 : uc_fail_errno(err, ENOMEM, "options");
}

static int take_option(void *ctx, int option, const char *arg, struct uc_error *err)
{
	struct add *add = ctx;
	struct uc_spec *spec = &add->serve.spec;
	uint64_t id;

	switch (option) {
	case OPT_ID:
		if (uc_number_parse(arg, "--id", 0, UC_ID_MAX, &id, err) < 0)
			return -EINVAL;
		spec->id = (uint32_t)id;
		return 0;
	case OPT_QUEUES:
		spec->queues_set = true;
		return parse_count(arg, "--queues", UBLK_MAX_NR_QUEUES, &spec->queues, err);
	case OPT_DEPTH:
		return parse_count(arg, "--depth", UBLK_MAX_QUEUE_DEPTH, &spec->depth, err);
	case OPT_MAX_IO_SIZE:
		return parse_max_io_size(arg, &spec->max_io_size, err);
	case OPT_LOGICAL:
		return parse_block_size(arg, "--logical-block-size", PAGE, &spec->logical_bs, err);
	case OPT_PHYSICAL:
		return parse_block_size(arg, "--physical-block-size", 256U << 20,
					&spec->physical_bs, err);
	case OPT_READ_ONLY:
		spec->read_only = true;
		return 0;
	case OPT_RECOVERY:
		return uc_recovery_find(arg, &spec->recovery)
			       ? 0
			       : uc_fail(err, UC_USAGE, EINVAL,
					 "--recovery: '%s' is none of none, queue, reissue, fail",
					 arg);
	case OPT_NAME:
		return take_name(add, arg, err);
	case OPT_IF_ABSENT:
		add->if_absent = true;
		return 0;
	case OPT_UNIT:
		spec->lingers = true;
		return 0;
	default:
		spec->unprivileged = true;
		return 0;
	}
}

void add_init(struct add *add)
{
	*add = (struct add){
		.outcome = {.command = &add_command, .verb = "make", .done = "made"},
		.serve = {.command = &add_command,
			  .take = take_option,
			  .spec = {.id = UC_ID_ANY,
				   .queues = UC_DEFAULT_QUEUES,
				   .threads = UC_DEFAULT_THREADS,
				   .depth = UC_DEFAULT_DEPTH,
				   .max_io_size = UC_DEFAULT_MAX_IO_SIZE}},
		.locks = UC_LOCKS_NONE,
	};
}

void add_free(struct add *add)
{
	uc_locks_release(&add->locks);
	serve_free(&add->serve);
	free(add->name);
}

/* What is said of every device a second time, and more: so it was before others had documents. */
static void describe(struct add *add, const struct uc_added *added)
{
	struct outcome *outcome = &add->outcome;
	const struct ublksrv_ctrl_dev_info *info = &added->info;
	const bool has_id = info->dev_id != UC_ID_ANY;

	outcome_add(outcome, "id", has_id ? json_object_new_uint64(info->dev_id) : NULL);
	outcome_add(outcome, "device", has_id ? json_object_new_string(added->node) : NULL);
	outcome_add(outcome, "target", json_object_new_string(add->serve.type->name));
	outcome_add(outcome, "pid",
		    info->ublksrv_pid > 0 ? json_object_new_int(info->ublksrv_pid) : NULL);
	outcome_add(outcome, "queues", json_object_new_int(info->nr_hw_queues));
	outcome_add(outcome, "depth", json_object_new_int(info->queue_depth));
	outcome_add(outcome, "data_path", json_object_new_string(added->data_path));
}

/* `result`: whether it was made, or was there. */
static int print(struct add *add, const struct uc_added *added, int result)
{
	struct outcome_device *device = &add->outcome.device;

	device->id = added->info.dev_id;
	if (device->id != UC_ID_ANY)
		snprintf(device->node, sizeof(device->node), "%s", added->node);
	outcome_note(&add->outcome, result, NULL);
	describe(add, added);
	if (!add->outcome.json && !add->outcome.dry_run)
		puts(added->node);
	(void)outcome_end(&add->outcome, 0, NULL);
	/* Whoever started us in the foreground reads it now, not when we end. */
	add->unheard = fflush(stdout) != 0;
	/* Reported by us, and not once more at exit. */
	if (add->unheard)
		clearerr(stdout);
	return add->unheard ? -EIO : 0;
}

static int print_added(void *ctx, const struct uc_added *added)
{
	struct add *add = ctx;

	return print(add, added, OUTCOME_CHANGED);
}

static int make_background(const struct uc_host *host, struct add *add,
			   const struct uc_target *target, add_tell *tell, struct uc_error *err)
{
	struct uc_added added;
	int ret = uc_add(host, &add->serve.spec, target, &add->locks, &added, err);

	if (ret < 0)
		return ret;
	outcome_detail(&add->outcome, "target %s, %" PRIu64 " bytes, data path %s",
		       target->ops->name, target->size, added.data_path);
	if (tell(add, &added) == 0)
		return 0;
	/* A device whose name nobody got to know is a device left behind. */
	if (!host->dry_run)
		(void)uc_del(host,
			     &(struct uc_ref){added.info.dev_id, true, added.info.ublksrv_flags},
			     true, NULL);
	return -EIO;
}

static int cannot_print(struct uc_error *err)
{
	return uc_fail(err, UC_FAILED, EIO, "cannot write the path to standard output");
}

int add_make(const struct uc_host *host, struct add *add, add_tell *tell, struct uc_error *err)
{
	const struct uc_target_type *type = add->serve.type;
	const struct uc_spec *spec = &add->serve.spec;
	struct uc_target *target = NULL;
	int ret;

	/* A path that nobody reads is to take the device away again, and not us. */
	(void)signal(SIGPIPE, SIG_IGN);
	ret = type->open(add->serve.config, spec, &target, err);
	inherited_close_named();
	if (ret < 0)
		return ret;
	if (spec->foreground && !host->dry_run)
		ret = uc_add_foreground(host, spec, target, &add->locks, tell, add, err);
	else
		ret = make_background(host, add, target, tell, err);
	if (add->unheard)
		ret = cannot_print(err);
	if (ret < 0 && type->undo)
		type->undo(target);
	target->ops->close(target);
	return ret;
}

/* 0: to be made; 1: it is there, and was told of. */
static int look_for_it(const struct uc_host *host, struct add *add, struct uc_error *err)
{
	const struct serve *serve = &add->serve;
	struct uc_device device = {0};
	struct uc_added added;
	int ret;

	if (!serve->spec.name && !add->if_absent)
		return 0;
	if (!serve->spec.name && !serve->backing)
		return uc_fail(err, UC_USAGE, EINVAL,
			       "--if-absent: nothing says which device is meant; add --name NAME");
	ret = uc_lock_names(host, &add->locks.names_fd, err);
	if (ret == 0)
		ret = present_find(host, serve, add->if_absent, &device, err);
	if (ret == -ENODEV)
		return 0;
	if (ret == 0 && !add->if_absent)
		return uc_fail(err, UC_DIFFERS, EEXIST,
			       "device %u (%s) has the name %s; choose another, or use --if-absent",
			       device.info.dev_id, device.node, serve->spec.name);
	if (ret == 0)
		ret = present_check(host, serve, &device, err);
	if (ret < 0)
		return ret;
	added.info = device.info;
	snprintf(added.node, sizeof(added.node), "%s", device.node);
	snprintf(added.data_path, sizeof(added.data_path), "%s", device.record.path);
	outcome_detail(&add->outcome, "it is there already");
	return print(add, &added, OUTCOME_KEPT) < 0 ? cannot_print(err) : 1;
}

/* The driver drops the flag silently where it is not needed. */
static int check_user(const struct uc_host *host, const struct uc_spec *spec, struct uc_error *err)
{
	if (!spec->unprivileged || host->unprivileged)
		return 0;
	return uc_fail(
		err, UC_USAGE, EINVAL,
		"--unprivileged is for plain users, and this process has CAP_SYS_ADMIN: leave "
		"it out, or run as the user that shall own the device");
}

static int make(struct uc_host *host, struct add *add, struct uc_error *err)
{
	struct outcome_device *device = &add->outcome.device;
	struct uc_spec *spec = &add->serve.spec;
	int ret;

	host->dry_run = add->outcome.dry_run;
	spec->dry_run = add->outcome.dry_run;
	*device = (struct outcome_device){.id = UC_ID_ANY};
	if (spec->id != UC_ID_ANY)
		outcome_begin(&add->outcome, host, spec->id);
	snprintf(device->name, sizeof(device->name), "%s", spec->name ? spec->name : "");
	ret = look_for_it(host, add, err);
	if (ret == 0)
		ret = add_make(host, add, print_added, err);
	if (ret < 0 && !add->outcome.told)
		outcome_note(&add->outcome, ret, err);
	return ret;
}

static int add_run(const struct uc_host *host, int argc, const char **argv, struct uc_error *err)
{
	struct uc_host in_time = uc_host_within(host, host->timeout_ms);
	struct add add;
	int ret;

	inherited_close(argc, argv);
	add_init(&add);
	add.serve.outcome = &add.outcome;
	ret = serve_parse(&add.serve, argc, argv, err);
	if (ret == 0 && !add.serve.type)
		ret = uc_fail(err, UC_USAGE, EINVAL,
			      "no target: say -t TARGET; 'ublkctl targets' lists them");
	if (ret == 0)
		ret = serve_check(&add.serve.spec, err);
	if (ret == 0)
		ret = check_user(host, &add.serve.spec, err);
	if (ret == 0 && add.serve.type && add.serve.spec.lingers && !add.outcome.dry_run)
		ret = scope_enter(host, &add, argc, argv, err);
	if (ret == 0 && add.serve.type)
		ret = make(&in_time, &add, err);
	(void)outcome_end(&add.outcome, ret, err);
	add_free(&add);
	return ret;
}

const struct command add_command = {
	.name = "add",
	.summary = "make a device and print its path",
	.synopsis = "-t TARGET [OPTION...] [TARGET-OPTION...]",
	.options = add_options,
	.serves = true,
	.run = add_run,
};
