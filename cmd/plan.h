/* SPDX-License-Identifier: MIT */
#ifndef CMD_PLAN_H
#define CMD_PLAN_H

#include "device.h"
#include "outcome.h"
#include "tab.h"

/* What `up` and `down` do to devices of /etc/ublktab, and why. */

enum act { ACT_NONE, ACT_ADD, ACT_RECOVER, ACT_START, ACT_REMAKE, ACT_DIFFERS, ACT_DEL };

struct step {
	char name[UC_NAME_MAX];
	char device[64]; /* its node; "": there is none */
	enum act act;
	int status; /* the exit status of having done it; -1: it was not tried */
	char why[UC_ERROR_TEXT];
};

struct plan {
	struct outcome outcome;
	char *file;   /* that was named, or NULL */
	char **names; /* of lines */
	size_t nr_names;
	bool all;         /* lines */
	bool skip_noauto; /* with `all` */
	bool only_names;  /* what else a line says does not matter */
	bool backwards;   /* what is on top of others is last in the file */

	struct tab tab;
	struct step *steps; /* one for each line that was looked at */
	size_t nr_steps;
};

/* The options and operands that both have. */
#define PLAN_OPTION 0x200 /* values of the options below start here */
extern const struct poptOption plan_option_table[];
int plan_option(struct plan *plan, int option, const char *arg, struct uc_error *err);
int plan_name(struct plan *plan, const char *text, struct uc_error *err);

/* Reads the file. Some lines must be named, or all be meant. */
int plan_read(struct plan *plan, const struct uc_host *host, struct uc_error *err);
void plan_free(struct plan *plan);

/* For the lines that are meant each error, as a failure; 0 if there is none. */
int plan_check_all(const struct plan *plan, struct uc_error *err);

/*
 * Does it to all lines that are meant, whatever becomes of one; see failures.h. Each has the host's
 * timeout for itself. A line that may fail is told of, and does not count among all.
 */
typedef int plan_one(void *ctx, const struct uc_host *host, struct tab_line *line,
		     struct step *step, struct uc_error *err);
int plan_each(struct plan *plan, const struct uc_host *host, plan_one *one, void *ctx,
	      struct uc_error *err);

/* What `up` has to do for a line. *ret_device is only set if there is one. */
int plan_up(const struct uc_host *host, const struct tab_line *line, struct step *step,
	    struct uc_device *ret_device, struct uc_error *err);

/* Adds a step for each device with a name that no line has. */
int plan_add_others(struct plan *plan, const struct uc_host *host, struct uc_error *err);

/* Prints the steps, if it is asked for. `ret` is what came of them, and is returned. */
int plan_end(struct plan *plan, int ret, struct uc_error *err);

#endif
