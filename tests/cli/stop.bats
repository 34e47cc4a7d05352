#!/usr/bin/env bats
# stop and start, del by what is behind a device, and lazily; on the model.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

state_is() { [[ $(listed '.[0].state') == "$1" ]]; }

loop() {
	truncate -s 4M image
	works add -t loop -f image "$@"
}

# --- stop and start ---

@test "stop" { refused 2 'stop: no device: give an id, a path, or --all'; }
@test "start" { refused 2 'start: no device: give an id, a path, or --all'; }
@test "stop 3" { refused 6 "stop: device 3 does not exist; 'ublkctl list' shows those that do"; }
@test "start 3" { refused 6 "start: device 3 does not exist; 'ublkctl list' shows those that do"; }
@test "stop --all 3" { refused 2 'stop: --all and named devices exclude each other'; }
@test "start --all 3" { refused 2 'start: --all and named devices exclude each other'; }
@test "stop --all and start --all, when there is none" { works stop --all; works start --all; }

# comes_back: stopped and started, by each way of naming it, it is what it was
comes_back() {
	local before how
	before=$(listed '.[0] | del(.pid) | tostring')
	for how in 0 "$root/dev/ublkb0" '-n 0' --all; do
		# shellcheck disable=SC2086
		works stop $how
		same "$out" ''
		same "$(listed '.[0] | "\(.state) \(.pid) \(.size) \(.record)"')" 'DEAD null null ok'
		[[ ! -e $root/dev/ublkb0 ]]
		# shellcheck disable=SC2086
		works start $how
		same "$out" ''
		same "$(listed '.[0] | del(.pid) | tostring')" "$before"
	done
}
@test "stop and start: loop" { loop; comes_back; }
@test "stop and start: null, with all that was asked for" {
	works add -t null --size 1M -q 2 -d 5 --threads 2 --max-io-size 64K --cpus 0 --name x --recovery queue --read-only
	comes_back
	works stop x
	works start x
}
@test "stop and start: ramdisk with recovery, and its data" {
	works add -t ramdisk --size 1M --recovery reissue
	comes_back
}
@test "stop and start: loop with --respawn is not respawned" {
	loop --recovery reissue --respawn
	works stop 0
	sleep 0.5
	state_is DEAD
	works start 0
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 state_is LIVE
}
@test "stop and start on Linux 6.12" { old_driver; loop; comes_back; }

@test "stop: a ramdisk whose data would be lost" {
	works add -t ramdisk --size 1M
	refused 1 'stop: the data of device 0 is in the memory of its handler alone, and would be lost; use --force, or make it with --recovery' \
		stop 0
	state_is LIVE
	works stop --force 0
	state_is DEAD
	works start 0
	state_is LIVE
}
@test "stop: without a record" {
	works add -t null
	rm "$root/run/0.json"
	refused 1 "stop: there is no record of device 0, so it could not be started again; use 'ublkctl del'" stop 0
	works stop --all
	state_is LIVE
}
@test "stop: dead" {
	works add -t null
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 state_is DEAD
	refused 1 "stop: device 0 is dead: its handler has ended; use 'ublkctl del'" stop 0
	refused 1 "start: device 0 was not stopped, but has lost its handler; see 'ublkctl del'" start 0
	works start --all
}
@test "stop: the driver refuses" {
	loop
	UBLKCTL_MODEL_FAULT=TRY_STOP_DEV:EBUSY:0:always refused 7 'stop: TRY_STOP_DEV for device 0: the block device is open; *' stop 0
	state_is LIVE
	jq -e '.stopped == null' "$root/run/0.json"
}
@test "start: running, or to be recovered" {
	loop --recovery queue
	refused 7 'start: device 0 is running already' start 0
	works start --all
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 state_is QUIESCED
	refused 1 "start: device 0 was not stopped, but has lost its handler; see 'ublkctl recover'" start 0
}
@test "a stopped device and the other commands" {
	loop --recovery queue --name x
	works stop x
	works stop x
	works gc
	same "$out" "$root/dev/ublkb0: kept: it was stopped, and can be started"
	refused 1 "recover: device 0 is stopped; use 'ublkctl start 0'" recover x
	works recover --all
	refused 1 "upgrade: device 0 has no handler that could be replaced; see 'ublkctl recover'" upgrade x
	refused 8 "add: device 0 ($root/dev/ublkb0) has the name x; *" add -t null --name x
	refused 8 "add: device 0 ($root/dev/ublkb0) is there, but DEAD and without a handler; see 'ublkctl start 0'" \
		add -t loop -f image --recovery queue --name x --if-absent
	same "$(shown .stopped)" true
	works start x
	same "$(shown .stopped)" false
	works stop x
	works del x
	refused 6 "start: there is no device 'x'; *" start x
}
@test "gc: a stopped ramdisk whose keeper has died" {
	works add -t ramdisk --size 1M --recovery reissue
	works stop 0
	kill -9 "$(shown .keeper_pid)"
	wait_until 10 no_processes
	refused 1 'start: the memory of device 0 is gone with the process that kept it (*); delete the device' start 0
	works gc
	same "$out" "$root/dev/ublkb0: removed: it was stopped, and the process that kept its memory is dead"
}

