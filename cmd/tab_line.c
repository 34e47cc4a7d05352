/* SPDX-License-Identifier: MIT */
/* One line of /etc/ublktab. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctrl.h"
#include "escape.h"
#include "tab.h"

#define MAX_LINES   4096U
#define MAX_OPTIONS 64U
#define BLANKS      " \t"

enum { NAME, TARGET, SOURCE, OPTIONS, NR_FIELDS };

struct field {
	char *text; /* NULL: it is not there */
	unsigned column;
};

/* What is being parsed. A function that returns an int does so as tab_complain(). */
struct parser {
	struct tab *tab;
	struct tab_line *line;
	struct field fields[NR_FIELDS];
	const char *seen[MAX_OPTIONS]; /* options */
	size_t nr_seen;
};

static int complain(struct parser *p, unsigned column, const char *text)
{
	p->line->broken = true;
	return tab_complain(p->tab, p->line->number, column, "%s", text);
}

/* --- fields --- */

static int split(struct parser *p)
{
	char *rest = p->line->text;

	for (size_t i = 0; *(rest += strspn(rest, BLANKS)); i++) {
		const unsigned column = (unsigned)(rest - p->line->text) + 1;

		if (i == NR_FIELDS)
			return complain(p, column,
					*rest == '#' ? "a comment has a line of its own"
						     : "there are more than four fields; a blank "
						       "within one is written as \\040");
		p->fields[i] = (struct field){rest, column};
		rest += strcspn(rest, BLANKS);
		if (*rest)
			*rest++ = '\0';
	}
	return 0;
}

static int undo_escapes(struct parser *p, char *text, unsigned column)
{
	const char *bad = escape_undo(text);

	return bad ? complain(p, column + (unsigned)(bad - text),
			      "a backslash is written as \\134, and begins an octal number else")
		   : 0;
}

static bool is_none(const char *text)
{
	return strcmp(text, "-") == 0 || strcmp(text, "none") == 0;
}

static int take_name(struct parser *p)
{
	struct tab_line *line = p->line;
	const unsigned column = p->fields[NAME].column;
	struct uc_error err;
	int ret = undo_escapes(p, p->fields[NAME].text, column);

	line->name = p->fields[NAME].text;
	if (ret < 0 || line->broken)
		return ret;
	if (serve_take(&line->add.serve, serve_option(&line->add.serve, "name"), line->name, &err) <
	    0)
		return complain(p, column, err.text);
	return 0;
}

static int take_target(struct parser *p)
{
	struct tab_line *line = p->line;
	const struct field *field = &p->fields[TARGET];
	struct uc_error err;
	int ret;

	if (!field->text)
		return complain(p, p->fields[NAME].column + (unsigned)strlen(line->name),
				"there is no target: the fields are NAME TARGET SOURCE OPTIONS");
	ret = undo_escapes(p, field->text, field->column);
	line->target = field->text;
	if (ret == 0 && serve_set_target(&line->add.serve, line->target, &err) < 0)
		ret = complain(p, field->column, err.text);
	return ret;
}

/* Wherever a program starts that reads this file, the path leads to the same. */
static bool is_relative(const struct poptOption *o, const char *arg)
{
	return o->argDescrip && strcmp(o->argDescrip, "FILE") == 0 && *arg != '/';
}

static int take(struct parser *p, const struct poptOption *o, const char *arg, unsigned column)
{
	struct uc_error err;

	if (arg && is_relative(o, arg))
		(void)uc_fail(&err, UC_USAGE, EINVAL, "'%s' is no absolute path", arg);
	else if (serve_take(&p->line->add.serve, o, arg, &err) == 0)
		return 0;
	return complain(p, column, err.text);
}

