# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # variables of lib.bash
# System calls of the handler for each I/O, counted by the kernel's tracepoint, which slows nothing that is waited for.

events=/sys/kernel/tracing/events/raw_syscalls/sys_enter

# handler_filter DEVICE: every thread of its handler
handler_filter() {
	local dir filter='' pid
	pid=$(ublkctl show --json "$1" | jq -e .pid) || return
	for dir in /proc/"$pid"/task/*; do filter+="${filter:+ || }common_pid == ${dir##*/}"; done
	echo "$filter"
}

calls_figures() {
	local device=$5 cell trigger jobs out count
	trigger="hist:keys=common_pid if $(handler_filter "$device")"
	for cell in warm r4k w4k r512k w512k; do
		jobs=()
		if [[ $cell == warm ]]; then job r4k warm "$warm"; else job "$cell" "$cell"; fi
		echo "$trigger" >"$events/trigger" || return
		out=$(fio --filename="$device" "${protocol[@]}" "${deep[@]}" "${jobs[@]}" 2>&1) || { echo "$out"; return 1; }
		count=$(awk '/Hits:/ { print $2 }' "$events/hist")
		echo "!$trigger" >"$events/trigger"
		if [[ $cell == warm ]]; then continue; fi
		figure "${@:1:4}" "$cell" "$(jq -n "$count / ${ios[${cell#?}]}")"
	done
}

suite_calls() {
	local measure=calls_figures
	ours null -t null --reads any
	ours 'null, zeroes' -t null
	fill=1 ours ramdisk -t ramdisk --size 400M
	tmpfs_image
	ours 'loop, tmpfs' -t loop -f "$image"
	no_image
}
