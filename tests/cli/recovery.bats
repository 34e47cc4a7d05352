#!/usr/bin/env bats
# Devices that outlive their handler, on the model: what recover says and does, and what a record may do to it.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154  # jq's variables; tmp, root, out ... are set by helpers
load helpers

state_is() { [[ $(listed '.[0].state') == "$1" ]]; }

# lost [OPTION...]: a device whose handler is dead, and known to be
lost() {
	works add "$@"
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 state_is QUIESCED
}
lost_loop() { truncate -s 4M image; lost -t loop -f image --recovery reissue "$@"; }

# edit JQ: changes the record
edit() { jq "$1" "$root/run/0.json" >"$tmp/record"; cp "$tmp/record" "$root/run/0.json"; }

@test "add --recovery none, queue, reissue, fail" {
	local mode
	for mode in none queue reissue fail; do works add -t null --recovery "$mode"; done
	same "$(listed 'map(.recovery) | join(" ")')" 'none queue reissue fail'
	same "$(shown .recovery 3)" fail
}
@test "add -t null --recovery" { refused 2 "add: option '--recovery' needs an argument"; }
@test "add -t null --recovery yes" { refused 2 "add: --recovery: 'yes' is none of none, queue, reissue, fail"; }
@test "add -t null --respawn" {
	refused 2 'add: --respawn needs a device that outlives its handler: add --recovery reissue, queue or fail'
}
@test "add -t null --respawn --recovery queue --foreground" {
	refused 2 'add: --respawn and --foreground exclude each other: who started it sees to it'
}
@test "add --recovery fail on Linux 6.12" {
	old_driver
	refused 3 "add: --recovery fail needs recovery-fail-io, which this kernel's driver does not have" \
		add -t null --recovery fail
	works add -t null --recovery reissue
}

@test "recover" { refused 2 'recover: no device: give an id, a path, or --all'; }
@test "recover 3" { refused 6 "recover: device 3 does not exist; 'ublkctl list' shows those that do"; }
@test "recover --all 3" { refused 2 'recover: --all and named devices exclude each other'; }
@test "recover --all --foreground" { refused 2 'recover: --target and --foreground are for one device'; }
@test "recover 1 2 -t null" { refused 2 'recover: --target and --foreground are for one device'; }
@test "recover 0 --size 1M" { refused 2 "recover: no target: say -t TARGET; 'ublkctl targets' lists them"; }
@test "recover --all, when there is nothing to recover" { works recover --all; works add -t null; works recover --all; }
@test "recover: served" {
	works add -t null --recovery queue
	refused 7 'recover: device 0 is being served by process *; there is nothing to recover' recover 0
}
@test "recover: made without --recovery" {
	works add -t null
	refused 1 'recover: device 0 was made without --recovery; delete it and make it anew' recover 0
}

@test "recover: by id, path, -n, and --all" {
	local how
	for how in 0 "$root/dev/ublkb0" '-n 0' --all; do
		lost_loop
		# shellcheck disable=SC2086
		works recover $how
		same "$out" ''
		state_is LIVE
		works del 0
	done
}
@test "recover: what was said to add is so again" {
	lost_loop --offset 1M --direct-io off --threads 2 --cpus 0 --data-path copy --read-only
	same "$(shown '.pid == null')" true
	works recover 0
	same "$(shown '"\(.target) \(.backing) \(.data_path) \(.data_path_by) \(.read_only) \(.threads | length)"')" \
		"loop $PWD/image copy request true 2"
	same "$(command jq -c '.options' "$root/run/0.json")" '{"offset":"1M","direct-io":"off"}'
	jq -e '.cpus == "0" and .recovering == false' "$root/run/0.json"
}
@test "recover: a file that --create made" {
	lost -t loop -f new --create --size 4M --recovery queue
	works recover 0
	state_is LIVE
}
@test "recover --foreground" {
	lost_loop
	"$program" recover --foreground 0 >"$tmp/out" 2>"$tmp/err" 3>&- &
	wait_until 10 state_is LIVE
	same "$(listed '.[0].pid')" $!
	kill -TERM $!
	wait $!
	same "$(listed length)" 0
}
@test "recover: the file is gone, or too small; and then it is there again" {
	lost_loop
	mv image hidden
	refused 1 "recover: $PWD/image: No such file or directory; name another, or make one with --create --size SIZE" recover 0
	truncate -s 4M image
	refused 8 "recover: $PWD/image is not what is behind the device: it is inode $(stat -c %i image) of device *, and was inode $(stat -c %i hidden) of device *; put that back in its place" \
		recover 0
	mv hidden image
	truncate -s 1M image
	refused 1 'recover: device 0 has 4194304 bytes, but what is to be behind it has only 1048576' recover 0
	truncate -s 4M image
	works recover 0
}
@test "recover: no record, one that is spoiled, or of a target that there is not" {
	lost_loop
	edit '.target = "nosuch"'
	refused 1 "recover: the record of device 0 names target 'nosuch', which there is not" recover 0
	edit '.target = "loop" | .options = {"nosuch": "1"}'
	refused 1 "recover: its record has an option 'nosuch', which target loop has not" recover 0
	edit '.options = {"offset": "x"}'
	refused 2 "recover: --offset: 'x' is not a size; *" recover 0
	edit '.options = []'
	refused 2 'recover: there is no record of device 0: say what is behind it, with -t TARGET and its options' recover 0
	rm "$root/run/0.json"
	refused 2 'recover: there is no record of device 0: say what is behind it, with -t TARGET and its options' recover 0
	works recover 0 -t loop -f image
	same "$(listed '.[0].record')" ok
}
@test "recover: a data path that the device was not made for" {
	lost_loop --data-path copy
	refused 3 'recover: data path user-copy is not what the device was made for, or does not suit this loop' \
		recover 0 --data-path user-copy
	works recover 0
}

