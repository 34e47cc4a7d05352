#!/usr/bin/env bats
# What kill -9 leaves, and that gc takes away that and nothing else.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid ... are set by helpers
load helpers

state_is() { run_check ublkctl show --json "$id"; [[ $output == *"\"state\":\"$1\""* ]]; }

@test "dead, alive, to be recovered, and another tool's" {
	local dead live waits foreign
	add_device -t ramdisk --size 16M; dead=$id
	kill -KILL "$(handler)"
	wait_until 20 state_is DEAD
	add_device -t ramdisk --size 16M --recovery reissue; waits=$id
	kill -KILL "$(handler)"
	wait_until 20 state_is QUIESCED
	add_device -t ramdisk --size 16M; live=$dev
	foreign=$("${UBLKCTL%/cmd/*}/tests/foreign")
	defer remove_device "$foreign"
	ublkctl gc --dry-run >"$tmp/dry"
	ublkctl gc >"$tmp/done"
	sed 's/would be removed/removed/' "$tmp/dry" | diff - "$tmp/done"
	diff - "$tmp/done" <<-END
		/dev/ublkb$dead: removed: its handler is dead, and it cannot be started again
		/dev/ublkb$waits: kept: it has no handler, and can be recovered
		/dev/ublkb$foreign: kept: it is another program's; --all-owners removes that, too
	END
	reads "$live"
	ublkctl recover "$waits"
	reads "/dev/ublkb$waits"
	ublkctl gc --all-owners >"$tmp/done"
	same "$(<"$tmp/done")" "/dev/ublkb$foreign: removed: its handler is dead, and it cannot be started again"
	reads "$live"
}

@test "a dead device that is still mounted" {
	add_device -t ramdisk --size 32M
	run_check mkfs.ext4 -q -F "$dev"
	mount_at "$dev" "$tmp/mnt"
	kill -KILL "$(handler)"
	wait_until 20 state_is DEAD
	within 60 ublkctl --timeout 5 gc
	umount "$tmp/mnt"
	within 60 ublkctl gc || return
	wait_until 20 test ! -e "/sys/class/ublk-char/ublkc$id"
}

# --- random moments ---

operations=(add add-recovery add-named recover upgrade resize del)

# Without other programs, as far as it goes: starting one takes as long as what it is to hit.

# others: the ids of all devices but the bystander's
others() {
	local file
	ids=()
	for file in /sys/class/ublk-char/ublkc*; do
		if [[ -e $file && ${file##*ublkc} != "$bystander" ]]; then ids+=("${file##*ublkc}"); fi
	done
}

# operate WHICH: in the background, sets operation (its pid)
operate() {
	local ids
	others
	id=${ids[RANDOM % (${#ids[@]} + 1)]:-999}	# now and then one that there is not
	case $1 in
	add) set -- add -t ramdisk --size 16M -q 2 ;;
	add-recovery) set -- add -t loop -f "$tmp/image.$((RANDOM % 4))" --recovery reissue ;;
	add-named) set -- add -t ramdisk --size 16M --recovery queue --respawn --name "n$((RANDOM % 4))" ;;
	recover) set -- recover --all ;;
	upgrade) set -- upgrade --all ;;
	resize) set -- resize "$id" --size 8M --force ;;
	del) set -- del "$id" ;;
	esac
	"$UBLKCTL" --timeout 5 "$@" >/dev/null 2>&1 3>&- &
	operation=$!
}

# pass SECONDS
pass() { read -r -t "$1" <>"$tmp/never" || true; }

# our_processes: sets pids to those of the program, but the bystander's
our_processes() {
	local file
	pids=()
	for file in $(processes); do
		file=${file#/proc/} file=${file%/comm}
		if [[ $file != "$bystander_pid" ]]; then pids+=("$file"); fi
	done
}

# strike: kills the command alone, or everything that is not the bystander's
strike() {
	local pids=("$operation")
	if ((RANDOM % 2)); then our_processes; fi
	kill -KILL "${pids[@]}" 2>/dev/null || true
	wait "$operation" 2>/dev/null || true
}

# no_orphan: each device is served or can be recovered
no_orphan() {
	local state record
	while read -r state record; do
		if [[ $record != ok || $state != LIVE && $state != QUIESCED ]]; then return 1; fi
	done < <(ublkctl list --raw --noheadings -o STATE,RECORD)
}

# no_stray: each process of ours is one that a device names
no_stray() {
	local known pid pids
	known=" $(ublkctl list --raw --noheadings -o PID; sed -n '/"keeper"/,/}/s/.*"pid":\([0-9]*\).*/\1/p' "$run_dir"/[0-9]*.json) "
	known=${known//$'\n'/ }
	our_processes
	for pid in "${pids[@]}"; do
		if [[ $known != *" $pid "* ]]; then return 1; fi
	done
}

# gc_leaves_none: what a command that was killed has begun may end meanwhile, and is then the next gc's
gc_leaves_none() {
	within 60 ublkctl gc || return
	removed=$((removed + $(grep -c ': removed: ' <<<"$output" || true)))
	no_orphan
}

# collected: gc has worked, and there is nothing left that it should have taken
collected() {
	if ! wait_until 20 gc_leaves_none; then
		ublkctl list -o ID,NAME,STATE,PID,RECOVERY,RECORD >&2
		echo "$output" >&2
		return 1
	fi
	if ! wait_until 20 no_stray; then
		ps -o pid,ppid,stat,lstart,wchan:20,args >&2 -C "${UBLKCTL##*/}"
		ublkctl list -o ID,NAME,STATE,PID,RECOVERY,RECORD >&2
		cat "$run_dir"/[0-9]*.json >&2
		return 1
	fi
	reads "/dev/ublkb$bystander"
}

@test "kill -9 at random moments of add, recover, upgrade, resize and del: gc leaves no orphan and harms nobody" {
	local i ids bystander bystander_pid operation moments removed=0
	moments=$(rounds 40)
	RANDOM=${UBLKCTL_TEST_SEED:-$$}
	echo "# seed: ${UBLKCTL_TEST_SEED:-$$}"
	mkfifo "$tmp/never"
	for i in 0 1 2 3; do truncate -s 16M "$tmp/image.$i"; done
	add_device -t ramdisk --size 16M --name bystander
	bystander=$id bystander_pid=$pid
	defer within 100 ublkctl --timeout 20 del --all --force
	for ((i = 1; i <= moments; i++)); do
		operate "${operations[RANDOM % ${#operations[@]}]}"
		pass "0.$(printf %03d $((RANDOM % 250)))"
		strike
		if ((i % 8)); then continue; fi	# several may pile up
		collected
		# So that there are not more and more.
		others
		if ((${#ids[@]} > 6)); then within 60 ublkctl del "${ids[@]}"; fi
		if ((i % 40 == 0)); then echo "# $i moments, gc removed $removed" >&3; fi
	done
	same "$(ublkctl show --json "$bystander" | jq -r .pid)" "$bystander_pid"
}
