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
	within 60 ublkctl gc
	wait_until 20 test ! -e "/sys/class/ublk-char/ublkc$id"
}

# --- random moments ---

operations=(add add-recovery add-named recover upgrade resize del)

# operate WHICH: in the background, sets operation (its pid)
operate() {
	local all=()
	mapfile -t all < <(ublkctl list --noheadings -o ID | grep -vw "$bystander" | shuf)
	id=${all[0]// /}
	case $1 in
	add) set -- add -t ramdisk --size 16M -q 2 ;;
	add-recovery) set -- add -t loop -f "$tmp/image.$((RANDOM % 4))" --recovery reissue ;;
	add-named) set -- add -t ramdisk --size 16M --recovery queue --respawn --name "n$((RANDOM % 4))" ;;
	recover) set -- recover --all ;;
	upgrade) set -- upgrade --all ;;
	resize) set -- resize "${id:-999}" --size 8M --force ;;
	del) set -- del "${id:-999}" ;;
	esac
	"$UBLKCTL" --timeout 5 "$@" >/dev/null 2>&1 3>&- &
	operation=$!
}

# strike: kills the command alone, or everything that is not the bystander's
strike() {
	local file victim
	if ((RANDOM % 2)); then
		kill -KILL "$operation" 2>/dev/null || true
	else
		for file in $(processes); do
			victim=${file#/proc/}
			victim=${victim%/comm}
			if [[ $victim != "$bystander_pid" ]]; then kill -KILL "$victim" 2>/dev/null || true; fi
		done
	fi
	wait "$operation" 2>/dev/null || true
}

# no_orphan: each device is served or can be recovered
no_orphan() {
	ublkctl list --json -o STATE,RECORD | jq -e '.devices | all(.record == "ok" and
		(.state == "LIVE" or .state == "QUIESCED"))' >/dev/null
}

# no_stray: each process of ours is one that a device names
no_stray() {
	local known file pid
	known=$(ublkctl list --noheadings -o PID; for file in "$run_dir"/[0-9]*.json; do number_of pid "$(jq -c .keeper "$file")"; done)
	for file in $(processes); do
		pid=${file#/proc/}
		pid=${pid%/comm}
		if ! grep -qw "$pid" <<<"$known"; then
			echo "process $pid is nobody's" >&2
			return 1
		fi
	done
}

@test "kill -9 at random moments of add, recover, upgrade, resize and del: gc leaves no orphan and harms nobody" {
	local i bystander bystander_pid operation moments=${UBLKCTL_TEST_MOMENTS:-100} removed=0
	RANDOM=${UBLKCTL_TEST_SEED:-$$}
	echo "# seed: ${UBLKCTL_TEST_SEED:-$$}"
	for i in 0 1 2 3; do truncate -s 16M "$tmp/image.$i"; done
	add_device -t ramdisk --size 16M --name bystander
	bystander=$id bystander_pid=$pid
	defer within 100 ublkctl --timeout 20 del --all --force
	for ((i = 0; i < moments; i++)); do
		operate "${operations[RANDOM % ${#operations[@]}]}"
		sleep "0.$(printf %03d $((RANDOM % 300)))"
		strike
		if ((i % 4 < 3)); then continue; fi	# several may pile up
		within 60 ublkctl gc
		removed=$((removed + $(grep -c ': removed: ' <<<"$output" || true)))
		if ! wait_until 20 no_orphan; then
			ublkctl list -o ID,NAME,STATE,PID,RECOVERY,RECORD >&2
			echo "$output" >&2
			return 1
		fi
		wait_until 20 no_stray
		reads "/dev/ublkb$bystander"
		# So that there are not more and more.
		if ((i % 16 == 15)); then
			for id in $(ublkctl list --noheadings -o ID); do
				if [[ $id != "$bystander" ]]; then within 30 ublkctl del "$id"; fi
			done
		fi
	done
	same "$(ublkctl show --json "$bystander" | jq -r .pid)" "$bystander_pid"
	echo "# $moments moments, gc removed $removed" >&3
}
