#!/usr/bin/env bats
# What programs read: --json of every command, one document for all that works on devices, in a stable order.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers
load machine

# Each command as it works on the machine below; a new one has to come here, too.
declare -gA example=(
	[add]='add -t null' [list]=list [show]='show dev' [stats]=stats [monitor]=monitor [wait]='wait --state live dev'
	[set]='set --cpus 0 dev' [resize]='resize --size 2M dev' [stop]='stop spare' [start]='start stopped'
	[recover]='recover lost' [upgrade]='upgrade dev' [del]='del spare' [gc]=gc [doctor]=doctor [features]=features
	[targets]=targets [help]=help [up]='up --all' [down]='down spare' [ublktab]='ublktab list'
)
# Without: for people at a terminal; its own text for people.
without=(top help)

has_json() { ublkctl "$1" --help | grep -q -e '-J, --json'; }
# runs COMMAND OPTION...: its example, with these; the one that has no end is given one
runs() {
	local words
	read -ra words <<<"${example[$1]}"
	if [[ $1 != monitor ]]; then
		invoke "${words[@]}" "${@:2}"
	else
		"$program" "${words[@]}" "${@:2}" >"$tmp/out" 2>"$tmp/err" </dev/null 3>&- &
		wait_until 10 grep -q watching "$tmp/out"
		kill $!
		wait $! && status=0 || status=$?
		took_in
	fi
}

@test "each command has --json, or a reason" {
	local command
	for command in $(commands_of_help); do
		if has_json "$command"; then
			[[ ${example[$command]-} ]] || complain "no example of $command" || return
		else
			[[ " ${without[*]} " == *" $command "* ]] || complain "$command has no --json" || return
		fi
	done
}

@test "each command writes a document, and nothing else; it says which schema it is" {
	local command
	machine
	for command in $(commands_of_help); do
		has_json "$command" || continue
		runs "$command" --json
		same "$status$err" 0 "$command" || return
		jq -se 'length > 0 and all(.schema_version == 1)' <<<"$out" >/dev/null || complain "$command" || return
		same "$(command jq -r 'keys_unsorted[0]' <<<"$out" | sort -u)" schema_version "$command" || return
	done
}

changing='add set resize stop start recover upgrade del wait'

@test "each command that works on devices tells of them in the same words" {
	local command
	machine
	for command in $changing; do
		runs "$command" --json
		same "$(command jq -c '[keys_unsorted[:6], (.devices[0] | keys_unsorted)]' <<<"$out")" \
			'[["schema_version","changed","dry_run","status","error","devices"],["id","device","name","action","changed","status","error"]]' \
			"$command" || return
	done
}

# acts ACTION CHANGED ARGUMENT...: and so says the document, of one device
acts() {
	local action=$1 changed=$2
	shift 2
	invoke "$@" --json
	same "$status$err" 0 "$*" || return
	same "$(jq -r '[.changed, .dry_run, .status, .error, (.devices | length)] + (.devices[0] |
		[.action, .changed, .status, .error]) | map(. // "" | tostring) | join(" ")' <<<"$out" | tr -s ' ')" \
		"$(jq -rn --argjson c "$changed" '"\(if $c then "true" else "" end)  0  1 '"$action"' \(if $c then "true" else "" end) 0 "' |
			tr -s ' ')" "$*"
}

@test "what was done, and whether anything was" {
	machine
	acts made true add -t null --name new
	acts kept false add -t null --name new --if-absent
	acts awaited false wait --state live dev
	acts set true set --cpus 0 dev
	acts kept false set --cpus 0 dev
	acts resized true resize --size 2M dev
	acts kept false resize --size 2M dev
	acts upgraded true upgrade dev
	acts recovered true recover lost
	acts stopped true stop dev
	acts kept false stop dev
	acts started true start dev
	acts deleted true del dev
}

@test "some fail: all are told of, in the order of the operands" {
	works add -t null --name first
	works add -t null
	invoke del 9 first 7 1 --json
	same "$status" 6
	same "$err" "ublkctl: del: device 9 does not exist; 'ublkctl list' shows those that do
ublkctl: del: device 7 does not exist; 'ublkctl list' shows those that do"
	same "$(jq -c '[.changed, .status, (.devices[] | [.id, .name, .action, .changed, .status])]' <<<"$out")" \
		'[true,6,[9,null,"failed",false,6],[0,"first","deleted",true,0],[7,null,"failed",false,6],[1,null,"deleted",true,0]]'
	same "$(jq -r '.devices[0].error' <<<"$out")" "device 9 does not exist; 'ublkctl list' shows those that do"
}

