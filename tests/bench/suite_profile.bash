# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of lib.bash
# Where the instructions go, of 4k I/O at depth 32: samples of all that runs, each so many ns (with --icount:
# instructions) after the last. Only when asked for by name; comments, not figures.

# profile_of NAME RW DEVICE
profile_of() {
	local report jobs=() data=/tmp/perf.data
	job "${2}4k" x 64000
	perf record -q -e cpu-clock -c 20000 -a -g -o "$data" -- \
		fio --filename="$3" "${protocol[@]}" "${deep[@]}" "${jobs[@]}" >/tmp/perf.json 2>/tmp/perf.err || {
		broken "profile: $1" "$(</tmp/perf.err)"
		return
	}
	comment "$1: ${2}4k: $(jq '.jobs[0] | .read.iops + .write.iops | floor' /tmp/perf.json) IOPS while sampled"
	report=(perf report -i "$data" -g none --stdio -w 0 --percentage absolute)
	"${report[@]}" --no-children --sort comm 2>/dev/null | sed -n '/^ *[0-9]/p' | head -n 6 | sed 's/^/# /'
	"${report[@]}" --no-children --comm 'ublk0-q0,ublk,ublkctl' --sort dso 2>/dev/null | sed -n '/^ *[0-9]/p' | sed 's/^/# /'
	"${report[@]}" --no-children --comm 'ublk0-q0,ublk,ublkctl' --sort dso,sym 2>/dev/null | sed -n '/^ *[0-9]/p' |
		head -n 70 | sed 's/^/# /'
	comment "$1: with callees"
	"${report[@]}" --children --comm 'ublk0-q0,ublk,ublkctl' --sort sym 2>/dev/null | sed -n '/^ *[0-9]/p' |
		head -n 50 | sed 's/^/# /'
	passed "profile: $1"
}

suite_profile() {
	local rw
	[[ -n $(type -P perf) ]] || { broken profile 'no perf: install linux-perf'; return; }
	sysctl -q kernel.perf_event_max_sample_rate=100000 kernel.perf_cpu_time_max_percent=0 kernel.kptr_restrict=0
	null_blk
	profile_of null_blk r /dev/nullb0
	modprobe -r null_blk
	for rw in r w; do with_device '' profile_of 'null' $rw -- -n 0 -t null --reads any; done
	with_device '' profile_of 'null, zeroes' r -- -n 0 -t null
}
