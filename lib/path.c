/* SPDX-License-Identifier: MIT */
#include "path.h"

#include <errno.h>
#include <string.h>

#include "feature.h"

#define ENTRY(name) &uc_path_##name,

static const struct uc_path *const paths[] = {UC_PATHS(ENTRY)};

#define NR_PATHS (sizeof(paths) / sizeof(paths[0]))

const struct uc_path *const *uc_paths(unsigned *ret_count)
{
	*ret_count = NR_PATHS;
	return paths;
}

const struct uc_path *uc_path_find(const char *name)
{
	for (size_t i = 0; i < NR_PATHS; i++)
		if (strcmp(paths[i]->name, name) == 0)
			return paths[i];
	return NULL;
}

static bool suits(const struct uc_path *path, const struct uc_target *target)
{
	return path->homes & (1U << target->home);
}

/* With them a server could show its clients memory of the kernel's: not for plain users. */
#define PRIVILEGED (UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG)

static int check(const struct uc_path *path, const struct uc_target *target, uint64_t features,
		 const struct uc_spec *spec, struct uc_error *err)
{
	const char *remedy = path->shared ? "leave out --shared-memory" : "use --data-path auto";
	char names[256];

	if (!suits(path, target))
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "data path %s does not suit this %s: it is for %s; %s", path->name,
			       target->ops->name, path->suits, remedy);
	if (path->flags & ~features) {
		uc_feature_names(path->flags & ~features, names, sizeof(names));
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "data path %s needs %s, which %s; %s", path->name, names,
			       spec->unprivileged && (path->flags & PRIVILEGED)
				       ? "unprivileged devices do not get"
				       : "this kernel's driver does not have",
			       remedy);
	}
	return 0;
}

/* Best first, by measurement: see tests/bench/README.md. */
static const struct uc_path *const preferred[UC_HOME_COUNT][4] = {
	[UC_HOME_NOWHERE] = {&uc_path_batch_user_copy, &uc_path_user_copy, &uc_path_direct},
	[UC_HOME_MEMORY] = {&uc_path_direct},
	[UC_HOME_FILE] = {&uc_path_batch_auto_reg, &uc_path_auto_reg, &uc_path_copy},
	/* map reads more at a time faster, but writes slower. */
	[UC_HOME_CACHE] = {&uc_path_batch_copy, &uc_path_copy},
	[UC_HOME_VIEW] = {&uc_path_map, &uc_path_copy},
	[UC_HOME_CODE] = {&uc_path_batch_copy, &uc_path_copy},
};

static const struct uc_path *const preferred_shared[] = {&uc_path_batch_shared, &uc_path_shared,
							 NULL};

int uc_path_choose(const struct uc_target *target, uint64_t features, const struct uc_spec *spec,
		   const struct uc_path **ret_path, struct uc_error *err)
{
	const struct uc_path *const *p =
		spec->shared_memory ? preferred_shared : preferred[target->home];

	if (spec->unprivileged)
		features &= ~PRIVILEGED;
	if (spec->path) {
		*ret_path = spec->path;
		return check(spec->path, target, features, spec, err);
	}
	while (p[1] && ((*p)->flags & ~features))
		p++;
	*ret_path = *p;
	return check(*p, target, features, spec, err);
}

/* What tells the paths apart. */
static uint64_t data_flags(void)
{
	uint64_t flags = 0;

	for (size_t i = 0; i < NR_PATHS; i++)
		flags |= paths[i]->flags;
	return flags;
}

int uc_path_resume(const struct uc_target *target, uint64_t granted, const struct uc_spec *spec,
		   const struct uc_path **ret_path, struct uc_error *err)
{
	const uint64_t flags = granted & data_flags();

	if (spec->path && spec->path->flags == flags && suits(spec->path, target)) {
		*ret_path = spec->path;
		return 0;
	}
	if (spec->path)
		return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
			       "data path %s is not what the device was made for, or does not suit "
			       "this %s",
			       spec->path->name, target->ops->name);
	for (size_t i = 0; i < NR_PATHS; i++) {
		if (paths[i]->flags == flags && suits(paths[i], target)) {
			*ret_path = paths[i];
			return 0;
		}
	}
	return uc_fail(err, UC_UNSUPPORTED, EOPNOTSUPP,
		       "the device was made for a data path that does not suit this %s",
		       target->ops->name);
}