# fails_to_start OP: and is stopped as before, and can be started and deleted
fails_to_start() {
	local each=(-t\ ramdisk\ --size\ 1M)
	# shellcheck disable=SC2086
	works add ${each[0]} --recovery reissue -q 2
	works stop 0
	UBLKCTL_MODEL_FAULT="$1:EIO:0:always" invoke start 0
	((status == 1))
	[[ $err == 'ublkctl: start: '* && $err != *$'\n'* ]]
	state_is DEAD
	works gc
	works start 0
	state_is LIVE
	same "$(jq .stopped "$root/run/0.json")" null
}
@test "start: the driver fails DEL_DEV" { fails_to_start DEL_DEV; }
@test "start: the driver fails ADD_DEV, so that only the record is left" { fails_to_start ADD_DEV; }
@test "start: the driver fails SET_PARAMS" { fails_to_start SET_PARAMS; }
@test "start: the driver fails START_DEV" { fails_to_start START_DEV; }
@test "start: the driver fails FETCH_REQ" { fails_to_start FETCH_REQ; }

@test "a start that was cut short, and has left only the record: gc keeps it, del removes it" {
	works add -t ramdisk --size 1M --recovery reissue --name x
	works stop 0
	UBLKCTL_MODEL_FAULT=ADD_DEV:ENOMEM invoke start 0
	same "$(listed 'map([.id, .name, .state, .size]) | tostring')" '[[0,"x","DEAD",null]]'
	works show --json x
	same "$(jq -r '"\(.stopped) \(.params)"' <<<"$out")" 'true null'
	works gc
	sleep 1.5 # the keeper looks once a second
	[[ $(processes) ]]
	works del x
	wait_until 10 nothing_left
}
@test "start: the id is another device's by now" {
	works add -t null
	works stop 0
	UBLKCTL_MODEL_FAULT=ADD_DEV:ENOMEM invoke start 0
	# By a program that knows nothing of records
	mv "$root/run/0.json" record
	works add -t null
	mv record "$root/run/0.json"
	refused 7 'start: device 0 is running already' start 0
}
@test "start: the backing is in use, or gone" {
	loop
	works stop 0
	works add -t loop -f image
	invoke start 0
	one_line 7 'start: *'
	works del 1
	mv image other
	refused 1 'start: *image: No such file or directory; *' start 0
	mv other image
	works start 0
}

# --- del ---

@test "del --file: all that lie on it, under whatever name" {
	truncate -s 4M image other
	ln image link
	works add -t loop -f image --share
	works add -t loop -f "$PWD/image" --share
	works add -t loop -f other
	works stop 1
	works del --file link
	same "$(listed 'map(.id) | tostring')" '[2]'
}
@test "del --file: the file has moved, and another has its name" {
	loop
	mv image moved
	truncate -s 4M image
	refused 6 "del: --file: no device lies on 'image'; see 'ublkctl list'" del -f image
	works del -f moved
}
@test "del --file image" { refused 6 "del: --file: no device lies on 'image'; see 'ublkctl list'"; }
@test "del --all --file: exclude each other" {
	loop
	refused 2 'del: --all and named devices exclude each other' del --all --file image
}
@test "del --file: the file is gone" {
	loop
	works stop 0
	rm image
	works del --file "$PWD/image"
}
@test "del --lazy" {
	works add -t ramdisk --size 1M --recovery reissue
	works add -t null
	works del --lazy 0 1
	wait_until 10 nothing_left
}
@test "del --lazy --force" { works add -t null; works del --lazy --force 0; wait_until 10 nothing_left; }
