#!/usr/bin/env bats
# --dry-run of every command that changes something: it changes nothing, says what would be done, and ends as the real
# one does.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers
load machine

# Each command that changes something, as it would on the machine below; a new one has to come here, too.
declare -gA example=(
	[add]='add -t null --name new' [set]='set --cpus 0 dev' [resize]='resize --size 2M dev' [stop]='stop spare'
	[start]='start stopped' [recover]='recover lost' [upgrade]='upgrade dev' [del]='del spare' [gc]=gc
	[up]='up --all' [down]='down spare' [ublktab]='ublktab add lost'
)
# What they say, with * for the machine's directory.
declare -gA plan=(
	[add]='a new device: would be made: target null, 268435456000 bytes, data path user-copy'
	[set]='*/dev/ublkb0: would be set: --cpus 0'
	[resize]='*/dev/ublkb0: would be resized: 2097152 bytes'
	[stop]='*/dev/ublkb3: would be stopped'
	[start]='*/dev/ublkb1: would be started'
	[recover]='*/dev/ublkb2: would be recovered'
	[upgrade]='*/dev/ublkb0: would be upgraded'
	[del]='*/dev/ublkb3: would be deleted'
	[gc]='*/run/7.json: would be removed: there is no such device'
	[up]='NAME *tabbed *add *it is not there*spare */dev/ublkb3 none *it is there*'
	[down]='NAME *spare */dev/ublkb3 del *it is there'
	[ublktab]='lost null - recovery=reissue*'
)
declare -gA verb=([add]=make [del]=delete)
# These change nothing by nature.
reading=(list show stats top monitor wait doctor features targets help)

# stray: a record that gc finds
stray() {
	jq '.pid = 0 | .name = ""' "$root/run/3.json" >"$tmp/stray"
	cp "$tmp/stray" "$root/run/7.json"
}

