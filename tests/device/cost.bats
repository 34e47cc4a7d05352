#!/usr/bin/env bats
# What a request may cost: nothing is allocated, locked or logged for it, and there is no system call but those that move
# it. Counted by the kernel in the handler that serves, by way of tracefs: at the C library's functions, and at each call.
# With a sanitizer in it, it is another program.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
# bats file_tags=emulated
load helpers
load paths

events=/sys/kernel/tracing/events
functions='malloc calloc realloc free posix_memalign pthread_mutex_lock pthread_rwlock_rdlock pthread_rwlock_wrlock
	pthread_cond_wait sem_wait syslog __syslog_chk vsyslog __vsyslog_chk'

# A copy that the handler alone uses: a probe in the C library stops every program that comes by, and a shell does often.
libs=$BATS_FILE_TMPDIR/libs libc=$BATS_FILE_TMPDIR/libs/libc.so.6

# probe NAME: at the function's first instruction, counted by thread
probe() {
	local address offset start length type
	address=0x$(nm -D --defined-only "$libc" | awk -v name="$1" '{sub(/@.*/, "", $3)} $3 == name {print $1; exit}')
	# Where that is in the file
	while read -r type offset start _ length _; do
		if [[ $type == LOAD ]] && ((address >= start && address < start + length)); then break; fi
	done < <(readelf -lW "$libc")
	printf 'p:ublkctl/%s %s:0x%x\n' "$1" "$libc" $((address - start + offset)) >>/sys/kernel/tracing/uprobe_events
	echo 'hist:keys=common_pid:size=1024' >"$events/ublkctl/$1/trigger"
}

setup_file() {
	make_ext4 64M
	mkdir "$libs"
	cp "$(ldd "$UBLKCTL" | awk '$1 == "libc.so.6" {print $3}')" "$libc"
	for name in $functions; do probe "$name"; done
}

teardown_file() {
	for name in $functions; do echo '!hist:keys=common_pid:size=1024' >"$events/ublkctl/$name/trigger"; done
	echo >/sys/kernel/tracing/uprobe_events
	umount "$ext4"
}

# hits: "FUNCTION COUNT" of those that a thread of the handler has called
hits() {
	local name threads
	threads=$(echo /proc/"$pid"/task/*)
	for name in $functions; do
		awk -v name="$name" -v threads="${threads//"/proc/$pid/task/"/}" '
			BEGIN {split(threads, list, " "); for (i in list) ours[list[i]] = 1}
			/^{/ && ours[$3] {n += $NF}
			END {if (n) print name, n}' "$events/ublkctl/$name/hist"
	done
}

# calls: "NAME COUNT" of the system calls since the trigger was set
calls() { sed -n 's/^{ id: sys_\([a-z0-9_]*\) .*hitcount: *\([0-9]*\)$/\1 \2/p' "$events/raw_syscalls/sys_enter/hist"; }

# work: some hundred requests of all sizes; null cannot be verified
work() {
	if [[ ${target[1]} != null ]]; then run_check client verify "$dev"; return; fi
	run_check dd if="$dev" of="$dev" bs=4K count=300 iflag=direct oflag=direct
}

# costs PATH KIND: after a first load, a second calls no such function, and makes no other call than may be
costs() {
	local thread filter='' before requests name count may most
	LD_LIBRARY_PATH=$libs add_device "${target[@]}" --data-path "$1"
	# What comes to stay is there: memory of a file, what a library does once.
	work
	for thread in /proc/"$pid"/task/*; do filter+="${filter:+ || }common_pid == ${thread##*/}"; done
	before=$(hits)
	# That this counts at all
	[[ $before == *calloc* ]]
	observe "$1"
	requests=$(($(tally reads) + $(tally writes)))
	echo "hist:keys=id.syscall if $filter" >"$events/raw_syscalls/sys_enter/trigger"
	work
	calls >"$tmp/calls"
	echo "!hist:keys=id.syscall if $filter" >"$events/raw_syscalls/sys_enter/trigger"
	same "$(hits)" "$before" "calls of functions"
	observe "$1"
	requests=$(($(tally reads) + $(tally writes) - requests))
	((requests > 200))
	case $1 in
	*user-copy) may='io_uring_enter pread64 pwrite64 mincore madvise' ;;
	map) may='io_uring_enter mincore madvise' ;;
	*) may=io_uring_enter ;;
	esac
	# To be told of it, and that its file is done; that the buffer is given back, or the answer taken, where that is a
	# command of its own with an end of its own. With one request at a time, as dd has them, none comes with another.
	case $1 in
	zero-copy | batch-*) most=3 ;;
	*) most=2 ;;
	esac
	# A clock that is not read from a register takes one.
	if [[ $(</sys/devices/system/clocksource/clocksource0/current_clocksource) != tsc* ]]; then may+=' clock_gettime'; fi
	while read -r name count; do
		if [[ " $may " != *" $name "* ]]; then same "$name" "$may" "a system call"; fi
		# The timer adds a few.
		if ((count > most * requests + 10)); then same "$count of $name" "$most for each of $requests requests"; fi
	done <"$tmp/calls"
	grep -q io_uring_enter "$tmp/calls"
	run_check ublkctl del "$id"
}

@test "copy: what a request costs" { over costs copy tmpfs; }
@test "map: what a request costs" { over costs map tmpfs ext4-cached; }
@test "user-copy: what a request costs" { over costs user-copy tmpfs null; }
@test "zero-copy: what a request costs" { over costs zero-copy ext4-direct; }
@test "auto-reg: what a request costs" { over costs auto-reg ext4-direct; }
@test "batch-copy: what a request costs" { over costs batch-copy tmpfs; }
@test "batch-user-copy: what a request costs" { over costs batch-user-copy ramdisk null; }
@test "batch-auto-reg: what a request costs" { over costs batch-auto-reg ext4-direct; }
@test "direct: what a request costs" { over costs direct ramdisk null; }
