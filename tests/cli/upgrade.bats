#!/usr/bin/env bats
# A new handler for a device in use, on the model: who is refused, and what becomes of an upgrade that fails.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

handler() { listed '.[0].pid'; }
state_is() { [[ $(listed '.[0].state') == "$1" ]]; }

device() {
	truncate -s 4M image
	works add -t loop -f image --recovery reissue
	old=$(handler)
}

# dead PID: or a zombie that nobody has looked after
dead() { ! readlink "/proc/$1/exe" >/dev/null 2>&1; }

# upgraded: another handler serves, and the old one is gone
upgraded() {
	state_is LIVE
	[[ $(handler) != "$old" ]]
	wait_until 10 dead "$old"
}

@test "upgrade" { refused 2 'upgrade: no device: give an id, a path, or --all'; }
@test "upgrade 3" { refused 6 "upgrade: device 3 does not exist; 'ublkctl list' shows those that do"; }
@test "upgrade --all 3" { refused 2 'upgrade: --all and named devices exclude each other'; }
@test "upgrade --all, when there is none" { works upgrade --all; }

@test "upgrade: by id, path, -n, and --all" {
	local how
	device
	for how in 0 "$root/dev/ublkb0" '-n 0' --all; do
		old=$(handler)
		# shellcheck disable=SC2086
		works upgrade $how
		same "$out" ''
		upgraded
	done
}

@test "upgrade: null, ramdisk, queue mode, several queues and threads" {
	local each
	for each in '-t null' '-t ramdisk -s 1M' '-t ramdisk -s 1M -q 2 --threads 2' '-t ramdisk -s 1M --respawn'; do
		# shellcheck disable=SC2086
		works add $each --recovery queue
		old=$(handler)
		works upgrade 0
		upgraded
		works del 0
	done
}

@test "upgrade: what systemd sees to is left to that" {
	works add -t null --recovery reissue --name web-1
	mkdir -p "$root/proc/$(handler)"
	echo "0::/system.slice/system-ublkctl.slice/ublkctl@web-1.service" >"$root/proc/$(handler)/cgroup"
	refused 1 "upgrade: device 0 is a service of systemd's, which would lose it: use 'systemctl kill -s KILL --kill-whom=main ublkctl@web-1'" \
		upgrade 0
}

@test "upgrade: made without --recovery, or to fail" {
	works add -t null
	refused 3 'upgrade: device 0 cannot be without a handler for a moment: it was made with --recovery none, not reissue or queue' \
		upgrade 0
	works add -t null --recovery fail
	refused 3 'upgrade: device 1 cannot be without a handler for a moment: it was made with --recovery fail, not reissue or queue' \
		upgrade 1
	invoke upgrade --all
	same "$status $(grep -c 'cannot be without a handler' <<<"$err")" '3 2'
}

@test "upgrade on Linux 6.12: reissue by death, queue not" {
	old_driver
	device
	works upgrade 0
	upgraded
	works add -t null --recovery queue
	refused 3 'upgrade: device 1 cannot be upgraded: with --recovery queue that needs quiesce, which the driver did not grant' \
		upgrade 1
}

@test "upgrade: without a handler" {
	device
	kill -9 "$old"
	wait_until 10 state_is QUIESCED
	refused 1 "upgrade: device 0 has no handler that could be replaced; see 'ublkctl recover'" upgrade 0
	works upgrade --all
	state_is QUIESCED
}

@test "upgrade: without a record" {
	device
	rm "$root/run/0.json"
	refused 1 'upgrade: there is no record of device 0, so what is behind it is not known' upgrade 0
	works upgrade --all
	[[ -d /proc/$old ]]
}

@test "upgrade: the backing has gone from its place" {
	device
	mv image other
	works upgrade 0
	upgraded
}

@test "upgrade: the driver refuses to quiesce" {
	device
	UBLKCTL_MODEL_FAULT='QUIESCE_DEV:EINVAL:0:always' refused 1 'upgrade: the driver refused QUIESCE_DEV for device 0: *' upgrade 0
	same "$(handler)" "$old"
	state_is LIVE
}

@test "upgrade: the new handler fails, so the old program serves again" {
	local new=$program
	# The same, but it does not see the fault.
	sed 's/UBLKCTL_MODEL_FAULT/UBLKCTL_MODEL_NEVER/g' "$new" >"$tmp/ublkctl_model_old"
	chmod +x "$tmp/ublkctl_model_old"
	program=$tmp/ublkctl_model_old device
	rm "$tmp/ublkctl_model_old"
	UBLKCTL_MODEL_FAULT='END_USER_RECOVERY:EIO:0:always' invoke upgrade 0
	one_line 1 'upgrade: device 0 is not upgraded, and served by the old program: *'
	upgraded
	[[ $(readlink "/proc/$(handler)/exe") == *ublkctl_model_old* ]]
	old=$(handler)
	works upgrade 0
	upgraded
	[[ $(readlink "/proc/$(handler)/exe") != *ublkctl_model_old* ]]
}

@test "upgrade: neither serves, and recover helps" {
	device
	UBLKCTL_MODEL_FAULT='END_USER_RECOVERY:EIO:0:always' invoke upgrade 0
	# What the old program has to say, and what it comes to.
	[[ $err == 'ublkctl: recover: the driver refused END_USER_RECOVERY for device 0: '*$'\n'* ]]
	err=${err#*$'\n'}
	one_line 1 "upgrade: device 0 has no handler; see 'ublkctl recover 0': *"
	state_is QUIESCED
	works recover 0
	upgraded
}

@test "upgrade and recover wait for each other" {
	device
	exec 9>"$root/run/.lock"
	python3 -c 'import fcntl, os, time; fcntl.lockf(9, fcntl.LOCK_EX, 1, 0); print("locked", flush=True); time.sleep(100)' >locked &
	holder=$!
	wait_until 10 grep -q locked locked
	UBLKCTL_MODEL_TIMEOUT_MS=300 refused 9 "upgrade: device 0 is being changed by process $holder (python3); try again" upgrade 0
	kill "$holder"
	same "$(handler)" "$old"
	works upgrade 0
	upgraded
}
