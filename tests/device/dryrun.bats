#!/usr/bin/env bats
# --dry-run tells what the kernel would say: devices in use, ids that are taken, features that are missing. And progress of
# what really takes long.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# as_real STATUS ARGUMENT...: the dry run and then the real one end so, with the same words
as_real() {
	local said
	must_fail "$1" ublkctl "${@:2}" --dry-run
	said=$output
	must_fail "$1" ublkctl "${@:2}"
	same "$said" "$output" "${*:2}"
}

# dry LINE ARGUMENT...: that (a pattern) is the plan, and devices, handlers and records are as before
dry() {
	local before
	before=$(state)
	run_check ublkctl "${@:2}" --dry-run
	# shellcheck disable=SC2053
	[[ $output == $1 ]] || same "$output" "$1" "${*:2}"
	same "$(state)" "$before" "${*:2}"
}
state() {
	ublkctl list --json --output-all
	find "$run_dir" -printf '%p %s %T@\n' | LC_ALL=C sort
	pgrep ublkctl || true
}

# bats test_tags=old
@test "in use, taken, missing" {
	add_device -t ramdisk --size 8M --recovery reissue
	run_check mkfs.ext4 -q -O ^has_journal "$dev"
	mount_at "$dev" "$tmp/mnt"
	as_real 7 del "$id"
	as_real 7 stop "$id"
	as_real 7 recover "$id"
	as_real 8 add -t null -n "$id"
	as_real 3 add -t null --threads 2
	as_real 3 add -t null -q 64
	as_real 3 add -t null --data-path batch-user-copy
	as_real 3 resize "$id" --size 64M
	as_real 1 add -t ramdisk --size 64M --huge-pages
	as_real 7 add -t loop -f "$dev"
	truncate -s 1M "$tmp/image"
	ublkctl add -t loop -f "$tmp/image" -n 40
	defer remove_device 40
	as_real 7 add -t loop -f "$tmp/image"
	umount "$tmp/mnt"
}

# Of the processes only the one that keeps the memory is left; others take a moment to end.
only_keeper() { (($(processes | wc -l) == 1)); }

@test "what would be done is not done, and then it can be" {
	add_device -t ramdisk --size 32M --recovery reissue
	dry "$dev: would be upgraded" upgrade "$id"
	dry "$dev: would be stopped" stop "$id"
	dry "$dev: would be deleted" del "$id"
	dry "$dev: would be set: --cpus 1" set --cpus 1 "$id"
	ublkctl stop "$id"
	wait_until 30 only_keeper
	dry "$dev: would be started" start "$id"
	ublkctl start "$id"
	kill -9 "$(handler)"
	ublkctl wait --state quiesced "$id"
	wait_until 30 only_keeper
	dry "$dev: would be recovered" recover "$id"
	ublkctl recover "$id"
	reads "$dev"
}

@test "a file that would be made is not" {
	for below in "$tmp" /dev/shm; do
		dry 'a new device: would be made: target loop, 1048576 bytes, data path *' \
			add -t loop -f "$below/new" --create --size 1M
		[[ ! -e $below/new ]]
	done
}

# slowly COMMAND...: with a tenth of a CPU
slowly() {
	local group=/sys/fs/cgroup/slow
	echo +cpu >/sys/fs/cgroup/cgroup.subtree_control
	mkdir "$group"
	echo '10000 100000' >"$group/cpu.max"
	defer wait_until 20 rmdir "$group"
	# shellcheck disable=SC2016
	sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' - "$group" "$@"
}

@test "memory that is allocated for more than a second is told of" {
	local add=("$UBLKCTL" add -t ramdisk --size 512M --preallocate -n 7) begun=${EPOCHREALTIME/./} lines
	defer remove_device 7
	"${add[@]}" >"$tmp/out" 2>"$tmp/err"
	if ((${EPOCHREALTIME/./} - begun < 1500000)); then
		ublkctl del 7
		slowly "${add[@]}" >"$tmp/out" 2>"$tmp/err"
		defer remove_device 7	# before the group, which its handler is in
	fi
	same "$(<"$tmp/out")" /dev/ublkb7
	mapfile -t lines <"$tmp/err"
	[[ ${lines[0]} =~ ^'ublkctl: allocating memory, '[0-9.]+[MG]' of 512M ...'$ ]] || same "${lines[0]}" 'how far it is'
}