static int take_source(struct parser *p)
{
	struct tab_line *line = p->line;
	const struct uc_target_type *type = line->add.serve.type;
	const struct field *field = &p->fields[SOURCE];
	const bool none = !field->text || is_none(field->text);
	const struct poptOption *o = type->backing ? uc_target_option(type, type->backing) : NULL;
	struct uc_error err;
	int ret;

	if (none && !o)
		return 0;
	if (none || !o) {
		(void)uc_fail(&err, UC_USAGE, EINVAL,
			      none ? "target %s needs a source, the third field: a %s"
				   : "target %s has no source; write -",
			      type->name, o ? o->descrip : "");
		return complain(p, field->text ? field->column : p->fields[TARGET].column,
				err.text);
	}
	ret = undo_escapes(p, field->text, field->column);
	line->source = field->text;
	return ret == 0 && !line->broken ? take(p, o, line->source, field->column) : ret;
}

/* --- options --- */

/* Options of `add` that say nothing about a device that shall always be there. */
static const struct {
	const char *name;
	const char *why;
} refused[] = {
	{"name", "it is the first field"},
	{"target", "it is the second field"},
	{"create", "at boot an empty file would stand in for one that is missing; make it once, "
		   "with 'ublkctl add --create'"},
	{"foreground", "'ublkctl up --foreground' says so"},
	{"unit", "ublktab(5) tells how systemd sees to a line"},
	{"unprivileged", "the devices of this file are root's"},
	{"if-absent", "'ublkctl up' leaves alone what is there"},
	{"json", "it is for a command's output"},
	{"dry-run", "it is for a command"},
	{"timeout", "it is for a command"},
	{"help", "it is for a command"},
};

static const char *why_refused(const struct uc_target_type *type, const char *name)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strcmp(refused[i].name, name) == 0)
			return refused[i].why;
	if (type->backing && strcmp(uc_target_option(type, type->backing)->longName, name) == 0)
		return "it is the source, the third field";
	return NULL;
}

/* Those that are no options of `add`, but say when it is done; NULL: it is none. */
static bool *flag_of(struct tab_line *line, const char *name)
{
	if (strcmp(name, "noauto") == 0)
		return &line->noauto;
	if (strcmp(name, "nofail") == 0)
		return &line->nofail;
	if (strcmp(name, "_netdev") == 0)
		return &line->netdev;
	return strcmp(name, "x-initrd.attach") == 0 ? &line->initrd_attach : NULL;
}

/* What is wrong with saying this option here, in *err, or 0. */
static int check_option(const struct parser *p, const struct poptOption *o, const char *name,
			const char *arg, struct uc_error *err)
{
	const struct uc_target_type *type = p->line->add.serve.type;
	const char *why = why_refused(type, name);

	if (why)
		return uc_fail(err, UC_USAGE, EINVAL, "%s does not belong here: %s", name, why);
	if (!o) {
		(void)uc_fail(err, UC_USAGE, EINVAL, "unknown option '--%s'", name);
		(void)serve_explain_foreign(type, err);
		return -EINVAL;
	}
	if (!o->argDescrip != !arg)
		return uc_fail(err, UC_USAGE, EINVAL,
			       arg ? "%s takes no value" : "%s needs a value: %s=%s", name, name,
			       arg ? "" : o->argDescrip);
	for (size_t i = 0; i < p->nr_seen; i++)
		if (strcmp(p->seen[i], name) == 0)
			return uc_fail(err, UC_USAGE, EINVAL, "%s is given twice", name);
	return 0;
}

static int take_option(struct parser *p, char *name, unsigned column)
{
	char *arg = strchr(name, '=');
	bool *flag = flag_of(p->line, name);
	const struct poptOption *o;
	struct uc_error err;
	int ret = 0;

	if (flag) {
		*flag = true;
		return 0;
	}
	if (!*name)
		return complain(p, column, "there is a comma too many");
	/* Other programs' business. */
	if (strncmp(name, "x-", 2) == 0)
		return 0;
	if (arg) {
		*arg++ = '\0';
		ret = undo_escapes(p, arg, column + (unsigned)(arg - name));
	}
	o = serve_option(&p->line->add.serve, name);
	if (check_option(p, o, name, arg, &err) < 0)
		return complain(p, column, err.text);
	if (ret < 0 || !o)
		return ret;
	if (p->nr_seen < MAX_OPTIONS)
		p->seen[p->nr_seen++] = o->longName;
	return take(p, o, arg, column);
}

