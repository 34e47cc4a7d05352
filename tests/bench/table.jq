# Figures (see lib.bash) to Markdown. $data: goals.json.
def cells: ["r4k", "w4k", "r64k", "w64k", "r512k", "w512k"];
def few: ["r4k", "w4k", "r512k", "w512k"];
def round2: . * 100 | round | . / 100 | tostring | if test("\\.") then . else . + "." end
	| capture("^(?<whole>[0-9]+)\\.(?<part>[0-9]*)$") | .whole + "." + ((.part + "00")[0:2]);
def line: "| " + join(" | ") + " |";
def head: line, (map("---") | line);
def title: if .path == "" then .name elif .auto then "**\(.path)**" else .path end;

# A figure that was measured again replaces the old one.
def latest: reduce .[] as $f ({}; .["\($f.kernel)|\($f.suite)|\($f.group)|\($f.name)|\($f.path)|\($f.cell)"] = $f) | [.[]];

# rows: [{label, name, path, auto, at: {CELL: VALUE}}], in the order of measuring
def rows: reduce .[] as $f ([]; (map(.name == $f.name and .path == $f.path) | index(true)) as $i
	| if $i then .[$i].at[$f.cell] = $f.value
	  else . + [$f + {label: ($f | title), at: {($f.cell): $f.value}}] end);

def groups($suites): map(select([.suite] | inside($suites))) | group_by(.group)
	| map({group: .[0].group, rows: rows}) | sort_by(.group as $g | $data.reference | keys_unsorted | index($g));
def reference: . as $g | .rows[] | select(.name == $data.reference[$g.group]);
def peers($kernel): $data["best other ublk server"] | to_entries[] | . as $e | select($kernel | startswith($e.key + ".")) | .value;

def added($value; $base): if $value and $base then 1e9 / $value - 1e9 / $base | round else "" end;
def ratio($value; $base): if $value and $base then "\($value) (\($value / $base | round2))" else $value // "" end;

def speed($all):
	. as $g | ([reference] + [{at: ($all[] | select(.group == "null") | reference | .at)}] | .[0].at) as $base
	| "", "### \(.group)", "",
	(["IOPS (of \($data.reference[.group]))"] + cells | head),
	(.rows[] | . as $r | [.label] + [cells[] | ratio($r.at[.]; $base[.])] | line),
	"",
	(["added instructions per I/O"] + cells + ["copies R/W", "calls r4k", "w4k", "r512k", "w512k"] | head),
	(.rows[] | . as $r | (if .path == "" then .name else .path end) as $key
	 | [.label] + [cells[] | added($r.at[.]; $base[.])] + [$data.copies[$g.group][$key] // ""]
	 + [few[] as $c | $r.calls[$c] | if . then round2 else "" end] | line);

def goals($groups; $kernel):
	"", "### Goals, by the path that auto takes", "",
	(["target", "at least"] + cells | head),
	($data.goals[] | . as $goal | ($groups[] | select(.group == $goal.group)) as $g
	 | ($g.rows[] | select(.auto)) as $ours
	 | (if .peer then [peers($kernel)[.peer]][0]
	    else ($g.rows[] | select(.name == $goal.reference)) as $r | [cells[] | $r.at[.]] end) as $them
	 | select($them)
	 | [$goal.group, (if .peer then "the best other ublk server" else .reference end)]
	   + [range(6) as $i | ($them[$i] * $goal.least[$i] | floor) as $want | $ours.at[cells[$i]]
	      | "\(. / $them[$i] | round2) of \($goal.least[$i]) \(if . >= $want then "met" else "**missed**" end)"]
	 | line);

def plain($suite; $heading; $columns):
	map(select(.suite == $suite)) | if length == 0 then empty else
	"", "### \($heading)", "",
	(group_by(.group)[] | .[0].group as $group | rows as $rows | ($columns // ($rows | map(.at | keys_unsorted) | add | unique)) as $c
	 | ([$group] + $c | head),
	   ($rows[] | . as $r | [if .path == "" or $suite == "cost" then "\(.name)\(if .path != "" then ", " + .label else "" end)" else .label end]
	    + [$c[] | $r.at[.] | if . == null then "" else (if . == floor then . else round2 end) end] | line), "") end;

latest | group_by(.kernel)[] | . as $all | .[0].kernel as $kernel
| groups(["calls"]) as $calls
| ([groups(["null", "ramdisk", "loop", "ext4", "disk"])[] | . as $g
    | .rows |= map(. as $r | .calls = ([$calls[] | select(.group == $g.group) | .rows[] | select(.path == $r.path and $r.path != "") | .at][0] // {}))]) as $groups
| "", "## \($kernel)",
  (if $groups | length > 0 then ($groups[] | speed($groups)), (if any($groups[]; .group as $g | any($data.goals[]; .group == $g)) then goals($groups; $kernel) else empty end) else empty end),
  ($all | plain("latency"; "One request at a time: ns from submission to completion"; few)),
  ($all | plain("scaling"; "Two queues over one, on two CPUs"; ["min", "median", "max"])),
  ($all | plain("admin"; "To come and go"; null)),
  ($all | plain("cost"; "Instructions of the loop in user space per I/O"; ["r4k", "w4k"]))
