/* SPDX-License-Identifier: MIT */
/* The kinds of operands that commands have, and how they are completed. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "complete.h"
#include "device.h"
#include "node.h"
#include "tab.h"
#include "ublktab.h"

#define ASK_MS 500 /* a shell waits meanwhile */

static bool is_there_already(const struct completion *c, const char *word)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->words[i], word) == 0)
			return true;
	return false;
}

static void offer_once(struct completion *c, const char *word, const char *help)
{
	if (!is_there_already(c, word))
		completion_offer(c, word, help);
}

/* The id alone, if the driver does not tell us more. */
static void offer_id(struct completion *c, uint32_t id)
{
	char text[PATH_MAX];

	if (c->begun[0] == '/')
		uc_node_block_path(c->host, id, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%u", id);
	offer_once(c, text, NULL);
}

static void offer_path(struct completion *c, const struct uc_device *d, const char *help)
{
	char link[PATH_MAX];

	offer_once(c, d->node, help);
	if (d->record_state != UC_RECORD_OK || !d->record.name[0])
		return;
	snprintf(link, sizeof(link), "%s/ublk/by-name/%s", c->host->dev_dir, d->record.name);
	if (access(link, F_OK) == 0)
		offer_once(c, link, help);
}

static void offer_device(struct completion *c, const struct uc_device *d)
{
	const bool known = d->record_state == UC_RECORD_OK;
	char help[UC_BACKING_MAX + 64];
	char id[16];

	if (c->command->suits && !c->command->suits(d))
		return;
	snprintf(help, sizeof(help), "%s%s%s%s%s", uc_device_state_name(d->info.state),
		 known ? ", " : "", known ? d->record.target : "",
		 known && d->record.backing[0] ? " " : "", known ? d->record.backing : "");
	if (c->begun[0] == '/') {
		offer_path(c, d, help);
		return;
	}
	snprintf(id, sizeof(id), "%u", d->info.dev_id);
	offer_once(c, id, help);
	if (known && d->record.name[0])
		offer_once(c, d->record.name, help);
}

/* Never long, and never with a message: a driver that does not answer is not asked again. */
static void offer_devices(struct completion *c)
{
	const struct uc_host in_time = uc_host_within(c->host, ASK_MS);
	uc_auto_ctrl struct uc_ctrl *ctrl = NULL;
	uc_auto_free uint32_t *ids = NULL;
	struct uc_device device = {0};
	size_t count = 0;
	bool answers;

	if (uc_device_known_ids(&in_time, &ids, &count, NULL) < 0 || !count)
		return;
	answers = uc_ctrl_open(&in_time, &ctrl, NULL) == 0;
	for (size_t i = 0; i < count; i++) {
		int ret = answers ? uc_device_get(&in_time, ctrl, ids[i], &device, NULL) : -EIO;

		if (ret == 0)
			offer_device(c, &device);
		else if (!uc_device_is_out_of_sight(&in_time, ret))
			offer_id(c, ids[i]);
		if (ret == -ETIMEDOUT)
			answers = false;
	}
	/* Any link to a node will do. */
	if (!c->offered && strchr(c->begun, '/'))
		c->how = "files";
}

static void offer_commands(struct completion *c)
{
	for (size_t i = 0; commands[i]; i++)
		completion_offer(c, commands[i]->name, commands[i]->summary);
}

static void offer_lines(struct completion *c)
{
	auto_tab struct tab tab = {0};

	if (tab_read(c->host, NULL, &tab, NULL) < 0)
		return;
	for (size_t i = 0; i < tab.nr_lines; i++)
		if (tab.lines[i].name[0])
			offer_once(c, tab.lines[i].name, tab.lines[i].source);
}

/* Behind a verb that takes something comes a device. */
static void offer_verbs(struct completion *c)
{
	for (size_t i = 0; ublktab_verbs[i]; i++) {
		const struct ublktab_verb *verb = ublktab_verbs[i];

		if (c->operands == 0)
			completion_offer(c, verb->name, NULL);
		else if (verb->nr_operands >= c->operands && is_there_already(c, verb->name))
			offer_devices(c);
	}
}

static const struct operand_kind {
	const char *name;
	void (*offer)(struct completion *c);
	size_t max; /* how many there can be; 0: any number */
} kinds[] = {
	[OPERAND_NONE] = {"none", NULL, 0},
	[OPERAND_DEVICE] = {"device", offer_devices, 1},
	[OPERAND_DEVICES] = {"devices", offer_devices, 0},
	[OPERAND_COMMAND] = {"command", offer_commands, 1},
	[OPERAND_LINES] = {"lines", offer_lines, 0},
	[OPERAND_VERB] = {"verb", offer_verbs, 2},
};

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == OPERAND_KINDS, "each kind has its line");

const char *operand_name(enum operands operands)
{
	return kinds[operands].name;
}

void operand_offer(struct completion *c)
{
	const struct operand_kind *kind =
		&kinds[c->command ? c->command->operands : OPERAND_COMMAND];

	if (kind->offer && (!kind->max || c->operands < kind->max))
		kind->offer(c);
}
