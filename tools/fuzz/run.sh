#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, FUZZTIME each
# (go test takes one target at a time). The first failure ends the run; go test
# has then written the input under testdata/fuzz of that package.
set -euo pipefail
cd "$(dirname "$0")/../.."
go=${GO:-go}
time=${FUZZTIME:-20s}

count=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	echo "== $package $target ($time)"
	"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package"
	count=$((count + 1))
done < <(git ls-files '*_test.go' | grep -v '^test/' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' /dev/null | sed 's/func //' | sort)
echo "fuzz: $count targets, no failure"
[[ $count -gt 0 ]]
