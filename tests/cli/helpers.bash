# shellcheck shell=bash
# The verbs of the command-line tests: the real program on a model of the driver (tests/model), so without root and
# without a kernel. A test file says `load helpers` and gets setup and teardown from here, too.
# $BUILD: the build to test, from the top of the checkout or absolute; default: build/dev
top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd -P)
BUILD=${BUILD:-build/dev}
[[ $BUILD == /* ]] || BUILD=$top/$BUILD
program=$BUILD/tests/ublkctl_model

# Each test has a machine of its own ($root), and an empty directory to be in.
setup() {
	deferred=()
	tmp=$BATS_TEST_TMPDIR
	# In memory, if possible: the model's state is a large file, and records are synced to disk.
	root=$tmp
	if [[ -d /dev/shm && -w /dev/shm ]]; then root=/dev/shm; fi
	root=$(mktemp -d "$root/ublkctl-cli-XXXXXX")
	export UBLKCTL_MODEL_ROOT=$root UBLKCTL_MODEL_TIMEOUT_MS=10000
	unset UBLKCTL_MODEL_FAULT UBLKCTL_MODEL_KERNEL UBLKCTL_MODEL_DRIVER
	# Leaks are looked for by the unit tests: what a stuck command may still write to is left on purpose.
	export ASAN_OPTIONS="detect_leaks=0:log_path=$tmp/report" UBSAN_OPTIONS="print_stacktrace=1:log_path=$tmp/report"
	mkdir "$tmp/work"
	cd "$tmp/work" || return
	[[ -x $program ]] || { echo "no program at $program: build it, or set BUILD" >&2; return 1; }
	"$program" --version >/dev/null # makes the machine
	set +T # bats would note the stack before each command of each verb, too
}

teardown() {
	local status=0 report
	clean_up || status=1
	no_faults
	remove_all || status=1
	rm -rf "$root"
	for report in "$tmp"/report.*; do
		if [[ -f $report ]]; then cat "$report" >&2; status=1; fi
	done
	return $status
}

# defer COMMAND...: done after the test, the last first
defer() { deferred+=("$(printf '%q ' "$@")"); }

clean_up() {
	local i status=0
	for ((i = ${#deferred[@]} - 1; i >= 0; i--)); do
		eval "${deferred[i]}" || { printf 'clean-up failed: %s\n' "${deferred[i]}" >&2; status=1; }
	done
	deferred=()
	return $status
}

# Whatever a test made is deleted as a user would, and then nothing may be left.
remove_all() {
	local pid status=0
	if compgen -G "$root/sys/class/ublk-char/*" >/dev/null; then
		ublkctl del --all || status=1
	fi
	wait_until 10 nothing_left || status=1
	for pid in $(processes); do kill -9 "$pid"; done
	return $status
}

# Starts in a seventh of the time. It sorts the members of an object; whoever minds says `command jq`.
jq() { gojq "$@"; }

# --- running it ---

ublkctl() { timeout -k 5 30 "$program" "$@"; }

# invoke ARGUMENT...: sets status, out and err
invoke() {
	status=0
	ublkctl "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	took_in
}

# What it has said while it waited is about this machine, and left out; see progress.bats.
took_in() {
	out=$(<"$tmp/out")
	err=$(grep -v "$progress" "$tmp/err") || true
}
progress='^ublkctl: .* \.\.\.$'

complain() {
	printf '%s\n' "$@" "status ${status-}, stdout:" "${out-}" 'stderr:' "${err-}" >&2
	return 1
}

# works ARGUMENT...: it must succeed and have nothing to say on stderr; sets out
works() {
	invoke "$@"
	if ((status)) || [[ $err ]]; then complain "it did not work: $*"; fi
}

# one_line STATUS MESSAGE: so must the last one have ended: nothing on stdout, and one line of ours that is MESSAGE (a
# pattern), with a pointer to the help if STATUS is 2. The command's page tells what that status means.
one_line() {
	local want=$2 command=${2%%:*}
	local page=$top/man/ublkctl-$command.8.scd
	if (($1 == 2)); then
		if grep -qE "	X\($command\)| ${command}_command;" "$top/cmd/cmd.h"; then
			want+=" (see 'ublkctl $command --help')"
		else
			want+=" (see 'ublkctl --help')"
		fi
	fi
	((status == $1)) || complain "not status $1" || return
	[[ ! -f $page ]] || grep -qx "\*$1\*" "$page" || complain "$page does not have exit status $1" || return
	[[ ! $out ]] || complain 'something on stdout' || return
	# shellcheck disable=SC2053
	[[ $err == "ublkctl: "$want && $err != *$'\n'* ]] || complain "not this one line: ublkctl: $want"
}

# refused STATUS MESSAGE [ARGUMENT...]: it must end as one_line() says, and nothing may have changed: no device, process,
# record or file more or less. Without arguments: the words of the test's name.
refused() {
	local code=$1 message=$2 before
	shift 2
	if (($# == 0)); then eval "set -- $BATS_TEST_DESCRIPTION"; fi
	before=$(everything)
	invoke "$@"
	one_line "$code" "$message" || return
	wait_until 10 unchanged "$before"
}

# --- observing ---

# Device nodes, sysfs, records, the working directory, and the processes of this test's machine
everything() {
	find "$root"/{dev,sys,run} "$tmp/work" ! -name '.lock*' ! -name '*.spare' ! -path "$root/run" -printf '%p %y %m %s\n' | LC_ALL=C sort
	processes
}

unchanged() {
	local now
	now=$(everything)
	if [[ $now == "$1" ]]; then return 0; fi
	diff <(echo "$1") <(echo "$now") >&2 || return 1
}

# Dead ones that nobody has waited for do not count: they have no program.
processes() {
	local file link
	for file in $(grep -lsxzF "UBLKCTL_MODEL_ROOT=$root" /proc/[0-9]*/environ || true); do
		file=${file%/environ}
		link=$(readlink "$file/exe" 2>/dev/null) || continue
		if [[ $link == */ublkctl_model* ]]; then echo "${file#/proc/}"; fi
	done
}

