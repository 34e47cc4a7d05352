#!/usr/bin/env bats
# No command hangs: with the driver's command never answered, and with a handler that stands still, each ends within
# its time and what it may take to tidy up, and says what is stuck.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

margin=5

# in_time ARGUMENT...: as invoke, with --timeout 1
in_time() {
	local begun=${EPOCHREALTIME/./} took
	invoke --timeout 1 "$@"
	took=$((${EPOCHREALTIME/./} - begun))
	((took <= (1 + margin) * 1000000)) || complain "that took $took us: $*"
}

state_is() { [[ $(listed '.[0].state') == "$1" ]]; }
lost() {
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 state_is "$1"
}

# stuck FAULT ARGUMENT...: it ends with status 9 in time, in one line that names the driver's command
stuck() {
	export UBLKCTL_MODEL_FAULT="$1:never:0:always"
	in_time "${@:2}"
	no_faults
	one_line 9 "${*:2:1}: *the driver did not answer $1* within 1000 ms*"
}

device() { works add -t ramdisk --size 1M --recovery reissue; }

@test "list: GET_DEV_INFO" {
	device
	UBLKCTL_MODEL_FAULT='GET_DEV_INFO2:never:0:always' in_time list
	one_line 9 'list: the driver did not answer GET_DEV_INFO for device 0 within 1000 ms; *'
}
@test "show: GET_PARAMS" { device; stuck GET_PARAMS show 0; }
@test "set: GET_QUEUE_AFFINITY" { device; stuck GET_QUEUE_AFFINITY set 0 --cpus 0; }
@test "resize: UPDATE_SIZE" { device; stuck UPDATE_SIZE resize 0 --size 2M; }
@test "features: GET_FEATURES" { stuck GET_FEATURES features; }
@test "add: START_DEV, STOP_DEV and DEL_DEV" {
	export UBLKCTL_MODEL_FAULT='START_DEV:never:0:always;STOP_DEV:never:0:always;DEL_DEV:never:0:always'
	in_time add -t null
	no_faults
	one_line 9 "add: a device may be left, see 'ublkctl list' (the driver did not answer *"
	wait_until 10 no_processes
}
@test "recover: START_USER_RECOVERY" { device; lost QUIESCED; stuck START_USER_RECOVERY recover 0; works recover 0; }
@test "recover: END_USER_RECOVERY" {
	device
	lost QUIESCED
	stuck END_USER_RECOVERY recover 0
	wait_until 10 state_is QUIESCED
	works recover 0
}
@test "upgrade: QUIESCE_DEV, then by death" {
	device
	UBLKCTL_MODEL_FAULT=QUIESCE_DEV:never:0:always in_time upgrade 0
	((status == 0 || status == 9))
	state_is LIVE || works recover 0
}
@test "stop: TRY_STOP_DEV" { device; stuck TRY_STOP_DEV stop 0; works del 0; }
@test "stop --force: STOP_DEV" { device; stuck STOP_DEV stop --force 0; works del 0; }
@test "start: DEL_DEV" { device; works stop 0; stuck DEL_DEV start 0; works start 0; }
@test "start: ADD_DEV" { device; works stop 0; stuck ADD_DEV start 0; works start 0; }
@test "start: START_DEV" { device; works stop 0; stuck START_DEV start 0; works start 0; }
@test "del: DEL_DEV" { device; stuck DEL_DEV del 0; }
@test "del --force: STOP_DEV" { device; stuck STOP_DEV del --force 0; }
@test "del --lazy: DEL_DEV_ASYNC" { device; stuck DEL_DEV_ASYNC del --lazy 0; }
@test "gc: DEL_DEV_ASYNC" {
	works add -t null
	lost DEAD
	UBLKCTL_MODEL_FAULT=DEL_DEV_ASYNC:never:0:always in_time gc
	same "$status" 9
	[[ $out == "$root/dev/ublkb0: not removed: "*'the driver did not answer DEL_DEV_ASYNC'* ]]
}

@test "one that is stuck does not take the time of the next" {
	device
	works add -t null
	export UBLKCTL_MODEL_FAULT=TRY_STOP_DEV:never:0:1
	in_time stop 0
	no_faults
	one_line 9 'stop: *'
	export UBLKCTL_MODEL_FAULT=STOP_DEV:never:0:always
	in_time del --force 0 1
	same "$status $(grep -c 'did not answer STOP_DEV for device [01] within 1000 ms' <<<"$err")" '9 2'
}

# --- a handler that stands still ---

stopped() { [[ $(<"/proc/$1/status") == *'State:'$'\t''T (stopped)'* ]]; }

still() {
	device
	pid=$(listed '.[0].pid')
	kill -STOP "$pid"
	wait_until 10 stopped "$pid"
}

@test "stopped by a signal: stop and del say so, and what helps" {
	still
	in_time stop 0
	one_line 9 "stop: device 0 is stopped, but its handler did not end within 1000 ms: process $pid (ublkctl_model) is stopped by a signal; use --force to kill it"
	in_time start 0
	one_line 9 "start: the handler that device 0 had did not end within 1000 ms: process $pid (ublkctl_model) is stopped by a signal; 'ublkctl stop --force 0' kills it"
	in_time del 0
	one_line 9 "del: device 0 is stopped, but its handler did not end within 1000 ms: process $pid (ublkctl_model) is stopped by a signal; use --force to kill it"
	in_time stop --force 0
	same "$status" 0
	works start 0
}
@test "stopped by a signal: recover" {
	still
	in_time recover 0
	one_line 7 "recover: device 0 has a handler, which stands still: process $pid (ublkctl_model) is stopped by a signal; let it go on, or kill it"
	kill -CONT "$pid"
}
@test "stopped by a signal: upgrade replaces it" {
	still
	in_time upgrade 0
	same "$status" 0
	[[ $(listed '.[0].pid') != "$pid" ]]
}
@test "stopped by a signal: list, show, set, gc, resize and features go on" {
	local each
	still
	for each in list 'show 0' 'set 0 --cpus 0' gc features 'resize 0 --size 2M'; do
		# shellcheck disable=SC2086
		in_time $each
		same "$status" 0 "$each"
	done
	kill -CONT "$pid"
}
@test "stopped by a signal: del --lazy and del --force" {
	still
	in_time del --lazy 0
	same "$status" 0
	kill -CONT "$pid"
	wait_until 10 nothing_left
	still
	in_time del --force 0
	same "$status" 0
	wait_until 10 nothing_left
}

# --- --timeout after the command's word ---

@test "--timeout: each command takes it, and means the same" {
	local command
	for command in $(ublkctl --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		[[ $command != help && $command != wait ]] || continue	# wait has its own
		invoke "$command" --timeout 0
		one_line 2 "$command: --timeout: '0' is out of range; give a number from 1 to 3600"
		ublkctl "$command" --help | grep -q -- '--timeout=SECONDS'
	done
	UBLKCTL_MODEL_FAULT=GET_FEATURES:never invoke features --timeout=1
	one_line 9 'features: the driver did not answer GET_FEATURES within 1000 ms; *'
	device
	UBLKCTL_MODEL_FAULT=TRY_STOP_DEV:never invoke del 0 --timeout 1
	one_line 9 'del: the driver did not answer TRY_STOP_DEV for device 0 within 1000 ms; *'
}
