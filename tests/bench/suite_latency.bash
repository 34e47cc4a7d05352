# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of lib.bash
# One request at a time: the mean from submission to completion. With --icount a nanosecond is an instruction.

latency_figures() {
	local device=$5 cell jobs=() out values value
	job r4k warm "$warm"
	for cell in r4k w4k r512k w512k; do job "$cell" "$cell" "$((${ios[${cell#?}]} / 8))"; done
	out=$(fio --filename="$device" "${protocol[@]}" --iodepth=1 "${jobs[@]}" 2>&1) || { echo "$out"; return 1; }
	values=$(jq -r '.jobs[1:][] | if .error != 0 then error("\(.jobname): \(.error)") else
		"\(.jobname) \(.read.lat_ns.mean + .write.lat_ns.mean | floor)" end' <<<"$out" 2>&1) || { echo "$values"; return 1; }
	while read -r cell value; do figure "${@:1:4}" "$cell" "$value"; done <<<"$values"
}

suite_latency() {
	local measure=latency_figures
	suite_null
	suite_ramdisk
	suite_loop
}
