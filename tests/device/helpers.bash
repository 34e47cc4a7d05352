# shellcheck shell=bash
# The verbs of the device tests. A test file says `load helpers` and gets setup and teardown from here, too.
: "${UBLKCTL:?the program; tests/device/run sets it}" "${reports:?}"

run_dir=/run/ublkctl

ublkctl() { "$UBLKCTL" "$@"; }
# Starts in a seventh of the time. It sorts the members of an object; whoever minds says `command jq`.
jq() { gojq "$@"; }

# --- what must and must not work ---

# What it has said while it waited is about this machine.
without_progress() { grep -v '^ublkctl: .* \.\.\.$' || true; }
# Most have waited for nothing, and a process more takes its time here.
leave_out_progress() { if [[ $output == *' ...'* ]]; then output=$(without_progress <<<"$output"); fi; }

# run_check COMMAND...: it must succeed; what it prints is in $output, and shown only if it fails
run_check() {
	local status=0
	output=$("$@" 2>&1) || status=$?
	if ((status)); then
		printf 'status %s of: %s\n%s\n' "$status" "$*" "$output" >&2
		return 1
	fi
	leave_out_progress
}

# must_fail STATUS COMMAND...: it must end with that status (any: anything but success); $output is its stderr
must_fail() {
	local want=$1 status=0
	shift
	output=$("$@" 2>&1 >/dev/null) || status=$?
	leave_out_progress
	if [[ $want == any ]] && ((status)) || [[ $want == "$status" ]]; then return 0; fi
	printf 'status %s, not %s, of: %s\n%s\n' "$status" "$want" "$*" "$output" >&2
	return 1
}

# refused STATUS TEXT COMMAND...: it must end so, with TEXT (a pattern) in the one line that it says
refused() {
	local status=$1 text=$2
	shift 2
	must_fail "$status" "$@"
	# shellcheck disable=SC2053
	if [[ $output == *$text* && $output == ublkctl:* && $output != *$'\n'* ]]; then return 0; fi
	printf 'not one line of ours with "%s": %s\n' "$text" "$output" >&2
	return 1
}

# within SECONDS COMMAND...: it must succeed, and in that time
within() {
	local seconds=$1
	shift
	if [[ $1 == ublkctl ]]; then set -- "$UBLKCTL" "${@:2}"; fi	# timeout runs programs only
	run_check timeout -k 5 "$seconds" "$@"
}

# wait_until SECONDS COMMAND...: until it succeeds; fails when the time is over
wait_until() {
	local end=$((SECONDS + $1)) what=${*:2}
	shift
	until "$@"; do
		if ((SECONDS >= end)); then
			printf 'not within the time: %s\n' "$what" >&2
			return 1
		fi
		sleep 0.1
	done
}

# rounds NUMBER: how often to do what is done again and again
rounds() { echo $((($1 * ${UBLKCTL_TEST_ROUNDS:-100} + 99) / 100)); }

same() {
	if [[ $1 == "$2" ]]; then return 0; fi
	printf '%s: "%s" is not "%s"\n' "${3-}" "$1" "$2" >&2
	return 1
}

# skip_loudly REASON: seen in the output of a run whose skips nobody reads
skip_loudly() {
	printf '# SKIPPED: %s: %s\n' "$BATS_TEST_DESCRIPTION" "$1" >&3
	skip "$1"
}

# --- clean-up: a stack, worked off after each test ---

defer() { deferred+=("$(printf '%q ' "$@")"); }