# all_of_it: everything(), with locks and what is in the records
all_of_it() {
	everything
	find "$root/run" -printf '%p %y %m %s %T@\n' | LC_ALL=C sort
	cat "$root"/run/*.json 2>/dev/null || true
}
all_unchanged() {
	local now
	now=$(all_of_it)
	diff <(echo "$1") <(echo "$now") >&2
}

# dry ARGUMENT...: a dry run, which changes nothing
dry() {
	local before
	before=$(all_of_it)
	invoke "$@" --dry-run
	all_unchanged "$before" || complain "$*: something has changed"
}

# dies ID: its handler does, and is not one of the processes any more
dies() {
	local pid
	pid=$(listed "map(select(.id == $1))[0].pid")
	kill -9 "$pid"
	wait_until 10 exited "$pid"
}

# as_real ARGUMENT...: the dry run fails with the status and the words of the real one
as_real() {
	local dry_status dry_err
	dry "$@" || return
	dry_status=$status dry_err=$err
	if [[ $out ]]; then complain "$*: something on stdout"; return; fi
	invoke "$@"
	((status)) || complain "$*: it works" || return
	same "$dry_status $dry_err" "$status $err" "$*"
}

@test "each command that changes something has --dry-run" {
	local command
	for command in $(commands_of_help); do
		if ublkctl "$command" --help | grep -q -e ' --dry-run'; then
			[[ ${example[$command]-} ]] || complain "no example of $command" || return
		else
			[[ " ${reading[*]} " == *" $command "* ]] || complain "$command has no --dry-run" || return
		fi
	done
}

@test "each says what it would do, and does not; then it can be done" {
	local command words
	machine
	stray
	for command in "${!example[@]}"; do
		read -ra words <<<"${example[$command]}"
		dry "${words[@]}" || return
		same "$status$err" 0 "$command" || return
		# shellcheck disable=SC2053
		[[ $out == ${plan[$command]} ]] || complain "$command says it otherwise" || return
		# The line that it prints is all that there is to be said.
		if [[ $command == ublktab ]]; then continue; fi
		dry "${words[@]}" --json || return
		same "$status$err" 0 "$command" || return
		jq -e '.dry_run and .changed' <<<"$out" >/dev/null || complain "$command" || return
		if [[ $command != @(gc|up|down) ]]; then
			same "$(jq -r '.devices[0].action' <<<"$out")" "${verb[$command]-$command}" || return
		fi
	done
	for command in gc set resize upgrade start recover stop del up down add ublktab; do
		read -ra words <<<"${example[$command]}"
		works "${words[@]}" || return
	done
	works gc
}

@test "what is as was wanted is kept" {
	works add -t null --name x
	dry add -t null --name x --if-absent
	same "$status$err$out" "0$root/dev/ublkb0: kept: it is there already"
	works stop x
	dry stop x
	same "$status$err$out" "0$root/dev/ublkb0: kept: it is stopped already"
	works start x
	dry resize -s 250G x
	same "$status$err$out" "0$root/dev/ublkb0: kept: 268435456000 bytes"
	works set --cpus 0 x
	dry set --cpus 0 x
	same "$status$err$out" "0$root/dev/ublkb0: kept: --cpus 0"
	dry start --all
	same "$status$err$out" 0
}

@test "several devices, and all" {
	works add -t null -n 2
	works add -t null -n 10
	works add -t null -n 1
	dry del 10 7 2
	same "$status" 6
	same "$out" "$root/dev/ublkb10: would be deleted
$root/dev/ublkb2: would be deleted"
	same "$err" "ublkctl: del: device 7 does not exist; 'ublkctl list' shows those that do"
	dry del --all --lazy
	same "$out" "$root/dev/ublkb1: would be deleted
$root/dev/ublkb2: would be deleted
$root/dev/ublkb10: would be deleted"
}

@test "add: with an id, in the foreground, and a record directory that there is not yet" {
	rmdir "$root/run"
	dry add -t null -n 5 --foreground
	same "$status$err$out" "0$root/dev/ublkb5: would be made: target null, 268435456000 bytes, data path user-copy"
	dry gc
	same "$status$err$out" 0
	[[ ! -e $root/run ]]
}

@test "add: what is wrong with a file" {
	truncate -s 1M image
	truncate -s 1M other
	: >empty
	mkdir directory
	works add -t loop -f image --name x
	as_real add -t loop -f missing
	as_real add -t loop -f empty
	as_real add -t loop -f directory
	as_real add -t loop -f image
	as_real add -t loop -f image --read-only
	as_real add -t loop -f image --share
	as_real add -t loop -f other --offset 2M
	as_real add -t loop -f other --create -s 1M
	as_real add -t loop -f nowhere/new --create -s 1M
	as_real add -t loop -f empty --create
	as_real add -t loop -f new --create -s 1000
	as_real add -t loop -f other --name x
	as_real add -t loop -f other --name x --if-absent
	ln -s nowhere link
	as_real add -t loop -f link --create -s 1M
}

@test "add: --create makes no file, and a lock is not taken" {
	dry add -t loop -f new --create -s 3M
	[[ $status$err$out == '0a new device: would be made: target loop, 3145728 bytes, data path '* ]]
	same "$(ls -A)" ''
	works add -t loop -f new --create -s 3M
}

@test "add: what is wrong with an option" {
	as_real add -t ramdisk
	as_real add -t ramdisk -s 1000
	as_real add -t ramdisk -s 1M --numa-node 1000
	as_real add -t null --threads 200
	as_real add -t null --respawn
	as_real add -t null --if-absent
	as_real add -t null --unprivileged
	as_real add -t null --shared-memory missing
	as_real add -t null --frobnicate
	as_real add -t huge
}

@test "add: ids that are taken, too many queues, and a data path that does not suit" {
	works add -t null -n 3
	as_real add -t null -n 3
	as_real add -t null -q 100
	as_real add -t null --data-path zero-copy
	as_real add -t ramdisk -s 1M --data-path copy
}

@test "add: what an old driver lacks" {
	old_driver
	as_real add -t null --threads 2
	as_real add -t loop --create -s 1M -f new --data-path auto-reg
	as_real add -t null --data-path batch-user-copy
}

@test "add: a driver that is missing, that may not be used, and one without a word on features" {
	UBLKCTL_MODEL_DRIVER=missing as_real add -t null
	UBLKCTL_MODEL_FAULT=CTRL_OPEN:EACCES:0:always as_real add -t null
	UBLKCTL_MODEL_FAULT=GET_FEATURES:EIO:0:always as_real add -t null
	UBLKCTL_MODEL_DRIVER=missing as_real del 0
}

@test "add: plain users get no recovery, and not as many devices as they like" {
	export UBLKCTL_MODEL_UID=1000 XDG_RUNTIME_DIR=$tmp/user UBLKCTL_MODEL_UBLKS_MAX=1
	mkdir -m 700 "$tmp/user"
	rm -r "${root:?}"
	mkdir -p "$root/sys/module/ublk_drv/parameters"
	echo 1 >"$root/sys/module/ublk_drv/parameters/ublks_max"
	"$program" --version
	as_real add -t null --unprivileged --recovery queue
	as_real add -t null --unprivileged --data-path user-copy
	works add -t null --unprivileged
	as_real add -t null --unprivileged
	works del 0
}

@test "stop, start and del: what is refused" {
	works add -t ramdisk -s 1M
	works add -t null
	as_real stop 0
	as_real stop 7
	as_real start 1
	as_real del 7
	rm "$root/run/1.json"
	as_real stop 1
	dies 0
	wait_until 10 state_is DEAD 0
	as_real stop 0
	as_real start 0
}

@test "start: what is behind it has gone, or another has it" {
	truncate -s 1M image
	works add -t loop -f image
	works stop 0
	works add -t loop -f image
	as_real start 0
	works del 1
	mv image moved
	as_real start 0
	mv moved image
	works start 0
}

@test "recover and upgrade: what is refused" {
	truncate -s 1M image
	works add -t loop -f image --recovery queue
	works add -t null
	as_real recover 0
	as_real recover 1
	as_real recover 7
	as_real upgrade 1
	as_real upgrade 7
	dies 0
	wait_until 10 state_is QUIESCED 0
	as_real upgrade 0
	as_real recover 0 --data-path zero-copy
	mv image moved
	as_real recover 0
	truncate -s 512K image
	as_real recover 0
}

@test "recover: a device whose keeper has the file yet" {
	truncate -s 1M image
	works add -t loop -f image --recovery reissue --respawn
	kill -9 "$(jq .keeper.pid "$root/run/0.json")"
	works stop 0
	works start 0
	works stop 0
	dry start 0
	same "$status$err$out" "0$root/dev/ublkb0: would be started"
	works start 0
}

@test "set and resize: what is refused" {
	works add -t ramdisk -s 1M
	as_real set --cpus 8000 0
	as_real set --cpus 0 7
	as_real resize -s 1000 0
	as_real resize -s 512K 0
	as_real resize -s 2T 0
	as_real resize -s 2M 7
	rm "$root/run/0.stats"
	as_real set --cpus 0 0
}

@test "set: on the threads nothing has changed" {
	local tid before
	works add -t null
	tid=$(listed '.[0].pid')
	before=$(grep -h Cpus_allowed: /proc/"$tid"/task/*/status)
	dry set --cpus 0 0
	same "$(grep -h Cpus_allowed: /proc/"$tid"/task/*/status)" "$before"
}

@test "so many queues as there can be CPUs, also where their numbers have holes" {
	echo 0,2-5 >"$root/sys/devices/system/cpu/possible"
	dry add -t null -q 6
	same "$status" 0
	dry add -t null -q 7
	same "$status" 3
}