@test "a name that names nothing: a document, also if --json stands behind it" {
	invoke del nobody --json
	same "$status $(jq -c '[.changed, .status, .devices]' <<<"$out")" '6 [false,6,[]]'
	invoke stop -n nobody --json
	same "$status $(jq -c '[.changed, .status, .devices]' <<<"$out")" '6 [false,6,[]]'
	invoke add -t loop -f missing --json
	same "$status $(jq -c '[.changed, .status, (.devices[] | [.id, .device, .action])]' <<<"$out")" '1 [false,1,[null,null,"failed"]]'
	invoke wait --state dead 5 -J
	same "$status $(jq -c '[.changed, .status, (.devices[] | [.id, .action])]' <<<"$out")" '6 [false,6,[5,"failed"]]'
}

@test "wrong usage: no document" {
	refused 2 'del: no device: give an id, a path, or --all' del --json
	refused 2 "gc: unexpected argument 'x'" gc --json x
	refused 2 "stop: unknown option '--frobnicate'" stop --json --frobnicate
	refused 2 'add: no target: say -t TARGET; '\''ublkctl targets'\'' lists them' add --json
}

@test "--help wins over --json" {
	works del --json --help
	[[ $out == Usage:* ]]
}

@test "--all: those that count, by id" {
	local id
	for id in 2 10 1; do works add -t null -n $id; done
	works add -t null -n 3 --recovery reissue
	kill -9 "$(listed '.[] | select(.id == 3) | .pid')"
	wait_until 10 state_is QUIESCED 2
	works stop --all --json
	same "$(jq -c '[.devices[].id]' <<<"$out")" '[1,2,10]'
	works recover --all --json
	same "$(jq -c '[.devices[].id]' <<<"$out")" '[3]'
	works start --all --json
	same "$(jq -c '[.devices[].id]' <<<"$out")" '[1,2,10]'
	works start --all --json
	same "$(jq -c '[.changed, .devices]' <<<"$out")" '[false,[]]'
	works del --all --json
	same "$(jq -c '[.devices[].id]' <<<"$out")" '[1,2,3,10]'
}

@test "whatever lists devices does so by number" {
	local id file=image
	truncate -s 1M $file
	for id in 2 10 1; do works add -t loop -f $file --read-only -n $id; done
	works list --json
	same "$(jq -c '[.devices[].id]' <<<"$out")" '[1,2,10]'
	works stats --json
	same "$(jq -c '[.stats[].id]' <<<"$out")" '[1,2,10]'
	runs monitor --json
	same "$(jq -c 'select(.event == "present") | .id' <<<"$out" | xargs)" '1 2 10'
	works del --file $file --dry-run --json
	same "$(jq -c '[.devices[].id]' <<<"$out")" '[1,2,10]'
	for id in 2 10 1; do kill -9 "$(listed ".[] | select(.id == $id) | .pid")"; done
	for id in 0 1 2; do wait_until 10 state_is DEAD $id; done
	cp "$root/run/10.json" "$root/run/21.json"
	cp "$root/run/10.json" "$root/run/3.json"
	works gc --dry-run --json
	same "$(jq -r '.items[].what' <<<"$out" | grep -oE '[0-9]+(.json)?$' | xargs)" '1 2 10 3.json 21.json'
	invoke doctor --json
	same "$(jq -r '.checks[] | select(.check == "leftovers") | .text' <<<"$out" | grep -oE '[0-9]+(.json)?: ' | xargs)" \
		'1: 2: 10: 3.json: 21.json:'
	works gc
}

@test "in the foreground a document comes when the device is there" {
	local pid
	"$program" add -t null --recovery reissue --name x --foreground --json >"$tmp/json" 2>"$tmp/log" </dev/null 3>&- &
	pid=$!
	wait_until 10 test -s "$tmp/json"
	same "$(jq -c '[.changed, .devices[0].action, .devices[0].name]' "$tmp/json")" '[true,"made","x"]'
	kill -9 "$pid"
	wait_until 10 state_is QUIESCED 0
	"$program" recover x --foreground --json >"$tmp/recovered" 2>"$tmp/log" </dev/null 3>&- &
	pid=$!
	wait_until 10 test -s "$tmp/recovered"
	same "$(jq -c '[.changed, .devices[0].action, .devices[0].name]' "$tmp/recovered")" '[true,"recovered","x"]'
	kill "$pid"
	wait "$pid"
	same "$(jq -s length "$tmp/recovered")" 1
}

@test "no command writes an escape sequence, or asks anything" {
	local command
	machine
	for command in $(commands_of_help); do
		[[ $command == top ]] || runs "$command"
		cat "$tmp/out" "$tmp/err" >>"$tmp/all"
		invoke "$command" --help
		cat "$tmp/out" "$tmp/err" >>"$tmp/all"
		invoke "$command" --frobnicate
		cat "$tmp/out" "$tmp/err" >>"$tmp/all"
	done
	[[ -s $tmp/all ]]
	same "$(grep -c $'\e' "$tmp/all")" 0
}