static int take_options(struct parser *p)
{
	const struct field *field = &p->fields[OPTIONS];
	char *rest = field->text;
	int ret = 0;

	if (!rest || is_none(rest))
		return 0;
	while (ret == 0 && rest) {
		char *name = strsep(&rest, ",");

		ret = take_option(p, name, field->column + (unsigned)(name - field->text));
	}
	return ret;
}

/* --- the whole --- */

static int check_whole(struct parser *p)
{
	struct serve *serve = &p->line->add.serve;
	const unsigned column = p->fields[p->fields[OPTIONS].text ? OPTIONS : TARGET].column;
	struct uc_error err;
	int ret;

	serve_parsed(serve);
	ret = serve_check(&serve->spec, &err);
	if (ret == 0 && serve->type->check)
		ret = serve->type->check(serve->config, &serve->spec, &err);
	return ret < 0 ? complain(p, column, err.text) : 0;
}

static int collide(struct parser *p, struct tab_line *other, unsigned column, const char *what)
{
	struct uc_error err;

	other->broken = true;
	(void)uc_fail(&err, UC_USAGE, EINVAL, "line %u has the same %s", other->number, what);
	return complain(p, column, err.text);
}

static int check_others(struct parser *p)
{
	const struct tab_line *line = p->line;
	const uint32_t id = line->add.serve.spec.id;
	int ret = 0;

	for (struct tab_line *other = p->tab->lines; ret == 0 && other < line; other++) {
		if (strcmp(other->name, line->name) == 0)
			ret = collide(p, other, p->fields[NAME].column, "name");
		if (ret == 0 && id != UC_ID_ANY && other->add.serve.spec.id == id)
			ret = collide(p, other, p->fields[OPTIONS].column, "id");
	}
	return ret;
}

static int parse_fields(struct parser *p)
{
	int ret = split(p);

	const char *options = p->fields[OPTIONS].text;

	p->line->name = p->fields[NAME].text;
	p->line->options = strdup(options && !is_none(options) ? options : "");
	if (ret == 0)
		ret = p->line->options ? take_name(p) : -ENOMEM;
	if (ret == 0)
		ret = take_target(p);
	if (ret == 0 && p->line->add.serve.type)
		ret = take_source(p);
	if (ret == 0 && p->line->add.serve.type)
		ret = take_options(p);
	if (ret == 0 && !p->line->broken)
		ret = check_whole(p);
	return ret == 0 ? check_others(p) : ret;
}

static struct tab_line *append(struct tab *tab)
{
	const size_t count = tab->nr_lines;
	struct tab_line *more = tab->lines;

	/* There is room for a power of two. */
	if ((count & (count - 1)) == 0)
		more = realloc(more, (count ? 2 * count : 1) * sizeof(*more));
	if (!more)
		return NULL;
	tab->lines = more;
	more += tab->nr_lines++;
	*more = (struct tab_line){.name = "", .target = "", .source = ""};
	add_init(&more->add);
	return more;
}

/* The first byte that is no text; NULL: there is none. */
static const char *find_garbage(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]) && text[i] != '\t')
			return text + i;
	return NULL;
}

int tab_parse_line(struct tab *tab, unsigned number, const char *text, size_t len)
{
	const char *garbage = find_garbage(text, len);
	struct parser p = {.tab = tab};
	size_t blank = 0;

	while (blank < len && (text[blank] == ' ' || text[blank] == '\t'))
		blank++;
	if (blank == len || text[blank] == '#')
		return 0;
	if (garbage)
		return tab_complain(tab, number, (unsigned)(garbage - text) + 1,
				    "byte 0x%02x is no text; in a name it is written as a "
				    "backslash and three octal digits",
				    (unsigned char)*garbage);
	if (tab->nr_lines == MAX_LINES)
		return tab_complain(tab, number, 1, "more than %u devices are too many", MAX_LINES);
	p.line = append(tab);
	if (!p.line)
		return -ENOMEM;
	p.line->number = number;
	p.line->text = strndup(text, len);
	return p.line->text ? parse_fields(&p) : -ENOMEM;
}
