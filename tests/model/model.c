/* SPDX-License-Identifier: MIT */
/* The model's shared state: its file, its lock, waiting in it, and planned failures. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deadline.h"
#include "model_priv.h"

#define STATE_NAME "model.state"
#define MAGIC      0x756c6264726d6432U
/* No holder keeps the lock this long: it does nothing that waits. */
#define LOCK_LIMIT_S 30

struct model_state *model_state;

/* Paths of the attached model. A static, since a transport is not told which model is meant. */
static struct {
	char root[MODEL_PATH - 64];
	char dev[MODEL_PATH], sys[MODEL_PATH], run[MODEL_PATH];
} paths;

struct model_config model_config_newest(void)
{
	return (struct model_config){
		.features = ((1ULL << 21) - 1) & ~MODEL_LACKS,
		.param_types = (1U << 7) - 1,
		.nr_cpu_ids = 4,
		.ublks_max = 64,
		.idle_limit_ms = 120000,
	};
}

struct model_config model_config_6_12(void)
{
	struct model_config cfg = model_config_newest();

	/* Zero copy was in the header, and never offered. */
	cfg.features = UBLK_F_URING_CMD_COMP_IN_TASK | UBLK_F_NEED_GET_DATA | UBLK_F_USER_RECOVERY |
		       UBLK_F_USER_RECOVERY_REISSUE | UBLK_F_UNPRIVILEGED_DEV |
		       UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY | UBLK_F_ZONED;
	cfg.param_types = UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DISCARD | UBLK_PARAM_TYPE_DEVT |
			  UBLK_PARAM_TYPE_ZONED;
	cfg.requeue_short_writes = true;
	return cfg;
}

/* A directory that stays at hand when the process leaves its mounts behind. */
struct dir {
	int fd;
	uint64_t st_dev, ino;
};

static struct dir root_dir = {.fd = -1};
static struct dir proc_dir = {.fd = -1};

/* Whether the number is still ours: programs close inherited files wholesale. */
static bool is_open(const struct dir *dir)
{
	struct stat st;

	return dir->fd >= 0 && fstat(dir->fd, &st) == 0 && st.st_dev == dir->st_dev &&
	       st.st_ino == dir->ino;
}

static void open_dir(struct dir *dir, const char *path)
{
	struct stat st = {0};
	int fd;

	if (is_open(dir))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Not in the place of a standard file: what a program does without one, it shall show. */
	dir->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd >= 0)
		close(fd);
	if (dir->fd >= 0)
		fstat(dir->fd, &st);
	dir->st_dev = st.st_dev;
	dir->ino = st.st_ino;
}

static void close_dir(struct dir *dir)
{
	if (is_open(dir))
		close(dir->fd);
	dir->fd = -1;
}

void model_open_dirs(void)
{
	open_dir(&root_dir, paths.root);
	open_dir(&proc_dir, "/proc");
}

int model_root_fd(void)
{
	return root_dir.fd;
}

int model_proc_fd(void)
{
	return proc_dir.fd;
}

bool model_has(uint64_t feature)
{
	return (model_state->cfg.features & feature) != 0;
}

static int init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;
	int ret = pthread_mutexattr_init(&attr);

	if (ret)
		return -ret;
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	/* A holder may be killed at any instruction. */
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	ret = pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return -ret;
}

