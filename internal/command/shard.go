package command

import (
	"strconv"
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// ParseShard reads --shard I/N; nil is the whole.
func ParseShard(text string) (*report.Shard, error) {
	if text == "" {
		return nil, nil
	}
	index, count, ok := strings.Cut(text, "/")
	i, err := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if !ok || err != nil || err2 != nil || n < 1 || n > maxShards || i < 0 || i >= n {
		return nil, Usagef("--shard %q is not part of a whole; write --shard I/N with I from 0 to N-1, such as 0/4 to 3/4", text)
	}
	return &report.Shard{Index: i, Count: n}, nil
}

// maxShards is what an indexed Job of Kubernetes takes (completions of 100,000
// at most); more than there are subjects is refused in any case.
const maxShards = 100_000
