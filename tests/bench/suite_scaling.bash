# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of lib.bash
# Two clients at a device of one queue and at one of two, on two CPUs, in turns: the ratio is what counts, and since
# nothing else about time repeats here, so do the spread and the reference.

scaling_iops() {
	fio --name=x --filename="$1" --rw=randread --bs=4k --number_ios="${ios[4k]}" --numjobs=2 --group_reporting \
		"${protocol[@]}" "${deep[@]}" | jq -e '.jobs[0].read.iops | floor'
}

# scaling_row GROUP NAME PATH AUTO: the ratios that are on stdin
scaling_row() {
	local values cell value
	values=$(jq -rs 'sort | "min \(.[0])", "median \(.[length / 2 | floor])", "max \(.[-1])"')
	while read -r cell value; do figure "$@" "$cell" "$value"; done <<<"$values"
	passed "scaling: $1: $2"
}

null_blk_ratio() {
	local queues iops=()
	for queues in 1 2; do
		null_blk $queues
		iops+=("$(scaling_iops /dev/nullb0)") || return
		modprobe -r null_blk
	done
	jq -n "${iops[1]} / ${iops[0]}"
}

ours_ratio() {
	local queues iops=()
	for queues in 1 2; do
		iops+=("$(with_device '' scaling_iops -- -q $queues "$@")") || return
	done
	jq -n "${iops[1]} / ${iops[0]}"
}

# thrice NAME COMMAND...: its ratios, as a row
thrice() {
	local name=$1 out='' i
	shift
	for ((i = 0; i < ${SMOKE:-3}; i++)); do
		if ! out+=$("$@")$'\n'; then broken "scaling: $name"; return; fi
	done
	scaling_row '2 queues over 1' "$name" '' false <<<"$out"
}

suite_scaling() {
	if (($(nproc) < 2)); then comment 'scaling: one CPU only'; return; fi
	thrice null_blk null_blk_ratio
	thrice 'ublkctl null' ours_ratio -t null --reads any
	thrice 'ublkctl ramdisk' ours_ratio -t ramdisk --size 400M
	tmpfs_image
	thrice 'ublkctl loop, tmpfs' ours_ratio -t loop -f "$image"
	no_image
}