# --- keepers ---

@test "a ramdisk's keeper: there with --recovery, and gone with the device" {
	local keeper
	works add -t ramdisk --size 1M
	same "$(shown '.keeper_pid == null')" true
	works del 0
	works add -t ramdisk --size 1M --recovery queue
	keeper=$(shown .keeper_pid)
	alive "$keeper"
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 state_is QUIESCED
	works recover 0
	wait_until 10 exited "$keeper"
	keeper=$(shown .keeper_pid)
	alive "$keeper"
	works del 0
	exited "$keeper"
}
@test "a keeper that is dead is not shown as if it kept anything" {
	local keeper
	works add -t ramdisk --size 1M --recovery queue
	keeper=$(shown .keeper_pid)
	kill -9 "$keeper"
	wait_until 10 exited "$keeper"
	same "$(shown '.keeper_pid == null')" true
}
@test "a ramdisk whose keeper is dead, or whose record names a bystander" {
	local keeper bystander
	lost -t ramdisk --size 1M --recovery queue
	keeper=$(shown .keeper_pid)
	sleep 300 3>&- &
	bystander=$!
	defer kill "$bystander"
	edit ".keeper.pid = $bystander"
	# It sees that it is out of office.
	wait_until 10 exited "$keeper"
	refused 1 "recover: the memory of device 0 is gone with the process that kept it ($bystander); delete the device" recover 0
	alive "$bystander"
	works del 0
	alive "$bystander"
}
@test "--respawn: a dead handler is replaced" {
	local i pid
	truncate -s 4M image
	works add -t loop -f image --recovery reissue --respawn
	same "$(shown .respawn)" true
	for i in 1 2 3; do
		pid=$(listed '.[0].pid')
		kill -9 "$pid"
		wait_until 10 another_serves "$pid"
	done
	works del 0
}
@test "recover --respawn: from now on" {
	local pid
	lost_loop
	works recover 0 --respawn
	same "$(shown .respawn)" true
	pid=$(listed '.[0].pid')
	kill -9 "$pid"
	wait_until 10 another_serves "$pid"
	works del 0
}
another_serves() { state_is LIVE && [[ $(listed '.[0].pid') != "$1" ]]; }

@test "--respawn: gives up on handlers that die at once; recover mends it" {
	truncate -s 4M image
	works add -t loop -f image --recovery reissue --respawn
	rm "$root/run/0.stats"
	mkdir "$root/run/0.stats"
	kill -9 "$(listed '.[0].pid')"
	# 0.1 + 0.2 + 0.4 ... between one and the next
	sleep 14
	state_is QUIESCED
	rmdir "$root/run/0.stats"
	sleep 2
	state_is QUIESCED
	works recover 0
	state_is LIVE
	wait_until 20 two_processes
}
two_processes() { [[ $(processes | wc -l) == 2 ]]; }
