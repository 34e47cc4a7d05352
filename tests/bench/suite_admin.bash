# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of lib.bash
# What a device costs apart from its I/O: time to come and go, memory, and a list of many. With --icount a millisecond
# is a million instructions, waits for the kernel included.

# timed COMMAND...: how long it takes in ms, in took
timed() {
	local begin=$EPOCHREALTIME
	"$@" >/dev/null || return
	took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 10))
	printf -v took '%d.%02d' $((took / 100)) $((took % 100))
}

median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

# come_and_go NAME ADD DEL: both are functions; the node is at $device after ADD
come_and_go() {
	local name=$1 i adds=() dels=()
	for ((i = 0; i < rounds; i++)); do
		timed "$2" || break
		adds+=("$took")
		timed "$3" || break
		dels+=("$took")
	done
	if ((i < rounds)); then broken "admin: $name"; return; fi
	figure admin "$name" '' false 'add, ms' "$(printf '%s\n' "${adds[@]}" | median)"
	figure admin "$name" '' false 'del, ms' "$(printf '%s\n' "${dels[@]}" | median)"
	passed "admin: $name"
}

add_null() { ublkctl add -n 0 -t null; }
del_null() { ublkctl del 0; }
add_loop() { losetup /dev/loop0 "$image" && udevadm settle; }
del_loop() { losetup -d /dev/loop0; }

# Private memory of a handler at rest, in KiB
handler_memory() {
	local pid
	add_null >/dev/null || return
	pid=$(ublkctl list -o PID --noheadings --raw)
	awk '/^Private/ { kib += $2 } END { print kib }' "/proc/$pid/smaps_rollup"
	del_null
}

many() {
	local count=$1 i listed status=0
	for ((i = 0; i < count; i++)); do
		ublkctl add -t null -d 2 >/dev/null || { broken "admin: $count devices"; return; }
	done
	timed ublkctl list --json || status=1
	listed=$(ublkctl list --json | jq '.devices | length')
	timed ublkctl list --json || status=1
	if ((status)) || [[ $listed != "$count" ]]; then
		broken "admin: list of $count devices" "listed: $listed"
	else
		figure admin "list of $count devices" '' false 'list, ms' "$took"
		passed "admin: list of $count devices"
	fi
	ublkctl del --all || broken 'admin: del --all'
}

suite_admin() {
	local rounds=20 took kib
	if [[ -n $SMOKE ]]; then rounds=3; fi
	modprobe loop
	tmpfs_image
	come_and_go 'ublkctl null' add_null del_null
	come_and_go 'kernel loop' add_loop del_loop
	no_image
	if kib=$(handler_memory); then
		figure admin 'ublkctl null' '' false 'memory, KiB' "$kib"
		passed 'admin: memory of a handler'
	else
		broken 'admin: memory of a handler'
	fi
	many $((SMOKE ? 10 : 200))
}
