#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, FUZZTIME each
# (go test takes one target at a time). The first failure ends the run; go test
# has then written the input under testdata/fuzz of that package.
set -euo pipefail
cd "$(dirname "$0")/../.."
go=${GO:-go}
time=${FUZZTIME:-20s}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# One target. go test sometimes takes the end of its time for a failure of the
# target, and says so in these words and no others (golang/go#75804): then once more.
fuzz() {
	local try
	for try in 1 2 3; do
		"$go" test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x "$1" 2>&1 | tee "$log" && return 0
		if ((try == 3)) || grep -q 'Failing input written' "$log" || ! grep -q '^ *context deadline exceeded$' "$log"; then
			return 1
		fi
		echo "fuzz: the time of $2 ended in the middle of an input; once more"
	done
}

count=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	echo "== $package $target ($time)"
	fuzz "$package" "$target"
	count=$((count + 1))
done < <(git ls-files '*_test.go' | grep -v '^test/' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' /dev/null | sed 's/func //' | sort)
echo "fuzz: $count targets, no failure"
[[ $count -gt 0 ]]
