#!/usr/bin/env bats
# What commands say on stderr while they wait: nothing in the first second, then what for, and how long at most.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

# says STATUS LINE ARGUMENT...: its first line of progress is that one (a pattern), and one is all there is in 2.5 s;
# nothing is on stdout
says() {
	local want=$1 line=$2 lines
	shift 2
	invoke "$@"
	same "$status$out" "$want" "$*" || return
	mapfile -t lines < <(grep "$progress" "$tmp/err")
	# shellcheck disable=SC2053
	[[ ${#lines[@]} == 1 && ${lines[0]} == "ublkctl: "$line ]] ||
		complain "$* says otherwise:" "$(<"$tmp/err")" || return
	# Ours come last: what failed is the last line.
	if ((want)); then [[ "$(tail -n 1 "$tmp/err")" != *...  ]]; fi
}
left='up to [1-9]* s more ...'

@test "nothing in the first second" {
	(sleep 0.5; ublkctl add -t null >"$tmp/path") 3>&- &
	invoke wait --state live 0
	same "$status$(<"$tmp/err")" 0
	wait
}

@test "wait" {
	works add -t null
	says 9 "waiting for '0' to be DEAD, $left" wait --state dead --timeout 2 0
}

@test "another line after ten seconds, and not before" {
	works add -t null
	invoke wait --state dead --timeout 12 0
	same "$(grep -c "$progress" "$tmp/err")" 2
}

@test "add, while the driver does not answer" {
	UBLKCTL_MODEL_FAULT=START_DEV:never:0:always says 9 "waiting for the new device, $left" add -t null --timeout 2
}

@test "add, while another makes one" {
	exec 9>"$root/run/.lock-making"
	# A lock of ours keeps the handler waiting.
	perl -e 'use Fcntl; my $l = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0); open(F, "+<&=9"); fcntl(F, F_SETLK, $l) or die; sleep 60' 3>&- &
	defer kill $!
	sleep 0.3
	says 9 "waiting for the new device, $left" add -t null --timeout 2
	exec 9>&-
}

@test "del and stop, while the handler stands still" {
	local pid
	works add -t null
	works add -t null
	for pid in $(listed '.[].pid'); do
		kill -STOP "$pid"
		defer kill -CONT "$pid"
	done
	says 9 "waiting for device 0 to be gone, $left" del 0 --timeout 2
	says 9 "waiting for device 1 to be stopped, $left" stop 1 --timeout 2
}

@test "resize" {
	works add -t null -s 1M
	UBLKCTL_MODEL_FAULT=UPDATE_SIZE:never:0:always says 9 "waiting for device 0 to have its new size, $left" \
		resize 0 -s 2M --timeout 2
}

@test "recover" {
	works add -t null --recovery reissue
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 listed '.[0].state == "QUIESCED"'
	UBLKCTL_MODEL_FAULT=END_USER_RECOVERY:never:0:always says 9 "waiting for a handler of device 0, $left" \
		recover 0 --timeout 2
}

@test "show" {
	works add -t null
	UBLKCTL_MODEL_FAULT=GET_PARAMS:never:0:always says 9 "waiting for the parameters of device 0, $left" \
		show 0 --timeout 2
}

@test "a handler in service says nothing" {
	local pid
	"$program" add -t null --foreground >"$tmp/path" 2>"$tmp/log" </dev/null 3>&- &
	pid=$!
	wait_until 10 test -s "$tmp/path"
	sleep 1.5
	kill "$pid"
	wait "$pid"
	same "$(grep -c "$progress" "$tmp/log")" 0
}

@test "on a terminal: one line, rewritten each second, wiped out in the end, and no escape sequences" {
	works add -t null
	# Its own stdout is the terminal's other end.
	status=0
	script -qec "$program wait --state dead --timeout 4 0" /dev/null >"$tmp/screen" </dev/null || status=$?
	same "$status" 9
	same "$(grep -c $'\e' "$tmp/screen")" 0
	(($(grep -o $'waiting for' "$tmp/screen" | wc -l) == 3))
	# Nothing but blanks is between the last of them and what failed.
	[[ "$(tr -d '\n' <"$tmp/screen")" == *' ...'$'\r'*' '$'\r'"ublkctl: wait: after 4 s device 0 is LIVE, not DEAD"$'\r' ]]
	same "$(tr -cd '\n' <"$tmp/screen" | wc -c)" 1
}
