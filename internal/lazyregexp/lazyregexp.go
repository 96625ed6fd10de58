// Package lazyregexp compiles regular expressions when they are first used. Each one compiled
// while the program starts is paid for by every command, whether it reads such text or not.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns what gives the expression, compiled once. An invalid expression panics where it is
// first used, so that the test in internal/arch compiles every one of them.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
