package cli

import "github.com/kverify/kverify/pkg/report"

// request is what is to be verified, by the names that were given.
type request struct {
	what    []string // each once
	release string   // --release, of files
	shard   *report.Shard
	seen    seenFlags
}