clean_up() {
	local i status=0
	for ((i = ${#deferred[@]} - 1; i >= 0; i--)); do
		if ! eval "${deferred[i]}"; then
			printf 'clean-up failed: %s\n' "${deferred[i]}" >&2
			status=1
		fi
	done
	deferred=()
	return $status
}

setup() {
	deferred=() dev='' id='' pid=''
	tmp=$BATS_TEST_TMPDIR below=$BATS_TEST_TMPDIR
	# bats would note the stack before each command of each verb, too.
	set +T
}

teardown() {
	local status=0
	clean_up || status=1
	if leak_check; then return $status; fi
	# So that the next test does not fail, too.
	within 60 ublkctl --timeout 3 del --all --force
	rm -rf "$run_dir" "${reports:?}"/*
	return 1
}

# udev's rule as it is installed, but with the program of this test, or $UBLKCTL_IN_RULE
install_rule() {
	local rules=/run/udev/rules.d
	mkdir -p "$rules"
	sed "s#@CMAKE_INSTALL_FULL_SBINDIR@/ublkctl#${UBLKCTL_IN_RULE:-$UBLKCTL}#" "${BATS_TEST_DIRNAME%/tests/device}/udev/59-ublkctl.rules.in" \
		>"$rules/59-ublkctl.rules"
	# Who is at work goes on with the old ones.
	udevadm settle --timeout 30
	udevadm control --reload
	defer sh -c "rm $rules/59-ublkctl.rules; udevadm control --reload"
}

# --- devices ---

# add_device OPTION...: sets dev, id and pid (of its handler)
add_device() {
	local out
	out=$(ublkctl add --json "$@")
	# Not with jq: starting that takes longer than the rest under emulation.
	id=$(number_of id "$out")
	# shellcheck disable=SC2034
	pid=$(number_of pid "$out")
	dev=/dev/ublkb$id
	[[ $out == *"\"device\":\"$dev\""* || $out == *"\"device\":\"${dev//\//\\/}\""* ]]
	defer remove_device "$id"
}

number_of() { [[ $2 =~ \"$1\":\ *([0-9]+) ]] && echo "${BASH_REMATCH[1]}"; }

remove_device() {
	[[ -e /sys/class/ublk-char/ublkc$1 ]] || return 0
	within 60 ublkctl del "$1" || within 60 ublkctl --timeout 3 del --force "$1"
}

# unmount DIRECTORY: also when it is not mounted
unmount() { if mountpoint -q "$1"; then umount "$1"; fi; }

mount_at() {
	mkdir -p "$2"
	mount "$1" "$2"
	defer unmount "$2"
}

# sector_disk SIZE BLOCK: a kernel loop device with such sectors, on a file in $below; sets disk
sector_disk() {
	truncate -s "$1" "$below/disk.img"
	disk=$(losetup -b "$2" --show -f "$below/disk.img")
	defer losetup -d "$disk"
}

# ext4_dir: a directory of a file system that can do direct I/O; sets dir
ext4_dir() {
	dir=$tmp/ext4
	run_check mkfs.ext4 -q -F /dev/ram0
	mount_at /dev/ram0 "$dir"
}

# make_data KIND SIZE: data for a device; sets target to the options of add, and file, if it is in one
make_data() {
	local kind=$1 size=$2
	file=$tmp/image
	case $kind in
	ramdisk) target=(-t ramdisk --size "$size"); return ;;
	sparse) truncate -s "$size" "$file" ;;
	full) run_check dd if=/dev/zero of="$file" bs=1M count="${size%M}" ;;
	offset) truncate -s "$((${size%M} + 1))M" "$file" ;;
	sector) sector_disk "$size" 4096; file=$disk ;;
	direct) ext4_dir; file=$dir/image; truncate -s "$size" "$file" ;;
	esac
	target=(-t loop -f "$file")
	case $kind in
	offset) target+=(--offset 1M) ;;
	direct) target+=(--direct-io on) ;;
	esac
}

# --- clients ---

# load_device OPTION...: a client of the device that never ends by itself; sets client
load_device() {
	fio --name=load --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=16 --bs=4k --time_based --runtime=1000 \
		"$@" >"$tmp/fio" 2>&1 3>&- &
	client=$!
	defer sh -c "kill -9 $client 2>/dev/null; true"
	goes_on
}

# client_fails: it ends in bounded time, and not because all is well
client_fails() {
	local status=0
	wait_until 30 gone "$client"
	wait "$client" || status=$?
	((status && status != 127 && status < 128))
	grep -q 'Input/output error' "$tmp/fio"
}

# --- observing ---

# shown FILTER [ID]: what jq makes of `show --json`
shown() { ublkctl show --json "${2:-$id}" | jq -er "$1"; }

# listed FILTER: what jq makes of the devices of `list --json --output-all`
listed() { ublkctl list --json --output-all | jq -er ".devices | $1"; }

# of_queues COUNTER...: their sums over all queues, in a line
of_queues() {
	local counter filter='[]'
	for counter; do filter+=" + [([.queues[].$counter] | add)]"; done
	shown "$filter | map(tostring) | join(\" \")"
}

sysfs() { cat "/sys/block/${dev#/dev/}/$1"; }

# goes_on: a request more is answered. Of a client that asks seldom, none may ever be met in flight.
goes_on() { local before; before=$(answered); wait_until 30 answered_more_than "$before"; }
answered() { awk '{ print $1 + $5 }' "/sys/block/${dev#/dev/}/stat"; }
answered_more_than() { (($(answered) > $1)); }

# in_flight NUMBER: so many requests at least have not been answered
in_flight() {
	local reads writes
	read -r reads writes <"/sys/block/${dev#/dev/}/inflight"
	((reads + writes >= $1))
}

# handler: the pid in the record, without another program
handler() { number_of pid "$(<"$run_dir/$id.json")"; }

# verifying: fio that checks what it has written, and never ends by itself; sets client
verifying() {
	fio --name=verify --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=16 --rw=randwrite --bs=4k,4k --size=16M \
		--verify=crc32c --verify_backlog=64 --verify_fatal=1 --time_based --runtime=1000 >"$tmp/fio" 2>&1 3>&- &
	client=$!
	defer sh -c "kill -9 $client 2>/dev/null; true"
	goes_on
}

# verified: no error and no wrong byte until now
verified() {
	alive "$client"
	kill -INT "$client"
	wait_until 30 gone "$client"
	wait "$client" || true
	if grep -q 'err= 0' "$tmp/fio" && ! grep -qE 'verify: bad|error=' "$tmp/fio"; then return 0; fi
	cat "$tmp/fio" >&2
	return 1
}

alive() { kill -0 "$1" 2>/dev/null; }
gone() { [[ ! -d /proc/$1 ]]; }

# A read that no page cache answers
reads() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct status=none; }

# stopped PID: every thread of it stands still, not only the signal is sent
stopped() { ! grep -Lq 'State:.*T (stopped)' /proc/"$1"/task/*/status | grep -q .; }

# Those whose program it is, as /proc/PID/comm files: a handler's queue threads have other names, its main thread has not.
processes() { grep -lsx "${UBLKCTL##*/}" /proc/[0-9]*/comm; }
no_processes() { ! processes >/dev/null; }

# leak_check: nothing of a device must be left. A process may need a moment more than its device.
leak_check() {
	local left=() name GLOBIGNORE="$run_dir/.lock*"
	shopt -s nullglob dotglob
	left=(/sys/class/ublk-char/* /dev/ublk[bc]* /sys/block/ublkb* "$run_dir"/* "$reports"/*)
	shopt -u nullglob dotglob
	if ((${#left[@]})); then printf 'left: %s\n' "${left[*]}" >&2; fi
	for name in "$reports"/*; do if [[ -f $name ]]; then cat "$name" >&2; fi; done
	wait_until 15 no_processes || left+=("processes")
	((${#left[@]} == 0))
}
