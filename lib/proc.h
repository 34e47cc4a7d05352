/* SPDX-License-Identifier: MIT */
#ifndef UC_PROC_H
#define UC_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Start time of a process in clock ticks since boot, so that a pid used again is noticed.
 * 0 when the process does not exist, is a zombie, or cannot be looked at. */
uint64_t uc_proc_start_time(pid_t pid);

/* Whether it is known that the process which started then has ended; what cannot be read has not.
 */
bool uc_proc_has_died(pid_t pid, uint64_t start);

/*
 * True when the process is on its way out and nothing holds that up: killed, dumping core, or past
 * that. It may still look alive, and have its files, for as long as a busy machine takes.
 */
bool uc_proc_is_dying(pid_t pid);

/* True when the process has this device node open, under whatever name. */
bool uc_proc_has_open(pid_t pid, const struct stat *node);

/* 0: there is none, or no such process. */
pid_t uc_proc_parent(pid_t pid);

/* Name of the process as the kernel has it, "?" when unknown. */
void uc_proc_name(pid_t pid, char *buf, size_t size);

/* CPUs that the thread may run on, as the kernel writes lists ("0-1,4"), "" when unknown. */
void uc_proc_cpus(pid_t pid, pid_t tid, char *buf, size_t size);

/* Whether `tid` is a thread of process `pid`. */
bool uc_proc_has_thread(pid_t pid, pid_t tid);

/*
 * A copy of file `fd` of the process that had this pid and start time, the caller's; or -ESRCH,
 * also when the pid is another's by now, or another negative errno.
 */
int uc_proc_take_file(pid_t pid, uint64_t start, int fd);

/* Room for uc_proc_where(). */
#define UC_WHERE_MAX 200

/*
 * Where a process stands that does not come to an end: "process 812 (ublkctl) is in del_gendisk <
 * ublk_ctrl_del_dev", as far as the kernel tells: the innermost functions of the thread that is in
 * the ublk driver, else of one that cannot be interrupted; or that it is stopped by a signal, or
 * gone. One line, without a full stop. True: it stands still, be it stopped or uninterruptible.
 */
bool uc_proc_where(pid_t pid, char *buf, size_t size);

/* The same of what the threads of this process wait for in the ublk driver: "in ...", or "". */
void uc_proc_where_self(char *buf, size_t size);

/* First process other than `except` that has the node open; 0 if none is seen. */
pid_t uc_proc_find_opener(const struct stat *node, pid_t except);

/* The same for who has a record lock (fcntl(2)) on that byte of the file. */
pid_t uc_proc_find_locker(const struct stat *file, off_t offset, pid_t except);

#endif