static int map_state(const char *path, int flags)
{
	void *map;
	int fd = openat(root_dir.fd, path, O_RDWR | O_CLOEXEC | flags, 0600);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if ((flags & O_CREAT) && ftruncate(fd, sizeof(struct model_state)) < 0)
		ret = -errno;
	map = mmap(NULL, sizeof(struct model_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED && ret == 0)
		ret = -errno;
	close(fd);
	if (ret < 0)
		return ret;
	model_state = map;
	return 0;
}

static int set_root(const char *root)
{
	char *full = realpath(root, NULL);

	if (!full)
		return -errno;
	if (strlen(full) >= sizeof(paths.root)) {
		free(full);
		return -ENAMETOOLONG;
	}
	strcpy(paths.root, full);
	free(full);
	snprintf(paths.dev, sizeof(paths.dev), "%s/dev", paths.root);
	snprintf(paths.sys, sizeof(paths.sys), "%s/sys", paths.root);
	snprintf(paths.run, sizeof(paths.run), "%s/run", paths.root);
	model_open_dirs();
	return 0;
}

/* The file gets its name when it is complete: another process may attach at any moment. */
static int create_state(const struct model_config *cfg)
{
	char temp[64];
	int ret;

	snprintf(temp, sizeof(temp), "model.state.%d", getpid());
	ret = map_state(temp, O_CREAT | O_EXCL);
	if (ret == 0)
		ret = init_lock(&model_state->lock);
	if (ret == 0) {
		model_state->cfg = cfg ? *cfg : model_config_newest();
		model_state->magic = MAGIC;
		if (linkat(root_dir.fd, temp, root_dir.fd, STATE_NAME, 0) < 0)
			ret = -errno;
	}
	unlinkat(root_dir.fd, temp, 0);
	return ret;
}

int model_create(const char *root, const struct model_config *cfg)
{
	int ret;

	model_detach();
	ret = model_node_root(root);
	if (ret == 0)
		ret = set_root(root);
	if (ret == 0)
		ret = create_state(cfg);
	if (ret == 0)
		model_node_cpus(model_state->cfg.nr_cpu_ids);
	if (ret < 0)
		model_detach();
	return ret;
}

int model_attach(const char *root)
{
	int ret;

	model_detach();
	ret = set_root(root);
	if (ret == 0)
		ret = map_state(STATE_NAME, 0);
	if (ret == 0 && model_state->magic != MAGIC) {
		model_detach();
		ret = -EINVAL;
	}
	return ret;
}

void model_detach(void)
{
	close_dir(&root_dir);
	close_dir(&proc_dir);
	if (!model_state)
		return;
	munmap(model_state, sizeof(*model_state));
	model_state = NULL;
	model_feed(0, 0, 0);
}

void model_destroy(void)
{
	if (!model_state)
		return;
	model_lock();
	model_state->destroyed = true;
	model_kick();
	model_unlock();
	model_node_remove_root();
	/* Only if nothing of others is in there. */
	rmdir(paths.root);
	model_detach();
}

bool model_gone(void)
{
	return model_state->destroyed || faccessat(root_dir.fd, STATE_NAME, F_OK, 0) < 0;
}

struct uc_host model_host(unsigned timeout_ms)
{
	return (struct uc_host){
		.dev_dir = paths.dev,
		.sys_dir = paths.sys,
		.run_dir = paths.run,
		.root = paths.root,
		.transport = &uc_transport_model,
		.timeout_ms = timeout_ms,
	};
}

/*
 * Tells tests/sweep/interrupt that what follows would be the kernel's doing, in which nobody is
 * interrupted. There is no such getpriority(2).
 */
static void mark(bool inside)
{
	(void)syscall(SYS_getpriority, MODEL_MARK, inside);
}

void model_lock(void)
{
	struct timespec limit;
	int ret;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += LOCK_LIMIT_S;
	ret = pthread_mutex_timedlock(&model_state->lock, &limit);
	if (ret == EOWNERDEAD)
		/* A killed holder may have left a request half moved, as a killed server may. */
		ret = pthread_mutex_consistent(&model_state->lock);
	if (ret) {
		fprintf(stderr, "model: the lock: %s\n", strerror(ret));
		abort();
	}
	mark(true);
}

void model_unlock(void)
{
	mark(false);
	pthread_mutex_unlock(&model_state->lock);
}

void model_kick(void)
{
	__atomic_add_fetch(&model_state->seq, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &model_state->seq, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/*
 * A futex and no condition variable: glibc's cannot cope with waiters that are killed. The wait
 * is short whatever the deadline, because nobody kicks when a process dies.
 */
int model_pause(uint64_t deadline, unsigned max_ms)
{
	const uint32_t seen = __atomic_load_n(&model_state->seq, __ATOMIC_SEQ_CST);
	const unsigned left = uc_left_ms(deadline);
	const unsigned ms = left < max_ms ? left : max_ms;
	const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
	long ret;
	int errnum;

	model_unlock();
	ret = syscall(SYS_futex, &model_state->seq, FUTEX_WAIT, seen, &ts, NULL, 0);
	errnum = errno;
	model_lock();
	return ret < 0 && errnum == EINTR ? -EINTR : 0;
}

void model_sleep_until(uint64_t deadline)
{
	unsigned left;

	while ((left = uc_left_ms(deadline)) > 0)
		uc_sleep_ms(left);
}

static void count_call(uint32_t op)
{
	struct model_state *s = model_state;

	for (unsigned i = 0; i < MODEL_COUNTS; i++) {
		if (s->counts[i].op != op && s->counts[i].op != 0)
			continue;
		s->counts[i].op = op;
		s->counts[i].count++;
		return;
	}
}

int model_take_fault(uint32_t op)
{
	struct model_state *s = model_state;

	count_call(op);
	for (uint32_t i = 0; i < s->nr_faults; i++) {
		struct model_fault *f = &s->faults[i];

		if (f->op != op || f->times == 0)
			continue;
		if (f->skip > 0) {
			f->skip--;
			return 0;
		}
		if (f->times != MODEL_ALWAYS)
			f->times--;
		return f->errnum;
	}
	return 0;
}

int model_fail(uint32_t op, int errnum, uint32_t skip, uint32_t times)
{
	struct model_state *s = model_state;
	uint32_t kept = 0;
	int ret = -ENOSPC;

	model_lock();
	/* Plans that are worked off make room; the others keep their order. */
	for (uint32_t i = 0; i < s->nr_faults; i++)
		if (s->faults[i].times > 0)
			s->faults[kept++] = s->faults[i];
	s->nr_faults = kept;
	if (kept < MODEL_FAULTS) {
		s->faults[s->nr_faults++] = (struct model_fault){op, errnum, skip, times};
		ret = 0;
	}
	model_unlock();
	return ret;
}

void model_fail_clear(void)
{
	model_lock();
	model_state->nr_faults = 0;
	model_unlock();
}

unsigned model_calls(uint32_t op)
{
	unsigned count = 0;

	model_lock();
	for (unsigned i = 0; i < MODEL_COUNTS; i++)
		if (model_state->counts[i].op == op)
			count = model_state->counts[i].count;
	model_unlock();
	return count;
}

const struct uc_transport uc_transport_model = {
	.ctrl_open = model_ctrl_open,
	.ctrl_call = model_ctrl_call,
	.ctrl_close = model_ctrl_close,
	.ring_init = model_ring_init,
	.ring_submit = model_ring_submit,
	.ring_probe = model_ring_probe,
	.ring_exit = model_ring_exit,
};