no_processes() { [[ -z $(processes) ]]; }

nothing_left() {
	local left pids
	pids=$(processes)
	left=$(find "$root/dev" "$root/run" "$root/sys/block" "$root/sys/class/ublk-char" -mindepth 1 ! -name ublk-control ! -name '.lock*')
	if [[ ! $pids && ! $left ]]; then return 0; fi
	printf 'left: %s\n' "$left" "processes $pids" >&2
	return 1
}

# wait_until SECONDS COMMAND...: until it succeeds; what it complained of last is shown when the time is over
wait_until() {
	local end=$((SECONDS + $1)) what=${*:2} said
	shift
	until said=$("$@" 2>&1); do
		if ((SECONDS >= end)); then
			printf 'not within the time: %s\n%s\n' "$what" "$said" >&2
			return 1
		fi
		sleep 0.02
	done
}

same() {
	if [[ $1 == "$2" ]]; then return 0; fi
	printf '%s: "%s" is not "%s"\n' "${3-}" "$1" "$2" >&2
	return 1
}

# exited PID: also when nobody has waited for it
exited() {
	local state
	state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 0
	[[ $state == [ZX]* ]]
}

alive() { ! exited "$1"; }

# listed FILTER: what jq makes of `list --json --output-all`
listed() { ublkctl list --json --output-all | jq -er ".devices | $1"; }

# shown FILTER [ID]: what jq makes of `show --json`
shown() { ublkctl show --json "${2:-0}" | jq -er "$1"; }

no_faults() { unset UBLKCTL_MODEL_FAULT; }

# old_driver: from now on this is a machine with Linux 6.12
old_driver() {
	export UBLKCTL_MODEL_KERNEL=6.12
	rm -r "${root:?}"
	mkdir "$root"
	"$program" --version >/dev/null
}

# various_devices: 0 is called disk, 1 has lost its handler, and 2, called rest, is stopped
various_devices() {
	works add -t null --name disk
	works add -t ramdisk --size 1M --recovery reissue
	works add -t null --name rest
	works stop 2
	kill -9 "$(listed '.[1].pid')"
	wait_until 10 is_lost
}
is_lost() { [[ $(listed '.[1].state') == QUIESCED ]]; }
