#!/usr/bin/env bats
# Names, and adding what is there already, on the model.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

state_is() { [[ $(listed '.[0].state') == "$1" ]]; }
image() { truncate -s 4M image; }

@test "add --name: in list, show, and add --json" {
	works add -t null --name web-1
	same "$out" "$root/dev/ublkb0"
	same "$(listed '.[0].name')" web-1
	same "$(shown .name)" web-1
	works list --noheadings --raw -o NAME web-1
	same "$out" web-1
	works add -t null
	same "$(shown .name 1)" null
}

@test "a name goes where an id goes" {
	image
	works add -t loop -f image --name disk --recovery reissue
	works show disk
	works list -n disk
	works set --cpus 0 disk
	works resize disk --size 8M
	works upgrade disk
	same "$(shown .name)" disk
	kill -9 "$(listed '.[0].pid')"
	works recover disk
	same "$(shown .name)" disk
	works del disk
	same "$(listed length)" 0
}

@test "show nobody" { refused 6 "show: there is no device 'nobody'; 'ublkctl list' shows those that there are"; }
@test "del a/b" { refused 2 "del: 'a/b' is not a ublk device: give an id (0 to 1048575), a name, or a path like $root/dev/ublkb0"; }

@test "names that are none" {
	local name long
	printf -v long '%064d' 0
	for name in '' 7 7up 'a b' a/b 'a,b' -x ublkb0 ublkc7x a$'\n' "a$long" 'ä'; do
		invoke add -t null --name "$name"
		one_line 2 "add: --name: '*' is not a letter and then up to 62 letters, digits, dots, dashes and underlines, or is like a node's name"
	done
	works add -t null --name a.B-c_9
	works add -t null --name "x${long:2}"
}

@test "a name is taken" {
	works add -t null --name x
	refused 8 "add: device 0 ($root/dev/ublkb0) has the name x; choose another, or use --if-absent" add -t null --name x
	works del x
	works add -t null --name x
}

@test "add --if-absent: by name" {
	works add -t ramdisk --size 1G --name x --if-absent
	works add -t ramdisk --size 1024M --name x --if-absent
	same "$out" "$root/dev/ublkb0"
	works add -t ramdisk --size 1G --name x --if-absent --json
	same "$(jq -r '.id, .device, .target' <<<"$out" | paste -sd ' ')" "0 $root/dev/ublkb0 ramdisk"
	same "$(listed length)" 1
}

@test "add --if-absent: by backing, also with --create" {
	works add -t loop -f image --create --size 4M --if-absent
	works add -t loop -f "$PWD/./image" --create --size 4M --if-absent
	same "$out" "$root/dev/ublkb0"
	works add -t loop -f image --if-absent
	refused 7 "add: image is in use: another program or ublk device has locked it" add -t loop -f image --if-absent --name other
}

@test "add --if-absent: nothing says which" {
	refused 2 'add: --if-absent: nothing says which device is meant; add --name NAME' add -t null --if-absent
	refused 2 'add: --if-absent: nothing says which device is meant; add --name NAME' add -t ramdisk --size 1M --if-absent
}

# differs WHAT OPTION...: from the device that there is
differs() {
	refused 8 "add: device 0 ($root/dev/ublkb0) is there, but with $1; delete it, or leave it as it is" add --if-absent "${@:2}"
}

@test "add --if-absent: each difference" {
	image
	cp image other
	works add -t loop -f image --name x
	differs "--target loop, not null" --name x -t null
	differs "backing $PWD/image, not $PWD/other" --name x -t loop -f other
	differs "--offset none, not 4096" --name x -t loop -f image --offset 4096
	differs "--direct-io none, not off" -t loop -f image --direct-io off
	differs "--id 0, not 7" -t loop -f image -n 7
	differs "--queues 1, not 2" -t loop -f image -q 2
	differs "--depth 128, not 64" -t loop -f image -d 64
	differs "--max-io-size 524288, not 1048576" -t loop -f image --max-io-size 1M
	differs "--logical-block-size 0, not 4096" -t loop -f image --logical-block-size 4096
	differs "--physical-block-size 0, not 4096" -t loop -f image --physical-block-size 4096
	differs "--read-only off, not on" -t loop -f image --read-only
	differs "--recovery none, not queue" -t loop -f image --recovery queue
	differs "--threads 1, not 2" -t loop -f image --threads 2
	differs "--cpus none, not 0" -t loop -f image --cpus 0
	differs "--data-path auto, not copy" -t loop -f image --data-path copy
	works del 0
	works add -t loop -f image --offset 4096 --recovery reissue --respawn
	differs "--offset 4096, not none" -t loop -f image --recovery reissue --respawn
	differs "--respawn on, not off" -t loop -f image --recovery reissue --offset 4K
	works add -t loop -f image --offset 4K --recovery reissue --respawn --if-absent
}

@test "add --if-absent: what resize has changed is no difference" {
	image
	works add -t loop -f image
	works resize 0 --size 8M
	works add -t loop -f image --if-absent
	same "$out" "$root/dev/ublkb0"
}

@test "add --if-absent: there, but dead" {
	image
	works add -t loop -f image --recovery queue
	kill -9 "$(listed '.[0].pid')"
	wait_until 10 state_is QUIESCED
	refused 8 "add: device 0 ($root/dev/ublkb0) is there, but QUIESCED and without a handler; see 'ublkctl recover 0'" \
		add -t loop -f image --recovery queue --if-absent
}

@test "20 concurrent add --if-absent: one device, and all get its path" {
	local i pids=()
	for ((i = 0; i < 20; i++)); do
		ublkctl add -t ramdisk --size 1M --name x --if-absent >"$tmp/path.$i" 2>"$tmp/err.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	same "$(sort "$tmp"/path.* | uniq -c | tr -s ' ')" " 20 $root/dev/ublkb0"
	same "$(cat "$tmp"/err.*)" ''
	same "$(listed length)" 1
}

@test "one file, two writers" {
	image
	works add -t loop -f image
	refused 7 "add: image is in use: another program or ublk device has locked it" add -t loop -f image
	refused 7 "add: image is in use: another program or ublk device has locked it" add -t loop -f image --share
	works del 0
	works add -t loop -f image --share
	works add -t loop -f image --share
	refused 7 "add: image is in use: another program or ublk device has locked it" add -t loop -f image
}
