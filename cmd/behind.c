/* SPDX-License-Identifier: MIT */
#include "behind.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "keeper.h"
#include "proc.h"

int behind_find(const struct uc_device *d, struct behind *ret_behind, struct uc_error *err)
{
	const struct uc_record *r = &d->record;
	const uint32_t id = d->info.dev_id;
	struct behind *b = ret_behind;

	*b = (struct behind){.fd = -1};
	if (d->record_state != UC_RECORD_OK)
		return uc_fail(err, UC_FAILED, ENOENT,
			       "there is no record of device %u, so what is behind it is not known",
			       id);
	b->type = uc_target_find(r->target);
	if (!b->type)
		return uc_fail(err, UC_FAILED, EINVAL,
			       "the record of device %u names target '%s', which there is not", id,
			       r->target);
	b->config = calloc(1, b->type->config_size);
	if (!b->config)
		return uc_fail_errno(err, ENOMEM, "options");
	if (b->type->expect)
		b->type->expect(b->config, &r->identity);
	return uc_target_restore(b->type, b->config, r->backing, r->options, err);
}

int behind_take_file(const struct uc_device *d, struct behind *b, struct uc_error *err)
{
	const struct uc_record *r = &d->record;
	int fd;

	if (r->keeper.fd < 0)
		return 0;
	fd = uc_proc_take_file(r->pid, r->pid_start, r->keeper.fd);
	if (fd < 0)
		return uc_fail_errno(err, -fd,
				     "what is behind device %u cannot be had from its handler",
				     d->info.dev_id);
	b->fd = fd;
	return 0;
}

/* The old supervisor's file, which no path can lead away from; it keeps it, too, for the next one.
 */
static void share_kept(const struct uc_record *r, const struct uc_target_type *type, void *config)
{
	const int fd = r->keeper.fd < 0
			       ? -1
			       : uc_proc_take_file(r->keeper.pid, r->keeper.start, r->keeper.fd);

	if (fd >= 0 && type->adopt)
		type->adopt(config, fd);
}

int behind_take_kept(const struct uc_host *host, const struct uc_device *d, bool same,
		     const struct uc_target_type *type, void *config, struct uc_error *err)
{
	static const struct uc_record none;
	const struct uc_record *record = d->record_state == UC_RECORD_OK ? &d->record : &none;
	int fd = -1;
	int ret = 0;

	/* Only what has no backing is lost with who keeps it. */
	if (type->adopt && !type->backing)
		ret = uc_keeper_take(record, &fd, err);
	else if (same)
		share_kept(record, type, config);
	else if (!host->dry_run)
		uc_keeper_end(&record->keeper);
	if (ret == 0 && fd >= 0)
		type->adopt(config, fd);
	return ret;
}

void behind_free(struct behind *b)
{
	free(b->config);
	uc_cleanup_close(&b->fd);
}
